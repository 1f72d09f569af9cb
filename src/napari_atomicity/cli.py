"""The command line: a thin layer over the pipeline, for batches and for other programs.

Exit code 0: done; 2: bad input, said in one line on stderr; 1: a fault of ours, with a log that holds the details.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from napari_atomicity import __version__
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps, drain

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import Analysis, Settings

Result = TypeVar("Result")
DONE: Final = 0
FAULT: Final = 1
BAD_INPUT: Final = 2
STOPPED: Final = 130
#: where stderr is no terminal, long work says this often how far it is
_LOG_EVERY_S: Final = 30.0
_PROGRAM: Final = "napari-atomicity"
# names that Windows keeps for devices, whatever the suffix
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    _quieten()
    console = Console()
    try:
        console.guard("", lambda: _run(arguments, console))
    except SystemExit as end:  # --help and --version
        return int(end.code or DONE)
    except KeyboardInterrupt:
        console.remark("stopped; what was written so far is complete.")
        return STOPPED
    except BrokenPipeError:  # the reader of our output has seen enough, as in `... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return console.code or FAULT
    return console.code


def _run(arguments: Sequence[str] | None, console: Console) -> None:
    options = _parser().parse_args(arguments)
    options.run(options, console)


def _quieten() -> None:
    """What libraries say is not for the user of a command; a console may lack a character that we use."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


# ---------------------------------------------------------------------- talking to the person


class Console:
    """Where messages go, and the exit code that they add up to."""

    def __init__(self) -> None:
        self.code = DONE
        self._live = sys.stderr.isatty()

    def guard(self, what: str, action: Callable[[], Result]) -> Result | None:
        """Do `action`; where it fails, say so in one line about `what` and give None."""
        try:
            return action()
        except InputError as error:
            self.refuse(what, error)
        except BrokenPipeError:
            raise
        except Exception as error:
            self.remark(f"{_about(what)}unexpected fault, {_one_line(error)}; please report it with the log {_log()}")
            self.code = FAULT
        return None

    def refuse(self, what: str, error: InputError) -> None:
        """Bad input: one line, and exit code 2 unless there was a fault of ours."""
        text = " ".join(str(error).split())
        self.remark(text if what and text.startswith(what) else _about(what) + text)
        self.code = self.code or BAD_INPUT

    def remark(self, text: str) -> None:
        """One line on stderr."""
        self._clear()
        print(f"{_PROGRAM}: {text}", file=sys.stderr)

    def say(self, text: str) -> None:
        """A result, on stdout."""
        self._clear()
        print(text, flush=True)

    def drain(self, what: str, steps: Steps[Result]) -> Result:
        """Run `steps`, with a line of progress where stderr is a terminal."""

        def show(progress: Progress) -> None:
            sys.stderr.write(f"\r\x1b[K{what}: {progress.what} {progress.done + 1}/{max(progress.total, 1)}")
            sys.stderr.flush()

        try:
            return drain(steps, show if self._live else None)
        finally:
            self._clear()

    def drain_slowly(self, what: str, steps: Steps[Result], line: Callable[[Progress], str]) -> Result:
        """As `drain` for work of many minutes: `line` tells the time left; a line each half minute in a log."""
        shown = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal shown
            text = line(progress)
            if self._live:
                sys.stderr.write(f"\r\x1b[K{what}: {text}")
                sys.stderr.flush()
            elif time.monotonic() - shown > _LOG_EVERY_S:
                shown = time.monotonic()
                self.remark(text)

        try:
            return drain(steps, show)
        finally:
            self._clear()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _about(what: str) -> str:
    return f"{what}: " if what else ""


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _log() -> Path:
    """Write the traceback of the exception at hand where the person can find it."""
    from platformdirs import user_log_path

    name = f"fault-{datetime.now():%Y%m%d-%H%M%S-%f}.log"
    text = f"{_PROGRAM} {__version__}\n{sys.argv}\n{traceback.format_exc()}"
    try:
        path = user_log_path(_PROGRAM, appauthor=False, ensure_exists=True) / name
        path.write_text(text, encoding="utf-8")
    except OSError:
        path = Path(tempfile.gettempdir()) / f"{_PROGRAM}-{name}"
        path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------------- images in, files out


