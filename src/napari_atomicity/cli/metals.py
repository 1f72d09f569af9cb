"""Class sets, and the metals of what is simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.workshop_requests import ListClassSetsRequest, SimulateRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.simulation.alloys import Alloy


def list_class_sets(request: ListClassSetsRequest, console: Console) -> None:
    """The class sets that come along: metal, sizes, support, source, licence.

    Parameters
    ----------
    request
        Without options.
    console
        Where they are printed.
    """
    from napari_atomicity.metals import class_sets

    for known in class_sets():
        for heading, text in known.facts:
            console.say(f"{'' if heading == 'Class set' else '  '}{heading}: {text}")


def metal_and_sizes(request: SimulateRequest) -> tuple[str, tuple[int, ...]]:
    """What is simulated, by name or by a class set.

    Raises
    ------
    InputError
        Where both are given, or there is no such class set.
    """
    from napari_atomicity.metals import class_set

    if not request.class_set:
        return request.element, request.sizes
    chosen = class_set(request.class_set)
    if request.sizes or request.element not in ("Pt", chosen.element):
        raise InputError(f"The class set {chosen.name} gives metal and sizes; leave --sizes and --element out.")
    return chosen.element, tuple(chosen.sizes)


def second_metal_of(request: SimulateRequest) -> Alloy | None:
    """The second metal of the clusters, where one is named.

    Raises
    ------
    InputError
        Where several are.
    """
    from napari_atomicity.metals import read_composition
    from napari_atomicity.simulation.alloys import Alloy

    if not request.alloy:
        return None
    guests = read_composition(request.alloy, request.element).guests
    if len(guests) != 1:
        raise InputError(f"{request.alloy!r} does not name one second metal; give its fraction such as Co=0.25±0.05.")
    return Alloy(guests[0].element, guests[0].fraction, guests[0].sd, request.exponent)
