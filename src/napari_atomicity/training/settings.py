"""What decides a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_atomicity.training.library import Recipe


@dataclass(frozen=True)
class TrainingConfig:
    """Network, optimisation and recipe of a training run.

    Attributes
    ----------
    name
        Of the model.
    channels
        ``("raw",)`` or ``("raw", "lcn")``.
    lcn_window_nm
        Full width of the window of the local contrast normalisation.
    recipe
        How the library was made.
    epochs, batch, learning_rate, weight_decay, seed
        Of the optimisation.
    patience
        Epochs without a better validation loss after which training stops; 0 never.
    device
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``mps``. The same configuration gives the same
        weights on the same machine and device; a GPU does not promise it.
    """

    name: str = "dual"
    channels: tuple[str, ...] = ("raw", "lcn")
    lcn_window_nm: float = 0.8
    recipe: Recipe = field(default_factory=Recipe)
    epochs: int = 10
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 0
    patience: int = 0
    device: str = "cpu"
