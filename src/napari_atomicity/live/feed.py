"""Scans of an instrument that lives in this process, put into a folder that another process watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_atomicity.errors import InputError
from napari_atomicity.io.names import safe_name
from napari_atomicity.live.order import IMAGES, Order
from napari_atomicity.live.pixels import save_pixels
from napari_atomicity.live.sources.arrival import FrameSource


class Feed:
    """Writes what a source gives to the folder of images of a watch.

    Parameters
    ----------
    source
        Where images come from; None where they come by themselves.
    order
        Of the watch.
    """

    def __init__(self, source: FrameSource | None, order: Order) -> None:
        self._source, self._order = source, order
        self._said: set[str] = set()

    def turn(self) -> list[str]:
        """Write what has come; sentences for a person, each once."""
        if self._source is None:
            return []
        sentences = self._source.remarks()
        arrival = self._source.take()
        if arrival is not None and arrival.micrograph is not None:
            try:
                micrograph = self._order.reading.calibrated(arrival.micrograph)
                save_pixels(micrograph, self._order.target / IMAGES, safe_name(arrival.name), arrival.when)
            except InputError as error:
                sentences.append(f"{arrival.name}: {error}")
        new = [sentence for sentence in sentences if _without_name(sentence) not in self._said]
        self._said.update(map(_without_name, new))
        return new


def _without_name(sentence: str) -> str:
    """What a sentence says, whichever image it is about."""
    name, mark, said = sentence.partition(": ")
    return said if mark else name


@contextmanager
def feed_of(order: Order) -> Iterator[Feed]:
    """What feeds a watch: the scans of Nion Swift where they are ordered, else nothing.

    Parameters
    ----------
    order
        Of the watch.

    Raises
    ------
    InputError
        Where there is no instrument in this process.
    """
    if order.source != "scans":
        yield Feed(None, order)
        return
    from napari_atomicity.live.sources.nionswift import SwiftScans, scan_device

    scans = SwiftScans(scan_device())
    try:
        yield Feed(scans, order)
    finally:
        scans.close()
