"""A whole training from a configuration to a model in a folder, and the line that says how long it still takes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from napari_atomicity.counting.bundle import Bundle, load_bundle, save_bundle
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.training.companions import FRAMES, with_library_steps
from napari_atomicity.training.config import RunConfig
from napari_atomicity.training.evaluate import EvaluationSet, evaluation_set_steps, plan
from napari_atomicity.training.laboratory import LaboratoryData, laboratory_steps, mixed, with_merged_pairs
from napari_atomicity.training.library import Library, origin, simulate_library_steps
from napari_atomicity.training.loop import device_named, epochs_done, train_steps
from napari_atomicity.training.scales import LEAST_FRAMES, taught_scales_steps
from napari_atomicity.training.scores import scored_steps

#: frames for validation and for the scores, relative to those for training
_VALIDATION: Final = 0.17
_SCORED: Final = 0.2
#: frames to learn scales from, relative to those for training
_SCALES: Final = 1.5
#: a network that has taken fewer steps has hardly begun to learn
_FEW_STEPS: Final = 400
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _RunData:
    training: Library
    validation: Library


def run_steps(config: RunConfig, folder: Path, say: Say, models: Path | None = None) -> Steps[Path]:
    """Train the model of a configuration.

    Everything that takes long is kept in `folder` as it goes: simulated frames under ``library``, the state of the
    network after every epoch under ``NAME.training``. The same call after an interruption goes on from there.

    Parameters
    ----------
    config
        What to train, and on what.
    folder
        Where the state is kept.
    say
        Takes sentences for the person, as they come.
    models
        Folder for the model's two files; `folder` where None.

    Returns
    -------
    Path
        The model's file of weights.

    Raises
    ------
    InputError
        Before anything is trained, where the configuration or its micrographs do not do.
    """
    device = device_named(config.training.device)
    if config.training.device == "auto" and device.type != "cpu":
        say(f"Training runs on the device {device.type!r}; only on the CPU is it repeatable to the last digit.")
    laboratory = yield from _laboratory_steps(config)
    for message in laboratory.messages if laboratory else ():
        say(message)
    data = yield from _data_steps(config, laboratory, folder / "library")
    say(f"{len(data.training)} clusters to train on, {len(data.validation)} to validate.")
    steps = config.training.epochs * (len(data.training) // config.training.batch)
    if steps < _FEW_STEPS:
        say(f"{steps} steps are few to learn from; raise training.epochs or lower training.batch for {_FEW_STEPS}.")
    checkpoint = folder / f"{config.training.name}.training" / "checkpoint.safetensors"
    before = epochs_done(config.training, data.training, checkpoint)
    if before:
        say(f"Going on after epoch {before} of {config.training.epochs}, which an earlier call reached.")
    bundle = yield from train_steps(config.training, data.training, data.validation, checkpoint)
    if bundle.card.recipe["epochs"] < config.training.epochs:
        say(f"Stopped early after epoch {bundle.card.recipe['epochs']}: {config.training.patience} without a gain.")
    say(f"The best epoch was {bundle.card.recipe['best_epoch']}.")
    bundle = yield from _scales_steps(config, bundle, folder / "library", say)
    bundle = yield from with_library_steps(bundle, data.training, config.training.seed, say)
    tested = yield from _tested_steps(config, laboratory, data)
    bundle = yield from scored_steps(_described(bundle, config, laboratory), tested)
    return save_bundle(bundle, (models or folder) / config.training.name)


def teach_scales_steps(config: RunConfig, folder: Path, say: Say, models: Path) -> Steps[Path]:
    """Teach a finished model anew which scale goes with which frame, and score it.

    Its network stays as it is. For models of simulated frames alone.

    Parameters
    ----------
    config
        The configuration that the model was trained by.
    folder
        Where simulated frames are kept.
    say
        Takes sentences for the person, as they come.
    models
        Folder that holds the model's two files, which are written anew.

    Returns
    -------
    Path
        The model's file of weights.

    Raises
    ------
    InputError
        For a configuration with micrographs of a laboratory.
    """
    if config.simulation is None or config.laboratory is not None:
        raise InputError("Scales are learnt from simulated frames; this configuration has others, so train it whole.")
    bundle = load_bundle(models / f"{config.training.name}.safetensors")
    bundle = yield from _scales_steps(config, bundle, folder / "library", say)
    bundle = yield from scored_steps(bundle, (yield from _simulated_test_steps(config)))
    return save_bundle(bundle, models / config.training.name)


def give_library_steps(config: RunConfig, folder: Path, say: Say, models: Path) -> Steps[Path]:
    """Give a finished model its library clusters and their map anew; nothing else changes.

    For models of simulated frames alone.

    Parameters
    ----------
    config
        The configuration that the model was trained by.
    folder
        Where simulated frames are kept.
    say
        Takes sentences for the person, as they come.
    models
        Folder that holds the model's two files, which are written anew.

    Returns
    -------
    Path
        The model's file of weights.

    Raises
    ------
    InputError
        For a configuration with micrographs of a laboratory.
    """
    if config.simulation is None or config.laboratory is not None:
        raise InputError("The library is of simulated frames; this configuration has others, so train it whole.")
    bundle = load_bundle(models / f"{config.training.name}.safetensors")
    frames = min(FRAMES, config.simulation.frames)
    recipe = config.training.recipe
    library = yield from simulate_library_steps(recipe, "train", frames, os.cpu_count() or 1, folder / "library")
    bundle = yield from with_library_steps(bundle, library, config.training.seed, say)
    return save_bundle(bundle, models / config.training.name)


def _scales_steps(config: RunConfig, bundle: Bundle, cache: Path, say: Say) -> Steps[Bundle]:
    """The bundle with what it can learn about the scales of simulated frames."""
    frames = 0 if config.simulation is None else round(_SCALES * config.simulation.frames)
    if frames < LEAST_FRAMES:
        say("There are too few simulated frames to learn scales from; this model calibrates by likelihood alone.")
        return bundle
    library = yield from simulate_library_steps(config.training.recipe, "scales", frames, os.cpu_count() or 1, cache)
    bundle = yield from taught_scales_steps(bundle, library, config.training.seed)
    if bundle.scale_network is not None:
        say(f"Scales learnt from {frames} frames; temperature {float(bundle.scale_network.temperature):.2f}.")
    return bundle


def _laboratory_steps(config: RunConfig) -> Steps[LaboratoryData | None]:
    if config.laboratory is None:
        return None
    recipe = config.training.recipe
    return (
        yield from laboratory_steps(
            Path(config.laboratory.folder),
            recipe.class_sizes,
            recipe.element,
            config.laboratory.pixel_size_nm,
            config.training.seed,
        )
    )


def _data_steps(config: RunConfig, laboratory: LaboratoryData | None, cache: Path) -> Steps[_RunData]:
    rng = np.random.default_rng([config.training.seed, 6])
    if config.simulation is None:
        assert laboratory is not None
        return _RunData(*(with_merged_pairs(part, rng) for part in (laboratory.training, laboratory.validation)))
    recipe, n = config.training.recipe, config.simulation.frames
    frames = {"train": n, "validation": max(round(n * _VALIDATION), len(recipe.conditions))}
    simulated: list[Library] = []
    for split, number in frames.items():
        simulated.append((yield from simulate_library_steps(recipe, split, number, os.cpu_count() or 1, cache)))
    if laboratory is None or config.laboratory is None:
        return _RunData(*simulated)
    share = config.laboratory.share
    measured = (laboratory.training, laboratory.validation)
    return _RunData(*(mixed(own, made, share, rng) for own, made in zip(measured, simulated, strict=True)))


def _tested_steps(config: RunConfig, laboratory: LaboratoryData | None, data: _RunData) -> Steps[EvaluationSet]:
    """What the card's scores are measured on: structures never trained on, and the laboratory's validation images."""
    sets: list[EvaluationSet] = []
    if config.simulation is not None:
        sets.append((yield from _simulated_test_steps(config)))
    if laboratory is not None:
        measured = laboratory.validation if sets else data.validation
        nothing = pd.DataFrame({"frame": [0], "condition": [""], "n_atoms": [0]}).iloc[:0]
        sets.append(EvaluationSet(measured, nothing, np.unique(measured.frame)))
    return sets[0] if len(sets) == 1 else EvaluationSet.join(sets)


def _simulated_test_steps(config: RunConfig) -> Steps[EvaluationSet]:
    recipe = config.training.recipe
    conditions = list(dict.fromkeys(recipe.conditions))
    frames = 0 if config.simulation is None else config.simulation.frames
    mixed_frames = max(round(frames * _SCORED / len(conditions)), 1)
    plans = plan(conditions, mixed_frames, 0, recipe.class_sizes, recipe.element)
    return (yield from evaluation_set_steps(plans, os.cpu_count() or 1))


# ---------------------------------------------------------------------- what the card says


def _described(bundle: Bundle, config: RunConfig, laboratory: LaboratoryData | None) -> Bundle:
    """The bundle with a card that names its data, its configuration and its limits."""
    card = bundle.card
    recipe = dict(card.recipe)
    sha256 = card.recipe_sha256
    if config.simulation is not None:
        recipe["frames"] = config.simulation.frames
        recipe["structures"] = origin(config.training.recipe, "train")
    else:
        recipe = {key: recipe[key] for key in ("class_sizes", "element", "training_clusters", "epochs", "best_epoch",
                                               "seed")}  # fmt: skip
    if laboratory is not None and config.laboratory is not None:
        images = list(laboratory.images)
        recipe["laboratory"] = {"share": 1.0 if config.simulation is None else config.laboratory.share,
                                "images": images}  # fmt: skip
        simulated = asdict(config.training.recipe) if config.simulation is not None else None
        sha256 = hashlib.sha256(json.dumps([simulated, recipe["laboratory"]], sort_keys=True).encode()).hexdigest()
    return replace(
        bundle,
        card=replace(
            card,
            recipe=recipe,
            recipe_sha256=sha256,
            config={"file": config.file, "sha256": config.sha256, "text": config.text},
            limits=_limits(config, laboratory),
            version=config.version,
            licence=config.licence,
            citation=config.citation,
        ),
    )


def _limits(config: RunConfig, laboratory: LaboratoryData | None) -> tuple[str, ...]:
    recipe = config.training.recipe
    sizes = ", ".join(map(str, recipe.class_sizes))
    sentences = [f"Tells apart clusters of {recipe.element} with {sizes} atoms; other sizes are `other`."]
    if config.simulation is not None and "emt" in (recipe.families or ()):
        sentences.append("Scored on structures of a potential that it was trained on.")
    if laboratory is None:
        return (
            *sentences,
            "Trained on simulated frames alone; not checked against size-selected clusters in a real microscope.",
        )
    counts = f"{len(laboratory.images)} micrographs of one laboratory"
    if config.simulation is None:
        sentences.append(f"Trained on {counts}; images taken under other conditions may be read wrongly.")
        sentences.append("Knows what is none of the classes only from artificially merged pairs of clusters.")
    else:
        sentences.append(f"Trained on simulated frames and {counts}.")
    sentences.append(
        "Scores of the condition laboratory are of its validation images, which also chose the epoch, and each "
        "image's scale was taken from its known class, so with the scale known they are optimistic."
    )
    if any(image["part"] == "both" for image in laboratory.images):
        sentences.append("At least one class was trained and validated on parts of the same images.")
    return tuple(sentences)


# ---------------------------------------------------------------------- how long it takes


class Pace:
    """Says how far a long piece of work is, and how long it still takes at the pace so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: by stage, when it was first seen and how far it was then; stages may take turns, as epochs and validations
        self._began: dict[str, tuple[float, int]] = {}

    def line(self, progress: Progress) -> str:
        """One line for `progress`, with the time left of this stage where it can be told."""
        now = self._clock()
        # "Training dual, epoch 3 of 10" and "..., epoch 4 of 10" are one stage
        stage = f"{progress.what.split(',')[0]} {progress.total}"
        if progress.done < self._began.setdefault(stage, (now, progress.done))[1]:
            self._began[stage] = (now, progress.done)
        seconds, steps = now - self._began[stage][0], progress.done - self._began[stage][1]
        left = f", {_duration(seconds / steps * (progress.total - progress.done))} left" if steps > 0 else ""
        return f"{progress.what}: {progress.done} of {progress.total}{left}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
