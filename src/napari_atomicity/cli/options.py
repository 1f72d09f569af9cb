"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from napari_atomicity import __version__
from napari_atomicity.cli import (
    alloy,
    analyse,
    batch,
    consistency,
    metals,
    repeatability,
    requests,
    track,
    values,
    watch,
    workshop,
)
from napari_atomicity.cli.console import PROGRAM, Console
from napari_atomicity.cli.metal_options import alloy_options, metal_options, simulated_metal_options
from napari_atomicity.cli.scale_options import consistency_options, detector_options
from napari_atomicity.errors import InputError

Request = TypeVar("Request")

_PIXEL_SIZE: Final = values.number(0, 1e6, "a number of nm above zero", above=True)
_SCALE: Final = values.number(0, 1e300, "a number of counts nm² per atom above zero", above=True)
_SPREAD: Final = values.number(0, 1, "a part above 0 and up to 1, such as 0.02 for 2 %", above=True)
_REACH: Final = values.number(0, 100, "a number of nm above 0, up to 100", above=True)
_ABOVE_0: Final = values.number(0, 1e12, "a number above zero", above=True)
_SENSITIVITY: Final = values.number(0, 1, "a number from 0 (few) to 1 (many)")
_PLACE: Final = values.whole(0, 10**9, "a number counted from 0")
_SEED: Final = values.whole(0, 2**63 - 1, "a whole number from 0")
_FRAMES: Final = values.whole(1, 10_000, "a whole number from 1 to 10,000")
_PURE: Final = values.whole(0, 10_000, "a whole number from 0 to 10,000")
_PORT: Final = values.whole(0, 65_535, "a port, a whole number from 0 (any that is free) to 65535")
_PACE: Final = values.number(0, 3600, "a number of seconds from 0 to 3600")
_CLUSTERS: Final = values.whole(1, 50_000, "a whole number from 1 to 50,000")
#: a word of a call that is longer is not repeated in full
_LONGEST_WORD: Final = 200


def command_of(arguments: Sequence[str] | None) -> Callable[[Console], None]:
    """The command that a call means, with its options; those of the process where None.

    Raises
    ------
    InputError
        For an impossible call.
    """
    options = parser().parse_args(arguments)
    for several in ("images", "files"):
        if hasattr(options, several):
            setattr(options, several, values.files(getattr(options, several)))
    command: Callable[[Console], None] = options.command(options)
    return command


def _with_options(
    kind: type[Request], run: Callable[[Request, Console], None], options: argparse.Namespace
) -> Callable[[Console], None]:
    """`run` with the request that the options of its command make."""
    request = kind(**{field.name: getattr(options, field.name) for field in fields(kind)})  # type: ignore[arg-type]
    return partial(run, request)


def parser() -> argparse.ArgumentParser:
    """Of the whole command line."""
    whole = _Parser(prog=PROGRAM, description="Count the atoms in nanoclusters on HAADF-STEM micrographs.")
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = _Commands(whole.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser))
    _commands_on_images(commands)
    batch.add_options(
        commands.add("batch", requests.BatchRequest, batch.batch, "count very many images into one table, resumable"),
        _model_options,
    )
    _commands_on_models(commands)
    return whole