@dataclass(frozen=True)
class Input:
    """An image named on the command line, and the stem of the files that are made from it."""

    path: Path
    stem: str


def _inputs(options: argparse.Namespace, console: Console) -> list[Input]:
    """The images, each with a stem that every system can write and that no other image of the call has."""
    taken: set[str] = set()
    found = []
    for path in options.images:
        wanted = safe_name(path.stem)
        stem, n = wanted, 1
        while stem.casefold() in taken:
            n += 1
            stem = f"{wanted}-{n}"
        if n > 1:
            console.remark(f"{path}: another image here is called {wanted!r} too; this one becomes {stem!r}.")
        taken.add(stem.casefold())
        found.append(Input(path, stem))
    return found


def safe_name(name: str) -> str:
    """`name` without what some system does not allow in a file's name."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).rstrip(" .") or "image"
    return f"{name}_" if _DEVICE.fullmatch(name) else name


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made ({error.strerror}); choose another one.") from error
    return path


def _open(path: Path, options: argparse.Namespace) -> Micrograph:
    from napari_atomicity.io import read

    micrograph = read(path, options.image)
    if options.pixel_size is not None:
        return micrograph.with_pixel_size(options.pixel_size)
    if micrograph.pixel_size_nm is None and not micrograph.refusal:
        raise InputError("The file holds no pixel size; give it with --pixel-size in nm per pixel.")
    return micrograph


def _frames(options: argparse.Namespace) -> list[int] | None:
    return None if options.frame is None else [options.frame]


def _write_text(path: Path, text: str) -> None:
    from napari_atomicity.io.atomic import write_atomically

    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write_table(path: Path, table: ClusterTable, metadata: dict[str, Any]) -> None:
    """Write the table, but never over one in which a person has labelled clusters."""
    from napari_atomicity.io.tables import read_table, write_table

    if path.exists():
        try:
            by_hand = int((read_table(path).rows["annotation"] != "").sum())
        except InputError:
            by_hand = 0  # not a table of ours
        if by_hand:
            raise InputError(
                f"{path} holds {by_hand} labels that a person gave, which would be lost; choose another folder with -o."
            )
    write_table(table, path, metadata)


def _write_tiff(path: Path, data: npt.NDArray[np.float32], pixel_size_nm: float) -> None:
    """Write (y, x) or (t, y, x) with its calibration in nm, so that it opens in register with the micrograph."""
    from tifffile import imwrite

    from napari_atomicity.io.atomic import write_atomically

    axes = "TYX" if data.ndim == 3 else "YX"
    resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)

    def write(beside: Path) -> None:
        imwrite(beside, data, imagej=True, resolution=resolution, metadata={"unit": "nm", "axes": axes})

    write_atomically(path, write)


# ---------------------------------------------------------------------- the commands


def _analyse(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.pipeline import analyse_steps

    settings = _settings(options)
    bundle = load_bundle(settings.model)
    folder = _folder(options.output)
    inputs = _inputs(options, console)

    def work(group: Sequence[Input]) -> None:
        stems: list[str] = []
        micrographs: list[Micrograph] = []
        for each in group:
            micrograph = console.guard(each.stem, lambda path=each.path: _open(path, options))  # type: ignore[misc]
            if micrograph is not None:
                stems.append(each.stem)
                micrographs.append(micrograph)

        def stem_of(micrograph: Micrograph) -> str:
            return next(stem for stem, known in zip(stems, micrographs, strict=True) if known is micrograph)

        def refused(micrograph: Micrograph, error: InputError) -> None:
            console.refuse(stem_of(micrograph), error)

        steps = analyse_steps(micrographs, settings, options.session, _frames(options), bundle, refused)
        for analysis in console.drain(group[0].stem, steps):
            _write_analysis(analysis, folder, stem_of(analysis.micrograph), console)

    for group in [inputs] if options.session else [[each] for each in inputs]:
        console.guard(group[0].stem if len(group) == 1 else "", lambda group=group: work(group))  # type: ignore[misc]


def _write_analysis(analysis: Analysis, folder: Path, stem: str, console: Console) -> None:
    from napari_atomicity.figure import draw_clusters

    report = analysis.report()
    paths = [folder / f"{stem}.{suffix}" for suffix in ("clusters.csv", "report.json", "clusters.png")]
    _write_table(
        paths[0], analysis.table, {name: report[name] for name in ("image", "parameters", "versions", "model")}
    )
    _write_json(paths[1], report)
    frames = analysis.table.rows["frame"]
    draw_clusters(analysis, paths[2], int(frames.iloc[0]) if len(frames) else 0)
    for message in analysis.messages:
        console.remark(f"{stem}: {message}")
    counts = report["counts"]
    shares = [f"{row['label']} {100 * row['fraction']:.0f} %" for row in report["ratios"] if row["count"]]
    found = "1 cluster" if counts["found"] == 1 else f"{counts['found']} clusters"
    console.say(f"{stem}: {found}, {counts['analysed']} counted. {', '.join(shares)}".rstrip(". "))
    for path in paths:
        console.say(f"  {path}")


def _detect(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.pipeline import Settings, detect_steps
    from napari_atomicity.report import describe_image, versions

    settings = Settings(sensitivity=options.sensitivity)
    folder = _folder(options.output)

    def work(each: Input) -> None:
        micrograph = _open(each.path, options)
        found = console.drain(each.stem, detect_steps(micrograph, settings, frames=_frames(options)))
        path = folder / f"{each.stem}.clusters.csv"
        parameters = {"sensitivity": settings.sensitivity}
        metadata = {"image": describe_image(micrograph), "parameters": parameters, "versions": versions()}
        _write_table(path, found.table, metadata)
        for message in (*micrograph.warnings, *found.messages):
            console.remark(f"{each.stem}: {message}")
        console.say(f"{each.stem}: {len(found.table)} clusters\n  {path}")

    for each in _inputs(options, console):
        console.guard(each.stem, lambda each=each: work(each))  # type: ignore[misc]


def _explain(options: argparse.Namespace, console: Console) -> None:
    import numpy as np

    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.figure import draw_heat_map
    from napari_atomicity.pipeline import analyse_steps, explain_steps

    settings = _settings(options)
    bundle = load_bundle(settings.model)
    folder = _folder(options.output)

    def work(each: Input) -> None:
        micrograph = _open(each.path, options)
        steps = analyse_steps([micrograph], settings, frames=_frames(options), bundle=bundle)
        analysis = console.drain(each.stem, steps)[0]
        for message in analysis.messages:
            console.remark(f"{each.stem}: {message}")
        if not len(analysis.table):
            return
        frames = _frames(options) or range(micrograph.n_frames)
        explained = [
            console.drain(each.stem, explain_steps(micrograph, analysis.table, analysis.bundle, frame))
            for frame in frames
        ]
        console.say(f"{each.stem}: {sum(len(one.ids) for one in explained)} clusters explained")
        for channel, name in enumerate(explained[0].channel_names):
            path = folder / f"{each.stem}.{name}.heatmap.tif"
            heat = np.stack([one.overlay[channel] for one in explained])
            _write_tiff(path, heat if len(heat) > 1 else heat[0], micrograph.calibrated_pixel_size_nm)
            draw_heat_map(micrograph, explained[0], channel, path.with_suffix(".png"))
            console.say(f"  {path}\n  {path.with_suffix('.png')}")

    for each in _inputs(options, console):
        console.guard(each.stem, lambda each=each: work(each))  # type: ignore[misc]


def _info(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.io import describe

    for path in options.files:
        text = console.guard(path.name, lambda path=path: describe(path))  # type: ignore[misc]
        if text is not None:
            console.say(text)


def _window(options: argparse.Namespace, console: Console) -> None:
    try:
        launch = import_module("napari_atomicity.ui.launch")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("napari_atomicity"):
            raise
        raise InputError(
            f"The window needs {error.name}, which is not installed: python -m pip install 'napari-atomicity[gui]'"
        ) from error
    console.code = int(launch.main([str(path) for path in options.images]) or DONE)


def _simulate(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.simulation.files import write_frame
    from napari_atomicity.simulation.frames import sample_spec, simulate_frame
    from napari_atomicity.simulation.samples import sample_frames
    from napari_atomicity.simulation.structures import prepare_steps

    if options.samples:
        frames = sample_frames()
    else:
        fractions = dict.fromkeys(options.sizes, 1 / len(options.sizes)) if options.sizes else None
        # structures that no model was trained on, so that what is counted here is not flattered
        spec = sample_spec(
            options.condition, fractions, options.clusters, options.shape, options.seed, "sample",
            element=options.element,
        )  # fmt: skip
        sizes = f"_{'-'.join(map(str, options.sizes))}" if options.sizes else ""
        metal = "" if options.element == "Pt" else f"_{options.element}"
        stem = safe_name(f"{options.condition}{metal}{sizes}_{options.seed}")
        console.drain("structures", prepare_steps("sample", options.element, spec.fractions))
        frames = iter([(stem, simulate_frame(spec, options.seed))])
    folder = _folder(options.output)
    for stem, frame in frames:
        paths = write_frame(frame, folder, stem)
        console.say(f"{stem}: {len(frame.truth)} objects")
        for path in paths:
            console.say(f"  {path}")


def _train(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.training.config import read_config
    from napari_atomicity.training.run import Pace, run_steps

    config = read_config(options.config)
    name = config.training.name
    path = console.drain_slowly(name, run_steps(config, _folder(options.output), console.remark), Pace().line)
    console.say(f"{name}: trained\n  {path}\n  {path.with_suffix('.json')}")


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.simulation.frames import CONDITIONS
    from napari_atomicity.training.evaluate import evaluate_steps, evaluation_set_steps, plan, scores

    bundle = load_bundle(options.model)
    frames = plan(list(CONDITIONS), options.frames, options.pure, bundle.card.class_sizes, bundle.card.element)
    tested = console.drain("frames", evaluation_set_steps(frames))
    table = scores(console.drain(bundle.card.name, evaluate_steps(bundle, tested)))
    console.say(f"{bundle.card.name}: {len(frames)} simulated frames of structures never trained on")
    shown = table.pivot(index="condition", columns="method", values="balanced_accuracy")
    shown = shown.loc[list(dict.fromkeys(table["condition"])), list(dict.fromkeys(table["method"]))]
    console.say(shown.to_string(float_format="{:.3f}".format))
    pooled = table[table["condition"] == "pooled"].dropna().set_index("method")
    console.say(pooled.drop(columns=["condition"]).to_string(float_format="{:.3f}".format))
    if options.output is not None:
        path = _folder(options.output) / f"{safe_name(bundle.card.name)}.scores.csv"
        _write_text(path, table.to_csv(index=False, lineterminator="\n"))
        console.say(f"  {path}")


def _models(options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.counting import describe, store

    if options.action == "show":
        model = store.find(options.name)
        if model.card is None:
            raise InputError(model.problem)
        console.say(describe.as_text(model.card, model.name))
    elif options.action == "import":
        model = store.import_model(options.path)
        console.say(f"{model.name}\n  {model.path}")
    elif options.action == "export":
        console.say(f"{options.name}\n  {store.export_model(options.name, options.folder)}")
    else:
        for model in store.models():
            about = describe.classes(model.card) if model.card is not None else ""
            kind = "comes along" if model.bundled else str(model.path)
            console.say(f"{model.name:<16} {about:<24} {kind}")
            if model.problem:
                console.remark(f"{model.name}: {model.problem}")


# ---------------------------------------------------------------------- the options


def _settings(options: argparse.Namespace) -> Settings:
    from napari_atomicity.pipeline import Settings

    return Settings(
        sensitivity=options.sensitivity,
        model=options.model,
        adapt=options.adapt,
        scale=options.scale,
        deposited=options.deposited,
    )


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(re.sub("^[A-Za-z]{1,2}", "", part.strip())) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of atom counts such as 19,30") from None


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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_PROGRAM, description="Count the atoms in nanoclusters on HAADF-STEM micrographs.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Callable[[argparse.Namespace, Console], None], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(run=run)
        return made

    analyse = command("analyse", _analyse, "find clusters and count their atoms: table, report and figure an image")
    _image_options(analyse)
    _model_options(analyse)
    analyse.add_argument(
        "--session", action="store_true", help="all images were taken under the same settings and calibrate each other"
    )
    _image_options(command("detect", _detect, "positions, diameters and intensities only"))
    explain = command("explain", _explain, "heat maps of what each channel of the model looked at, as TIFF and PNG")
    _image_options(explain)
    _model_options(explain)
    info = command("info", _info, "what would be read: images found, shape, type, calibration, warnings")
    info.add_argument("files", nargs="+", type=Path, metavar="FILE")
    window = command("window", _window, "open the window, with images where given")
    window.add_argument("images", nargs="*", type=Path, metavar="IMAGE")
    simulate = command("simulate", _simulate, "a simulated micrograph with its truth")
    simulate.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    simulate.add_argument("--condition", default="nominal", metavar="NAME", help="nominal, low_dose, ... or random")
    simulate.add_argument("--sizes", type=_sizes, default=(), metavar="N[,N...]", help="atoms, in equal shares")
    simulate.add_argument("--element", default="Pt", metavar="SYMBOL", help="metal; Pt")
    simulate.add_argument("--clusters", type=_count, default=100, metavar="N")
    simulate.add_argument("--shape", type=_shape, default=(1024, 1024), metavar="H,W", help="pixels; 1024,1024")
    simulate.add_argument("--seed", type=int, default=0, metavar="N")
    simulate.add_argument("--samples", action="store_true", help="the sample micrographs of the plug-in instead")
    train = command("train", _train, "train a model on simulated or size-selected micrographs; goes on where it was")
    train.add_argument(
        "config", type=Path, metavar="CONFIG", help="a TOML file, or dual, single (see docs/training.md)"
    )
    train.add_argument(
        "-o", "--output", type=Path, default=Path("models"), metavar="DIR", help="folder for the model; models"
    )
    evaluate = command("evaluate", _evaluate, "score a model on simulated structures that no model was trained on")
    evaluate.add_argument("--model", default="dual", metavar="NAME|PATH")
    evaluate.add_argument("--frames", type=_count, default=4, metavar="N", help="mixed frames a condition; 4")
    evaluate.add_argument("--pure", type=int, default=0, metavar="N", help="pure frames a condition and class; 0")
    evaluate.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the table as CSV")
    _models_options(command("models", _models, "list, show, import and export models"))
    return parser


def _models_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(metavar="ACTION", parser_class=_Parser)
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


def _image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--pixel-size", type=float, metavar="NM", help="nm per pixel, instead of what the file says")
    parser.add_argument("--image", type=int, metavar="N", help="which image of a file with several (see info)")
    parser.add_argument("--frame", type=int, metavar="K", help="only this frame of a stack, counted from 0")
    parser.add_argument("--sensitivity", type=float, default=0.5, metavar="S", help="0 few to 1 many; 0.5")


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="dual", metavar="NAME|PATH", help="dual, single, or a model's file")
    parser.add_argument(
        "--adapt",
        choices=("auto", "off", "diameter"),
        default="auto",
        help="auto: calibrate from the image's own clusters; diameter: fine-tune the model besides; off: neither",
    )
    parser.add_argument(
        "--deposited", type=_sizes, default=(), metavar="N[,N...]", help="sizes in atoms that were deposited"
    )
    parser.add_argument("--scale", type=float, metavar="COUNTS_NM2_PER_ATOM", help="integrated intensity of one atom")


if __name__ == "__main__":
    sys.exit(main())
