"""The commands around the analysis: look into files, open the window, simulate, train, score, keep models."""

from __future__ import annotations

import signal
from functools import partial
from importlib import import_module
from pathlib import Path

from napari_atomicity.cli.console import DONE, Console
from napari_atomicity.cli.files import folder, save_rows
from napari_atomicity.cli.metals import metal_and_sizes, second_metal_of
from napari_atomicity.cli.requests import InfoRequest, WindowRequest
from napari_atomicity.cli.workshop_requests import (
    EvaluateRequest,
    ExportModelRequest,
    ImportModelRequest,
    ListModelsRequest,
    ShowModelRequest,
    SimulateRequest,
    TrainRequest,
)
from napari_atomicity.errors import InputError
from napari_atomicity.io.names import safe_name


def info(request: InfoRequest, console: Console) -> None:
    """What would be read from each file.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.
    """
    from napari_atomicity.io import describe

    for path in request.files:
        about = _about_project if path.suffix.lower() == ".atomicity" else describe
        text = console.guard(path.name, partial(about, path))
        if text is not None:
            console.say(text)


def _about_project(path: Path) -> str:
    from napari_atomicity.project import describe

    return describe(path)


def window(request: WindowRequest, console: Console) -> None:
    """The window, with the images that were named.

    Parameters
    ----------
    request
        The options.
    console
        Takes the exit code.

    Raises
    ------
    InputError
        Where what the window needs is not installed.
    """
    for name in ("SIGTERM", "SIGHUP"):  # while Qt waits no Python runs that could meet these
        if hasattr(signal, name) and callable(signal.getsignal(getattr(signal, name))):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        launch = import_module("napari_atomicity.ui.launch")
        console.code = int(launch.main([str(path) for path in request.images]) or DONE)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("napari_atomicity"):
            raise
        raise InputError(
            f"The window needs {error.name}, which is not installed: python -m pip install 'napari-atomicity[gui]'"
        ) from error


def simulate(request: SimulateRequest, console: Console) -> None:
    """A simulated micrograph with its truth, or the sample micrographs.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For conditions or metals that cannot be simulated, and where nothing can be written.
    """
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.files import write_frame
    from napari_atomicity.simulation.frames import simulate_frame
    from napari_atomicity.simulation.samples import sample_frames
    from napari_atomicity.simulation.structures import prepare_steps

    if request.samples:
        frames = sample_frames()
    else:
        element, chosen = metal_and_sizes(request)
        fractions = dict.fromkeys(chosen, 1 / len(chosen)) if chosen else None
        second_metal = second_metal_of(request)
        # structures that no model was trained on, so that what is counted here is not flattered
        spec = sample_spec(
            request.condition, fractions, request.clusters, request.shape, request.seed, "sample",
            element=element, alloy=second_metal,
        )  # fmt: skip
        sizes = f"_{'-'.join(map(str, chosen))}" if chosen else ""
        metal = ("" if element == "Pt" else f"_{element}") + (f"_{second_metal.element}" if second_metal else "")
        stem = safe_name(f"{request.condition}{metal}{sizes}_{request.seed}")
        folder(request.output)
        console.drain("structures", prepare_steps("sample", element, spec.fractions))
        made = [(stem, simulate_frame(spec, request.seed))]
        if request.second is not None:
            made.append((f"{stem}_second", simulate_frame(spec, request.seed, request.second)))
        frames = iter(made)
    target = folder(request.output)
    for stem, frame in frames:
        paths = write_frame(frame, target, stem, console.remark)
        console.say(f"{stem}: {len(frame.truth)} objects")
        for path in paths:
            console.say(f"  {path}")


def train(request: TrainRequest, console: Console) -> None:
    """A model from a configuration.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For a configuration that does not fit, and where nothing can be written.
    """
    from napari_atomicity.training.config import read_config
    from napari_atomicity.training.run import Pace, run_steps

    config = read_config(request.config)
    name = config.training.name
    path = console.drain_slowly(name, run_steps(config, folder(request.output), console.remark), Pace().line)
    console.say(f"{name}: trained\n  {path}\n  {path.with_suffix('.json')}")


def evaluate(request: EvaluateRequest, console: Console) -> None:
    """A model's scores by condition.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For a model that cannot be read, and where nothing can be written.
    """
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.simulation.conditions import CONDITIONS
    from napari_atomicity.training.evaluate import evaluate_steps, evaluation_set_steps, plan
    from napari_atomicity.training.scores import scores

    bundle = load_bundle(request.model)
    target = None if request.output is None else folder(request.output)
    frames = plan(list(CONDITIONS), request.frames, request.pure, bundle.card.class_sizes, bundle.card.element)
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


def list_models(request: ListModelsRequest, console: Console) -> None:
    """All models, those that come along and a person's own.

    Parameters
    ----------
    request
        Without options.
    console
        Where they are printed.
    """
    from napari_atomicity.counting import card_text, store

    for model in store.models():
        about = card_text.classes(model.card) if model.card is not None else ""
        kind = "comes along" if model.bundled else str(model.path)
        console.say(f"{model.name:<16} {about:<24} {kind}")
        if model.problem:
            console.remark(f"{model.name}: {model.problem}")


def show_model(request: ShowModelRequest, console: Console) -> None:
    """The card of a model.

    Parameters
    ----------
    request
        The options.
    console
        Where it is printed.

    Raises
    ------
    InputError
        For a model that is not there or damaged.
    """
    from napari_atomicity.counting import card_text, store

    path = Path(request.name)
    if path.suffix or len(path.parts) > 1:
        from napari_atomicity.counting.bundle import load_bundle

        console.say(card_text.as_text(load_bundle(path).card, path.stem))
        return
    model = store.find(request.name)
    if model.card is None:
        raise InputError(model.problem)
    console.say(card_text.as_text(model.card, model.name))


def import_model(request: ImportModelRequest, console: Console) -> None:
    """Take a model into a person's own.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For a model that cannot be read.
    """
    from napari_atomicity.counting import store

    model = store.import_model(request.path)
    console.say(f"{model.name}\n  {model.path}")


def export_model(request: ExportModelRequest, console: Console) -> None:
    """Write a model to a folder.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For a model that is not there, and where nothing can be written.
    """
    from napari_atomicity.counting import store

    console.say(f"{request.name}\n  {store.export_model(request.name, request.folder)}")