def _commands_on_images(commands: _Commands) -> None:
    command = commands.add
    counting = command(
        "analyse",
        requests.AnalyseRequest,
        analyse.analyse,
        "find clusters and count their atoms: table, report, figure an image",
    )
    _image_options(counting)
    _model_options(counting)
    _session_options(counting)
    detector_options(counting)
    counting.add_argument(
        "--explain", action="store_true", help="heat maps, radial profiles and a summary of them in the report, too"
    )
    _output_options(counting)
    _image_options(
        command("detect", requests.DetectRequest, analyse.detect, "positions, diameters and intensities only")
    )
    explain = command(
        "explain",
        requests.ExplainRequest,
        analyse.explain,
        "heat maps of what each channel of the model looked at, TIFF and PNG",
    )
    _image_options(explain)
    _model_options(explain)
    _question_options(explain)
    again = command(
        "repeatability",
        requests.RepeatabilityRequest,
        repeatability.repeatability,
        "how well repeated frames of one field agree: precision of intensities and counts, drift, honesty of errors",
    )
    _image_options(again)
    _model_options(again)
    again.add_argument(
        "--session", action="store_true", help="the images calibrate each other, in place of each standing alone"
    )
    again.add_argument(
        "--no-align", dest="align", action="store_false", help="the frames lie on one another; do not look for shifts"
    )
    alloy_options(
        command(
            "alloy",
            alloy.AlloyRequest,
            alloy.alloy,
            "size and composition of clusters of two metals, as far as a counted table and further columns tell",
        )
    )
    agreeing = command(
        "consistency",
        requests.ConsistencyRequest,
        consistency.consistency,
        "what one atom is worth by independent ways, and how far they agree: detector scan, single atoms, standards",
    )
    _image_options(agreeing)
    _model_options(agreeing)
    detector_options(agreeing)
    consistency_options(agreeing)
    _watch_options(
        command(
            "watch",
            requests.WatchRequest,
            watch.watch,
            "count images while a microscope writes them: shares with intervals that may be watched, and when it is "
            "enough",
        )
    )
    movie = command(
        "track",
        requests.TrackRequest,
        track.track,
        "follow the clusters of movies, or of single images as frames: atoms over dose, merges, splits, losses",
    )
    _image_options(movie)
    _model_options(movie)
    _movie_options(movie)
    info = command(
        "info",
        requests.InfoRequest,
        workshop.info,
        "what a file holds: images, shape, type, calibration; or a project, in words",
    )
    info.add_argument("files", nargs="+", type=values.place, metavar="FILE")
    window = command("window", requests.WindowRequest, workshop.window, "open the window, with images where given")
    window.add_argument("images", nargs="*", type=values.place, metavar="IMAGE")


def _commands_on_models(commands: _Commands) -> None:
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


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        words = (word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}…" for word in message.split(" "))
        raise InputError(f"{' '.join(words)} (see {self.prog} --help)")


class _Commands:
    """The commands of one level, and what each of them runs."""

    def __init__(self, parsers: argparse._SubParsersAction[_Parser]) -> None:
        self._parsers = parsers

    def add(
        self, name: str, kind: type[Request], run: Callable[[Request, Console], None], text: str
    ) -> argparse.ArgumentParser:
        """A command that runs `run` with a request of that `kind`; its options are still to be added."""
        added = self._parsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(command=partial(_with_options, kind, run))
        return added


# ---------------------------------------------------------------------- options of several commands


def _image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("images", nargs="+", type=values.place, metavar="IMAGE")
    command.add_argument("-o", "--output", type=values.place, required=True, metavar="DIR", help="folder to write to")
    _reading_options(command)
    command.add_argument("--frame", type=_PLACE, metavar="K", help="only this frame of a stack, counted from 0")


def _reading_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--pixel-size", type=_PIXEL_SIZE, metavar="NM", help="nm per pixel, instead of what the file says"
    )
    command.add_argument("--image", type=_PLACE, metavar="N", help="which image of a file with several (see info)")
    command.add_argument("--sensitivity", type=_SENSITIVITY, default=0.5, metavar="S", help="0 few to 1 many; 0.5")


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model", type=values.name, default="dual", metavar="NAME|PATH", help="dual, single, or a model's file"
    )
    command.add_argument(
        "--adapt",
        choices=("auto", "off", "diameter"),
        default="auto",
        help="auto: calibrate from the image's own clusters, then fine-tune the model where that helps; diameter: "
        "fine-tune on clearly separated diameters, as the paper does; off: neither",
    )
    command.add_argument(
        "--deposited",
        type=values.deposited,
        default=((), (), ""),
        metavar="N[:SHARE][,...]",
        help="sizes in atoms that were deposited, with their shares where known: 19,55 or 19:0.7,55:0.3",
    )
    command.add_argument("--scale", type=_SCALE, metavar="COUNTS_NM2_PER_ATOM", help="integrated intensity of one atom")
    command.add_argument(
        "--scale-sd", type=_SPREAD, metavar="SD", help="relative standard deviation of that scale; 0.02 for 2 %%"
    )
    command.add_argument(
        "--profile", type=values.place, metavar="FILE", help="take the scale from this instrument profile"
    )
    metal_options(command)


