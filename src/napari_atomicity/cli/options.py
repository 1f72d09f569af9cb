"""The commands and their options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from napari_atomicity import __version__
from napari_atomicity.cli import analyse, workshop
from napari_atomicity.cli.console import PROGRAM, Console
from napari_atomicity.errors import InputError

Run = Callable[[argparse.Namespace, Console], None]


def parser() -> argparse.ArgumentParser:
    """Of the whole command line; an impossible call raises `InputError`."""
    whole = _Parser(prog=PROGRAM, description="Count the atoms in nanoclusters on HAADF-STEM micrographs.")
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        made.set_defaults(run=run)
        return made

    counting = command(
        "analyse", analyse.analyse, "find clusters and count their atoms: table, report, figure an image"
    )
    _image_options(counting)
    _model_options(counting)
    _session_options(counting)
    counting.add_argument(
        "--explain", action="store_true", help="heat maps, radial profiles and a summary of them in the report, too"
    )
    _output_options(counting)
    _image_options(command("detect", analyse.detect, "positions, diameters and intensities only"))
    explain = command("explain", analyse.explain, "heat maps of what each channel of the model looked at, TIFF and PNG")
    _image_options(explain)
    _model_options(explain)
    _question_options(explain)
    info = command("info", workshop.info, "what a file holds: images, shape, type, calibration; or a session, in words")
    info.add_argument("files", nargs="+", type=Path, metavar="FILE")
    window = command("window", workshop.window, "open the window, with images where given")
    window.add_argument("images", nargs="*", type=Path, metavar="IMAGE")
    _simulation_options(command("simulate", workshop.simulate, "a simulated micrograph with its truth"))
    _training_options(command("train", workshop.train, "train a model on simulated or size-selected micrographs"))
    evaluate = command("evaluate", workshop.evaluate, "score a model on simulated structures it was never trained on")
    evaluate.add_argument("--model", default="dual", metavar="NAME|PATH")
    evaluate.add_argument("--frames", type=_count, default=4, metavar="N", help="mixed frames a condition; 4")
    evaluate.add_argument("--pure", type=int, default=0, metavar="N", help="pure frames a condition and class; 0")
    evaluate.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the table as CSV")
    _models_options(command("models", workshop.models, "list, show, import and export models"))
    return whole


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


# ---------------------------------------------------------------------- options of several commands


def _image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    command.add_argument("--pixel-size", type=float, metavar="NM", help="nm per pixel, instead of what the file says")
    command.add_argument("--image", type=int, metavar="N", help="which image of a file with several (see info)")
    command.add_argument("--frame", type=int, metavar="K", help="only this frame of a stack, counted from 0")
    command.add_argument("--sensitivity", type=float, default=0.5, metavar="S", help="0 few to 1 many; 0.5")


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="dual", metavar="NAME|PATH", help="dual, single, or a model's file")
    command.add_argument(
        "--adapt",
        choices=("auto", "off", "diameter"),
        default="auto",
        help="auto: calibrate from the image's own clusters, then fine-tune the model where that helps; diameter: "
        "fine-tune on clearly separated diameters, as the paper does; off: neither",
    )
    command.add_argument(
        "--deposited",
        type=_deposited,
        default=((), ()),
        metavar="N[:SHARE][,...]",
        help="sizes in atoms that were deposited, with their shares where known: 19,55 or 19:0.7,55:0.3",
    )
    command.add_argument("--scale", type=float, metavar="COUNTS_NM2_PER_ATOM", help="integrated intensity of one atom")
    command.add_argument(
        "--scale-sd", type=float, metavar="SD", help="relative standard deviation of that scale; 0.02 for 2 %%"
    )
    command.add_argument("--profile", type=Path, metavar="FILE", help="take the scale from this instrument profile")


def _question_options(command: argparse.ArgumentParser) -> None:
    from napari_atomicity.insight.attribution import METHODS

    command.add_argument("--target", default="", metavar="LABEL", help="evidence for this class, such as Pt55, of all")
    command.add_argument("--against", default="", metavar="LABEL", help="held against this class: why 55 and not 41?")
    command.add_argument(
        "--method", choices=METHODS, default=METHODS[0], help="grad-cam as in the paper; integrated-gradients finer"
    )


def _session_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--session",
        action="store_true",
        help="all images were taken under the same settings: they calibrate each other and share one fine-tuning",
    )
    command.add_argument(
        "--reference",
        type=_reference,
        action="append",
        default=[],
        metavar="IMAGE=N[,N...]",
        help="this image of the call is a standard of known size, in one session with the others; may be repeated",
    )
    command.add_argument(
        "--save-profile", type=Path, metavar="FILE", help="save the scale that was found as an instrument profile"
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
        type=_expected,
        default={},
        metavar="N:SHARE,...|FILE",
        help="the ratio that the report compares with, as text or CSV; that of --deposited where its shares are given",
    )


def _simulation_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--condition", default="nominal", metavar="NAME", help="nominal, low_dose, ... or random")
    command.add_argument("--sizes", type=_sizes, default=(), metavar="N[,N...]", help="atoms, in equal shares")
    command.add_argument("--element", default="Pt", metavar="SYMBOL", help="metal; Pt")
    command.add_argument("--clusters", type=_count, default=100, metavar="N")
    command.add_argument("--shape", type=_shape, default=(1024, 1024), metavar="H,W", help="pixels; 1024,1024")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--samples", action="store_true", help="the sample micrographs of the plug-in instead")


def _training_options(command: argparse.ArgumentParser) -> None:
    command.description = f"{command.description} An interrupted training goes on where it was."
    command.add_argument(
        "config", type=Path, metavar="CONFIG", help="a TOML file, or dual, single (see docs/training.md)"
    )
    command.add_argument(
        "-o", "--output", type=Path, default=Path("models"), metavar="DIR", help="folder for the model; models"
    )


def _models_options(command: argparse.ArgumentParser) -> None:
    command.set_defaults(action="list")
    actions = command.add_subparsers(metavar="ACTION", parser_class=_Parser)
    for name, text in (
        ("list", "all models, those that come along and your own"),
        ("show", "the card of a model: classes, training, scores, limits"),
        ("import", "take a model (.safetensors with its .json card) into your own"),
        ("export", "write a model to a folder"),
    ):
        made = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(action=name)
        if name in ("show", "export"):
            made.add_argument("name", metavar="NAME")
        if name == "import":
            made.add_argument("path", type=Path, metavar="PATH")
        if name == "export":
            made.add_argument("folder", type=Path, metavar="DIR")


# ---------------------------------------------------------------------- values


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(re.sub("^[A-Za-z]{1,2}", "", part.strip())) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of atom counts such as 19,30") from None


def _deposited(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes and, where given for all of them, shares."""
    from napari_atomicity.pipeline import read_deposited

    try:
        return read_deposited(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _expected(text: str) -> dict[int, float]:
    """Amounts from a file or as they are typed."""
    from napari_atomicity.pipeline import load_expected, read_expected

    path = Path(text)
    is_file = path.is_file() or path.suffix.lower() in (".csv", ".tsv", ".txt")
    try:
        return load_expected(path) if is_file else read_expected(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _reference(text: str) -> tuple[str, tuple[int, ...]]:
    """The image as it was named, and its sizes."""
    name, mark, sizes = text.rpartition("=")
    if not (mark and name and sizes):
        raise argparse.ArgumentTypeError(f"{text!r} does not name an image and its size, such as standard.tif=19")
    return name, _sizes(sizes)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _shape(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a height and a width such as 1024,1024") from None
    return height, width
