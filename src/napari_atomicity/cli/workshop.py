"""The commands around the analysis: look into files, open the window, simulate, train, score, keep models."""

from __future__ import annotations

import argparse
import signal
from importlib import import_module
from pathlib import Path

from napari_atomicity.cli.console import DONE, Console
from napari_atomicity.cli.files import folder, safe_name, save_rows
from napari_atomicity.errors import InputError


def info(options: argparse.Namespace, console: Console) -> None:
    """What would be read from each file."""
    from napari_atomicity.io import describe

    for path in options.files:
        about = _about_project if path.suffix.lower() == ".atomicity" else describe
        text = console.guard(path.name, lambda path=path, about=about: about(path))  # type: ignore[misc]
        if text is not None:
            console.say(text)


def _about_project(path: Path) -> str:
    from napari_atomicity.project import describe

    return describe(path)


def window(options: argparse.Namespace, console: Console) -> None:
    """The window, with the images that were named."""
    for name in ("SIGTERM", "SIGHUP"):  # while Qt waits no Python runs that could meet these
        if hasattr(signal, name) and callable(signal.getsignal(getattr(signal, name))):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        launch = import_module("napari_atomicity.ui.launch")
        console.code = int(launch.main([str(path) for path in options.images]) or DONE)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("napari_atomicity"):
            raise
        raise InputError(
            f"The window needs {error.name}, which is not installed: python -m pip install 'napari-atomicity[gui]'"
        ) from error


def simulate(options: argparse.Namespace, console: Console) -> None:
    """A simulated micrograph with its truth, or the sample micrographs."""
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.files import write_frame
    from napari_atomicity.simulation.frames import simulate_frame
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
        folder(options.output)
        console.drain("structures", prepare_steps("sample", options.element, spec.fractions))
        frames = iter([(stem, simulate_frame(spec, options.seed))])
    target = folder(options.output)
    for stem, frame in frames:
        paths = write_frame(frame, target, stem)
        console.say(f"{stem}: {len(frame.truth)} objects")
        for path in paths:
            console.say(f"  {path}")


def train(options: argparse.Namespace, console: Console) -> None:
    """A model from a configuration."""
    from napari_atomicity.training.config import read_config
    from napari_atomicity.training.run import Pace, run_steps

    config = read_config(options.config)
    name = config.training.name
    path = console.drain_slowly(name, run_steps(config, folder(options.output), console.remark), Pace().line)
    console.say(f"{name}: trained\n  {path}\n  {path.with_suffix('.json')}")


def evaluate(options: argparse.Namespace, console: Console) -> None:
    """A model's scores by condition."""
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.simulation.conditions import CONDITIONS
    from napari_atomicity.training.evaluate import evaluate_steps, evaluation_set_steps, plan
    from napari_atomicity.training.scores import scores

    bundle = load_bundle(options.model)
    target = None if options.output is None else folder(options.output)
    frames = plan(list(CONDITIONS), options.frames, options.pure, bundle.card.class_sizes, bundle.card.element)
    tested = console.drain("frames", evaluation_set_steps(frames))
    table = scores(console.drain(bundle.card.name, evaluate_steps(bundle, tested)))
    console.say(f"{bundle.card.name}: {len(frames)} simulated frames of structures never trained on")
    shown = table.pivot(index="condition", columns="method", values="balanced_accuracy")
    shown = shown.loc[list(dict.fromkeys(table["condition"])), list(dict.fromkeys(table["method"]))]
    console.say(shown.to_string(float_format="{:.3f}".format))
    pooled = table[table["condition"] == "pooled"].dropna().set_index("method")
    console.say(pooled.drop(columns=["condition"]).to_string(float_format="{:.3f}".format))
    if target is not None:
        path = target / f"{safe_name(bundle.card.name)}.scores.csv"
        save_rows(path, table, console)
        console.say(f"  {path}")


def models(options: argparse.Namespace, console: Console) -> None:
    """List, show, import or export models."""
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