def _question_options(command: argparse.ArgumentParser) -> None:
    from napari_atomicity.insight.attribution import METHODS

    command.add_argument("--target", default="", metavar="LABEL", help="evidence for this class, such as Pt55, of all")
    command.add_argument("--against", default="", metavar="LABEL", help="held against this class: why 55 and not 41?")
    command.add_argument(
        "--method",
        choices=METHODS,
        default="grad-cam",
        help="of the evidence in each channel, besides the atoms per nm²; grad-cam as in the paper",
    )


def _session_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--session",
        action="store_true",
        help="all images were taken under the same settings: they calibrate each other and share one fine-tuning",
    )
    command.add_argument(
        "--reference",
        type=values.reference,
        action="append",
        default=[],
        metavar="IMAGE=N[,N...]",
        help="this image of the call is a standard of known size, in one session with the others; may be repeated",
    )
    command.add_argument(
        "--save-profile",
        type=values.place,
        metavar="FILE",
        help="save the scale that was found as an instrument profile",
    )
    command.add_argument(
        "--force", action="store_true", help="save the profile also over that of another microscope, or another file"
    )


def _movie_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-align", dest="align", action="store_false", help="the frames lie on one another; do not look for shifts"
    )
    command.add_argument(
        "--reach", type=_REACH, default=1.0, metavar="NM", help="way of a cluster in a frame, at most; 1"
    )
    command.add_argument("--seconds", type=_ABOVE_0, metavar="S", help="seconds per frame")
    command.add_argument("--dose", type=_ABOVE_0, metavar="E_PER_NM2", help="electrons per nm² of a frame")
    command.add_argument(
        "--sum", dest="sum_frames", type=_FRAMES, metavar="N", help="also aligned means of N frames, and their counts"
    )
    command.add_argument("--sum-dose", type=_ABOVE_0, metavar="E_PER_NM2", help="the same, at this dose; needs --dose")


def _output_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--report",
        choices=("html",),
        help="also one report to read and print: of each image, or of a session as a whole",
    )
    command.add_argument(
        "--figure",
        choices=("png", "svg", "pdf"),
        action="append",
        default=[],
        help="also the image with its clusters alone, for print; may be repeated",
    )
    command.add_argument(
        "--expected",
        type=values.expected,
        default={},
        metavar="N:SHARE,...|FILE",
        help="the ratio that the report compares with, as text or CSV; that of --deposited where its shares are given",
    )


def _watch_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(images=[], frame=None, output=Path())
    command.add_argument("folder", nargs="?", type=values.place, metavar="FOLDER", help="that the microscope writes to")
    command.add_argument(
        "-o",
        "--output",
        dest="into",
        type=values.place,
        metavar="DIR",
        help="folder to write to; FOLDER-watch in the present one",
    )
    command.add_argument(
        "--until", type=values.half_width, metavar="P%", help="end once every share is known to ± P %%"
    )
    command.add_argument(
        "--expected",
        type=values.expected,
        default={},
        metavar="N:SHARE,...|FILE",
        help="the ratio to compare with in the end",
    )
    command.add_argument("--once", action="store_true", help="count what is there, then end")
    command.add_argument("--new", action="store_true", help="only images that come from now on")
    command.add_argument("--listen", type=_PORT, metavar="PORT", help="receive images from send_frame.py instead")
    command.add_argument(
        "--host", type=values.name, default="127.0.0.1", metavar="ADDRESS", help="to receive at; this computer alone"
    )
    command.add_argument(
        "--replay",
        type=_PACE,
        metavar="S",
        help="the images of FOLDER one by one, S seconds apart, as if they came now",
    )
    command.add_argument(
        "--no-settle",
        dest="settle",
        action="store_false",
        help="do not count all images once more together in the end, as analyse --session does",
    )
    _reading_options(command)
    _model_options(command)


def _simulation_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", type=values.place, required=True, metavar="DIR")
    command.add_argument("--condition", default="nominal", metavar="NAME", help="nominal, low_dose, ... or random")
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
    command = _Commands(models.add_subparsers(metavar="ACTION", parser_class=_Parser)).add

    command("list", requests.ListModelsRequest, workshop.list_models, "all models, those that come along and your own")
    command("sets", requests.ListClassSetsRequest, metals.list_class_sets, "the class sets that come along")
    show = command(
        "show",
        requests.ShowModelRequest,
        workshop.show_model,
        "the card of a model: classes, training, scores, limits",
    )
    show.add_argument("name", type=values.name, metavar="NAME")
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
