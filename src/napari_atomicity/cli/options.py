"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from napari_atomicity import __version__
from napari_atomicity.cli import (
    alloy,
    analyse,
    batch,
    consistency,
    repeatability,
    requests,
    track,
    values,
    watch,
    workshop,
)
from napari_atomicity.cli.console import PROGRAM, Console
from napari_atomicity.cli.metal_options import alloy_options, metal_options
from napari_atomicity.cli.parsing import Commands, Parser
from napari_atomicity.cli.scale_options import consistency_options, detector_options
from napari_atomicity.cli.workshop_options import commands_on_models

_PIXEL_SIZE: Final = values.number(0, 1e6, "a number of nm above zero", above=True)
_SCALE: Final = values.number(0, 1e300, "a number of counts nm² per atom above zero", above=True)
_SPREAD: Final = values.number(0, 1, "a part above 0 and up to 1, such as 0.02 for 2 %", above=True)
_SENSITIVITY: Final = values.number(0, 1, "a number from 0 (few) to 1 (many)")
_PLACE: Final = values.whole(0, 10**9, "a number counted from 0")


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


def parser() -> argparse.ArgumentParser:
    """Of the whole command line."""
    whole = Parser(prog=PROGRAM, description="Count the atoms in nanoclusters on HAADF-STEM micrographs.")
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = Commands(whole.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser))
    _commands_on_images(commands)
    batch.add_options(
        commands.add("batch", requests.BatchRequest, batch.batch, "count very many images into one table, resumable"),
        _model_options,
    )
    commands_on_models(commands)
    return whole


def _commands_on_images(commands: Commands) -> None:
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
    again.add_argument("--report", choices=("html",), help="also a report to read and print")
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
    watch.add_options(
        command(
            "watch",
            requests.WatchRequest,
            watch.watch,
            "count images while a microscope writes them: shares with intervals that may be watched, and when it is "
            "enough",
        ),
        _reading_options,
        _model_options,
    )
    movie = command(
        "track",
        requests.TrackRequest,
        track.track,
        "follow the clusters of movies, or of single images as frames: atoms over dose, merges, splits, losses",
    )
    _image_options(movie)
    _model_options(movie)
    track.add_options(movie)
    info = command(
        "info",
        requests.InfoRequest,
        workshop.info,
        "what a file holds: images, shape, type, calibration; or a project, in words",
    )
    info.add_argument("files", nargs="+", type=values.place, metavar="FILE")
    window = command("window", requests.WindowRequest, workshop.window, "open the window, with images where given")
    window.add_argument("images", nargs="*", type=values.place, metavar="IMAGE")


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
    command.add_argument(
        "--all-the-same",
        action="store_true",
        help="also where an image looks like bright field, a crystal, or saturated",
    )


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        type=values.name,
        default="dual",
        metavar="NAME|PATH",
        help="dual, single, gold, one of your own, or a model's file",
    )
    command.add_argument(
        "--adapt",
        choices=("auto", "off", "diameter"),
        default="auto",
        help="auto: calibrate from the image's own clusters, then fine-tune the model where that helps; diameter: "
        "calibrate and fine-tune on clearly separated diameters, as the paper does; off: calibrate alone",
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
    from napari_atomicity.insight.question import METHODS

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
