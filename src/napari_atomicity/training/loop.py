"""Training a model on a library, and making its statements honest on structures it has never seen."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps, drain
from napari_atomicity.training.batches import TrainingData, loss_of
from napari_atomicity.training.calibrating import calibrated_steps
from napari_atomicity.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from napari_atomicity.training.library import Library
from napari_atomicity.training.settings import TrainingConfig

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Network

_REHEARSED_PER_CLASS: Final = 12
#: clusters of a class without which there is nothing to learn from, or to judge by
LEAST_CLUSTERS: Final = {"training": 10, "validation": 5}
#: part of the spread of diameters that the clusters of a frame share, where it cannot be measured (simulated frames)
_SHARED_OF_DIAMETER: Final = 0.7
#: part of the steps in which the learning rate rises
_RISE: Final = 0.2


def train(config: TrainingConfig, library: Library, validation: Library) -> Bundle:
    """`train_steps` to its end, without a checkpoint.

    Parameters
    ----------
    config, library, validation
        As in `train_steps`.

    Returns
    -------
    Bundle
        The trained model.
    """
    return drain(train_steps(config, library, validation))


def train_steps(
    config: TrainingConfig, library: Library, validation: Library, checkpoint: Path | None = None
) -> Steps[Bundle]:
    """Train a network on a library, keep its best epoch, and calibrate it.

    Yields at every batch.

    Parameters
    ----------
    config
        Network and optimisation.
    library
        Clusters to learn from.
    validation
        Clusters that choose the epoch and calibrate the model's statements; of no structure that is in `library`.
    checkpoint
        File in which the state is kept after every epoch. Where it holds a state of the same configuration and data,
        training goes on from there and ends with the weights that it would have had without the interruption.

    Returns
    -------
    Bundle
        The trained model, without scores, scale network and library clusters.

    Raises
    ------
    InputError
        Where a class has too few clusters to learn from, or all of them do not fill a batch.
    """
    run = _begin(config, library, validation)
    if checkpoint is not None:
        run.resume(checkpoint)
    while run.epoch < config.epochs and not (config.patience and run.epochs_without_gain >= config.patience):
        yield from run.epoch_steps()
        run.judge((yield from _validation_loss_steps(run.network, config, validation)))
        if checkpoint is not None:
            run.save(checkpoint)
    network = run.best_network()
    # trained on a library in which outsiders have some share; from here on their logit is a likelihood ratio
    sizes = config.recipe.class_sizes
    share = float(np.clip(library.is_outside(sizes).mean(), 0.01, 0.99))
    network.lower_outside(math.log(share * len(sizes) / (1 - share)))
    bundle = _uncalibrated(config, library, network)
    recipe = {**bundle.card.recipe, "epochs": run.epoch, "best_epoch": int(np.argmin(run.losses)) + 1}
    bundle = replace(bundle, card=replace(bundle.card, recipe=recipe))
    return (yield from calibrated_steps(bundle, validation))


def epochs_done(config: TrainingConfig, library: Library, checkpoint: Path) -> int:
    """How many epochs of a run a checkpoint holds.

    Parameters
    ----------
    config, library
        As in `train_steps`.
    checkpoint
        The file.

    Returns
    -------
    int
        0 where it holds another run or none.
    """
    state = load_checkpoint(checkpoint, _fingerprint(config, library))
    return 0 if state is None else len(state.facts["losses"])


def _begin(config: TrainingConfig, library: Library, validation: Library) -> _Run:
    sizes = config.recipe.class_sizes
    for clusters, what in ((library, "training"), (validation, "validation")):
        counts = np.bincount(clusters.class_index(sizes) + 1, minlength=len(sizes) + 1)[1:]
        if counts.min() < LEAST_CLUSTERS[what]:
            raise InputError(
                f"The {what} library holds only {counts.min()} clusters of {sizes[counts.argmin()]} atoms; "
                f"at least {LEAST_CLUSTERS[what]} are needed, so add images or simulated frames."
            )
    if len(library) < config.batch:
        raise InputError(
            f"The training library holds {len(library)} clusters, fewer than one batch of {config.batch}; "
            "lower training.batch, or add images or simulated frames."
        )
    return _Run(config, library)


def device_named(name: str) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU where there is one.

    Raises
    ------
    InputError
        Where this machine has no such device.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, present in available.items() if present))
    if not available.get(name, False):
        raise InputError(f'This machine has no device {name!r} for training; write training.device = "auto".')
    return torch.device(name)


def _fingerprint(config: TrainingConfig, library: Library) -> str:
    """Hash of everything that decides the weights."""
    settings = {**asdict(config), "recipe": config.recipe.sha256}
    del settings["device"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for values in (library.n_atoms, library.log_integral, library.noise):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


class _Run:
    """A training run between two epochs: all that a checkpoint has to hold."""

    def __init__(self, config: TrainingConfig, library: Library) -> None:
        import torch

        from napari_atomicity.counting.network import Network

        self.config = config
        self.device = device_named(config.device)
        torch.manual_seed(config.seed)
        self.network = Network(config.recipe.class_sizes, config.channels)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = TrainingData(config, library, np.random.default_rng(config.seed))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.fingerprint = _fingerprint(config, library)
        #: validation loss after each epoch
        self.losses: list[float] = []
        self.best: dict[str, torch.Tensor] = {}

    @property
    def epoch(self) -> int:
        return len(self.losses)

    @property
    def epochs_without_gain(self) -> int:
        return self.epoch - 1 - int(np.argmin(self.losses)) if self.losses else 0

    def epoch_steps(self) -> Steps[None]:
        """One pass over the training library."""
        import torch

        config, batches = self.config, self.data.batches
        total = config.epochs * batches
        what = f"Training {config.name}, epoch {self.epoch + 1} of {config.epochs}"
        self.network.train()
        for done, batch in enumerate(self.data.epoch(), start=self.epoch * batches):
            rate, memory = _one_cycle(done, total, config.learning_rate)
            for group in self.optimiser.param_groups:
                group["lr"], group["betas"] = rate, (memory, group["betas"][1])
            batch = batch.to(self.device)
            loss = loss_of(self.network(batch.x, batch.noise), batch.target, self.network.log_sizes)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            yield Progress(done + 1, total, what)

    def judge(self, loss: float) -> None:
        """Take note of an epoch's validation loss and keep its weights where it is the best."""
        if not math.isfinite(loss):
            raise InputError(
                f"Training diverged in epoch {self.epoch + 1}; lower training.learning_rate "
                f"({self.config.learning_rate:g} now)."
            )
        self.losses.append(loss)
        if self.epochs_without_gain == 0:
            self.best = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def best_network(self) -> Network:
        """The network of the best epoch, ready for use."""
        import torch

        self.network.load_state_dict(self.best)
        self.network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return self.network.eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write the state to `path`."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self.network.named_parameters():
            tensors |= {f"moment.{name}.{key}": value for key, value in self.optimiser.state[parameter].items()}
        facts = {
            "fingerprint": self.fingerprint,
            "losses": self.losses,
            "generator": self.data.rng.bit_generator.state,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(Checkpoint(tensors, facts), path)

    def resume(self, path: Path) -> None:
        """Go on from the state in `path`, if it is one of this run."""
        import torch

        state_before = load_checkpoint(path, self.fingerprint)
        if state_before is None:
            return
        self.network.load_state_dict(state_before.part("network"))
        self.best = state_before.part("best")
        self.losses = list(state_before.facts["losses"])
        self.data.rng.bit_generator.state = state_before.facts["generator"]
        for name, parameter in self.network.named_parameters():
            state = self.optimiser.state[parameter]
            for key, value in state_before.part(f"moment.{name}").items():
                # moments lie in memory as their parameter does; the count of steps stays on the CPU
                state[key] = torch.empty_like(parameter).copy_(value) if value.ndim else value


def _one_cycle(step: int, total: int, peak: float) -> tuple[float, float]:
    """Learning rate and decay of the first moment at `step` of `total`: up to `peak` and down again by cosines.

    After L. N. Smith and N. Topin, Super-convergence (2018), as in torch's ``OneCycleLR``, but without state.
    """
    up, last = _RISE * total - 1, total - 1
    if step < up:
        share, rates, memories = step / up, (peak / 25, peak), (0.95, 0.85)
    else:
        share = (step - up) / max(last - up, 1)
        rates, memories = (peak, peak / 25e4), (0.85, 0.95)
    weight = (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
    return rates[1] + (rates[0] - rates[1]) * weight, memories[1] + (memories[0] - memories[1]) * weight


def _uncalibrated(config: TrainingConfig, library: Library, network: Network) -> Bundle:
    sizes = config.recipe.class_sizes
    index = library.class_index(sizes)
    whole = (index >= 0) & (library.flag == "ok")
    diameters, frame_sd = diameters_by_class(library, sizes)
    card = ModelCard(
        name=config.name,
        class_sizes=sizes,
        element=config.recipe.element,
        channels=config.channels,
        lcn_window_nm=config.lcn_window_nm,
        diameter_nm=diameters,
        diameter_frame_sd=frame_sd,
        recipe={**asdict(config.recipe), "training_clusters": len(library), "epochs": config.epochs,
                "seed": config.seed},
        recipe_sha256=config.recipe.sha256,
        limits=(
            "Trained on simulated frames alone; not checked against size-selected clusters in a real microscope.",
        ),
        citation="napari-atomicity; after Tsukamoto et al., npj Comput. Mater. 12, 143 (2026).",
    )  # fmt: skip
    rng = np.random.default_rng(config.seed)
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(whole & (index == i)), min(_REHEARSED_PER_CLASS, int((index == i).sum())), False)
            for i in range(len(sizes))
        ]
    )
    rehearsal: dict[str, npt.NDArray[Any]] = {
        "raw": library.raw[chosen],
        "noise": library.noise[chosen],
        "log_atoms": (library.log_integral - library.log_scale)[chosen],
        "class_index": index[chosen].astype(np.int64),
    }
    return Bundle(card, network, rehearsal)


