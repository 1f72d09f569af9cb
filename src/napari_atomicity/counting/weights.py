"""From the arrays of a model's file to its networks and patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.patches import PATCH_PX
from napari_atomicity.errors import InputError
from napari_atomicity.io.tensors import TensorSpec, misfit, tensors_of

if TYPE_CHECKING:
    from torch.nn import Module

    from napari_atomicity.counting.network import Network
    from napari_atomicity.counting.scale_network import ScaleNetwork

REHEARSAL: Final = "rehearsal."
LIBRARY: Final = "library."
SCALE: Final = "scale."
SHIPPED: Final = "shipped."
#: no weight of a network that learnt something is larger, and sums of such no longer hold
_LARGEST: Final = 1e6
Arrays = dict[str, npt.NDArray[Any]]


class Weights(NamedTuple):
    """What a model's file holds; see `Bundle`."""

    network: Network
    rehearsal: Arrays
    library: Arrays
    scale_network: ScaleNetwork | None
    shipped: Network | None


def weights_of(card: ModelCard, content: bytes) -> Weights:
    """Read the networks and patches of a model, all of them as its card says.

    Parameters
    ----------
    card
        Of the model.
    content
        Of its file of weights (safetensors).

    Raises
    ------
    InputError
        Where it is no such file, lacks something, or holds numbers that no network has.
    """
    tensors = tensors_of(content, f"The file of weights of {card.name!r}")
    rehearsal, library, scale, shipped = (
        _split_off(tensors, prefix) for prefix in (REHEARSAL, LIBRARY, SCALE, SHIPPED)
    )
    network = _network(card, tensors)
    _check_patches(card, rehearsal, library)
    return Weights(
        network,
        rehearsal,
        library,
        _scale_network(card, scale) if scale else None,
        _network(card, shipped) if shipped else None,
    )


def _check_patches(card: ModelCard, rehearsal: Arrays, library: Arrays) -> None:
    """Patches to rehearse and library clusters: a value for each of them, and a class that the model knows."""
    m, n = (len(np.atleast_1d(arrays.get("class_index", ()))) for arrays in (rehearsal, library))
    needed = {
        "raw": TensorSpec((m, PATCH_PX, PATCH_PX)),
        "noise": TensorSpec((m,)),
        "log_atoms": TensorSpec((m,)),
        "class_index": TensorSpec((m,), "iu"),
    }
    _check_rows(card, "patches to rehearse", rehearsal, needed)
    needed = {"pixels": TensorSpec((n, PATCH_PX, PATCH_PX), "u"), "class_index": TensorSpec((n,), "iu")}
    needed |= dict.fromkeys(("scale", "offset", "noise", "log_atoms"), TensorSpec((n,)))
    needed |= {"map": TensorSpec((m + n, 2))} if "map" in library else {}
    _check_rows(card, "library clusters", library, needed)


def _check_rows(card: ModelCard, name: str, arrays: Arrays, needed: Mapping[str, TensorSpec]) -> None:
    if not arrays:
        return
    wrong = misfit(arrays, needed)
    if not wrong and not np.isin(arrays["class_index"], np.arange(len(card.class_sizes))).all():
        wrong = "one is of a class that the model does not know"
    if wrong:
        raise InputError(f"The {name} of {card.name!r} do not belong together ({wrong}); export the model again.")


def _network(card: ModelCard, tensors: Arrays) -> Network:
    from napari_atomicity.counting.network import Network

    network = Network(card.class_sizes, card.channels)
    wrong = _fill(network, tensors)
    if wrong:
        raise InputError(
            f"The weights of {card.name!r} do not fit its card ({len(card.class_sizes)} classes, "
            f"{len(card.channels)} channels: {wrong}); export the model again."
        )
    return network


def _fill(module: Module, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Load weights into a module for evaluation; gives in a few words what is wrong with them, empty for nothing."""
    import torch

    state = module.state_dict()
    wrong = misfit(
        tensors, {k: TensorSpec(tuple(v.shape), "f" if v.is_floating_point() else "iu") for k, v in state.items()}
    )
    if wrong:
        return wrong
    for name, values in tensors.items():
        if values.dtype.kind == "f" and (np.abs(values) > _LARGEST).any():
            return f"{name} holds numbers beyond {_LARGEST:g}"
        if name.endswith("running_var") and (values < 0).any():
            return f"{name} holds a variance below 0"
        if name == "temperature" and (values <= 0).any():
            return f"{name} is not above 0"
    module.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
    module.eval().requires_grad_(False)
    return ""


def _split_off(tensors: Arrays, prefix: str) -> Arrays:
    """Remove the arrays whose names begin with `prefix`; gives them without it."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _scale_network(card: ModelCard, tensors: Arrays) -> ScaleNetwork:
    from napari_atomicity.counting.scale_network import ScaleNetwork, inputs

    classes = len(card.class_sizes)
    network = ScaleNetwork(classes, inputs(classes, len(card.channels)))
    if wrong := _fill(network, tensors):
        raise InputError(f"The scale network of {card.name!r} does not fit its card ({wrong}); export the model again.")
    return network
