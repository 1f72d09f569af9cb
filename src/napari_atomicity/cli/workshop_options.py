"""The commands for frames and models: simulate, train, evaluate, models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from napari_atomicity.cli import metals, values, workshop
from napari_atomicity.cli import workshop_requests as requests
from napari_atomicity.cli.metal_options import simulated_metal_options
from napari_atomicity.cli.parsing import Commands, Parser

_SEED: Final = values.whole(0, 2**63 - 1, "a whole number from 0")
_FRAMES: Final = values.whole(1, 10_000, "a whole number from 1 to 10,000")
_PURE: Final = values.whole(0, 10_000, "a whole number from 0 to 10,000")
_CLUSTERS: Final = values.whole(1, 50_000, "a whole number from 1 to 50,000")


def commands_on_models(commands: Commands) -> None:
    """Add them."""
    command = commands.add
    _simulation_options(
        command("simulate", requests.SimulateRequest, workshop.simulate, "a simulated micrograph with its truth")
    )
    _training_options(
        command(
            "train", requests.TrainRequest, workshop.train, "train a model on simulated or size-selected micrographs"
        )
    )
    evaluate = command(
        "evaluate",
        requests.EvaluateRequest,
        workshop.evaluate,
        "score a model on simulated structures it was never trained on",
    )
    _evaluation_options(evaluate)
    models = command("models", requests.ListModelsRequest, workshop.list_models, "list, show, import and export models")
    _models_commands(models)


def _simulation_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", type=values.place, required=True, metavar="DIR")
    command.add_argument("--condition", default="nominal", metavar="NAME", help="nominal, low_dose, ... random or wide")
    command.add_argument("--sizes", type=values.sizes, default=(), metavar="N[,N...]", help="atoms, in equal shares")
    simulated_metal_options(command)
    command.add_argument("--clusters", type=_CLUSTERS, default=100, metavar="N")
    command.add_argument("--shape", type=values.shape, default=(1024, 1024), metavar="H,W", help="pixels; 1024,1024")
    command.add_argument("--seed", type=_SEED, default=0, metavar="N")
    command.add_argument("--samples", action="store_true", help="the sample micrographs of the plug-in instead")


def _training_options(command: argparse.ArgumentParser) -> None:
    command.description = f"{command.description} An interrupted training goes on where it was."
    command.add_argument(
        "config", type=values.place, metavar="CONFIG", help="a TOML file, or dual, single, gold (see docs/training.md)"
    )
    command.add_argument(
        "-o", "--output", type=values.place, default=Path("models"), metavar="DIR", help="folder for the model; models"
    )


def _evaluation_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=values.name, default="dual", metavar="NAME|PATH")
    command.add_argument("--frames", type=_FRAMES, default=4, metavar="N", help="mixed frames a condition; 4")
    command.add_argument("--pure", type=_PURE, default=0, metavar="N", help="pure frames a condition and class; 0")
    command.add_argument("-o", "--output", type=values.place, metavar="DIR", help="folder for the table as CSV")


def _models_commands(models: argparse.ArgumentParser) -> None:
    """The commands below ``models``; without one of them the models are listed."""
    command = Commands(models.add_subparsers(metavar="ACTION", parser_class=Parser)).add

    command("list", requests.ListModelsRequest, workshop.list_models, "all models, those that come along and your own")
    command("sets", requests.ListClassSetsRequest, metals.list_class_sets, "the class sets that come along")
    show = command(
        "show",
        requests.ShowModelRequest,
        workshop.show_model,
        "the card of a model: classes, training, scores, limits",
    )
    show.add_argument("name", type=values.name, metavar="NAME|PATH")
    take = command(
        "import",
        requests.ImportModelRequest,
        workshop.import_model,
        "take a model (.safetensors with its .json card) into your own",
    )
    take.add_argument("path", type=values.place, metavar="PATH")
    export = command("export", requests.ExportModelRequest, workshop.export_model, "write a model to a folder")
    export.add_argument("name", type=values.name, metavar="NAME")
    export.add_argument("folder", type=values.place, metavar="DIR")