def diameters_by_class(library: Library, sizes: tuple[int, ...]) -> tuple[dict[str, tuple[float, float]], float]:
    """The logarithm of the diameter of each class.

    Parameters
    ----------
    library
        Labelled clusters.
    sizes
        Atoms of each class.

    Returns
    -------
    by_class
        Mean and standard deviation of ln(diameter in nm), by the number of atoms as text.
    frame_sd
        Standard deviation of the part that all clusters of a frame share.
    """
    index = library.class_index(sizes)
    rows = np.flatnonzero((index >= 0) & (library.flag == "ok"))
    log_diameter, index = np.log(library.diameter_nm[rows]), index[rows]
    by_class = {
        str(size): (float(log_diameter[index == i].mean()), float(log_diameter[index == i].std()))
        for i, size in enumerate(sizes)
    }
    offset = log_diameter - np.array([by_class[str(size)][0] for size in sizes])[index]
    _, frame = np.unique(library.frame[rows], return_inverse=True)
    by_frame = np.bincount(frame, offset) / np.bincount(frame)
    spread = float(offset.std())
    if len(by_frame) <= len(sizes):  # size-selected, one image a class: what an image shares is hidden in its class
        return by_class, _SHARED_OF_DIAMETER * spread
    return by_class, float(min(by_frame.std(), 0.9 * spread))


def _validation_loss_steps(network: Network, config: TrainingConfig, validation: Library) -> Steps[float]:
    import torch

    network.eval()
    device = next(network.parameters()).device
    data = TrainingData(config, validation, np.random.default_rng(0))
    losses = []
    for batch in data.epoch(augment=False):
        batch = batch.to(device)
        with torch.inference_mode():
            losses.append(float(loss_of(network(batch.x, batch.noise), batch.target, network.log_sizes)))
        yield Progress(len(losses), math.ceil(len(validation) / config.batch), f"Validating {config.name}")
    return float(np.mean(losses))
