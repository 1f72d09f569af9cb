"""The doors: what a person does with a file. An answer makes sense or is an `InputError`; all else is a fault."""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from tools.fuzz.kinds import Case

from napari_atomicity.errors import InputError

#: what lies in a file that nobody may read
SECRET: Final = b"TOP-SECRET-" * 60
#: what a terminal or a spreadsheet would act on
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
_LONGEST_MESSAGE: Final = 3000


class UnsoundError(Exception):
    """An answer that makes no sense."""


#: says that a new answer is awaited, see `worker`
Ask = Callable[[str], None]


def knock(case: Case, path: Path, ask: Ask) -> None:
    """Put the case, which lies at `path`, before its door."""
    DOORS[case.door](case, path, ask)


@contextlib.contextmanager
def _may_refuse(case: Case) -> Iterator[None]:
    """An `InputError` is an answer, where it is one sentence or two, and the input is not a good one."""
    try:
        yield
    except InputError as error:
        text = str(error)
        if case.good:
            raise UnsoundError(f"a good input is refused: {text}") from error
        if not text.strip() or len(text) > _LONGEST_MESSAGE:
            raise UnsoundError(f"a message of {len(text)} characters") from error


def _sound(fact: object, what: str) -> None:
    if not fact:
        raise UnsoundError(what)


def _command(*words: str) -> str:
    """A call of the command line: its output, which a terminal must be able to show."""
    from napari_atomicity.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    told = out.getvalue() + err.getvalue()
    _sound(code != 1, f"exit code 1: {told[-400:]}")
    found = _CONTROL.search(told)
    _sound(found is None, f"the control character {found and found[0]!r} reaches the terminal")
    _sound(code == 0 or err.getvalue().strip(), "refused without a word")
    _sound(code == 0 or len(err.getvalue()) < _LONGEST_MESSAGE, f"a message of {len(err.getvalue())} characters")
    return out.getvalue()


# ---------------------------------------------------------------------- images


def _image(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.io import list_images, read
    from napari_atomicity.io.napari_hooks import get_reader

    ask("list")
    with _may_refuse(case):
        for info in list_images(path):
            _sound(all(n >= 0 for n in info.shape), f"a shape {info.shape}")
            _pixel_size(info.pixel_size_nm)
    ask("read")
    with _may_refuse(case):
        _pixels(read(path))
    ask("layer")
    reader = get_reader(str(path))
    if reader is not None:
        with _may_refuse(case):
            for data, options, kind in reader(str(path)):
                _sound(kind == "image" and len(options["scale"]) == data.ndim, "a layer whose scale does not fit")
                np.asarray(data[0] if data.ndim == 3 else data)
    ask("info")
    _command("info", path.name)


def _pixel_size(size: float | None) -> None:
    _sound(size is None or (math.isfinite(size) and size > 0), f"a pixel size of {size}")


def _pixels(micrograph: Any) -> None:
    _pixel_size(micrograph.pixel_size_nm)
    _sound(all(n > 0 for n in micrograph.data.shape), f"an empty image {micrograph.data.shape}")
    for index in sorted({0, micrograph.n_frames - 1}):
        frame = micrograph.frame(index)
        _sound(frame.shape == micrograph.shape_yx, f"a frame {frame.shape} of {micrograph.shape_yx}")
        if frame.size < 2**20:
            with np.errstate(invalid="ignore"):
                raw = frame.astype(np.uint8).tobytes()
            _sound(b"TOP-SECRET" not in raw and b"root:x:" not in raw, "the bytes of another file as pixels")


# ---------------------------------------------------------------------- sessions


def _session(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.progress import drain
    from napari_atomicity.project import open_steps, save_project

    ask("info")
    _command("info", path.name)
    ask("open")
    with _may_refuse(case):
        session = drain(open_steps(path))
        for answers in ({one.key: path.parent / "piece.tif" for one in session.unclear}, dict.fromkeys(_keys(session))):
            if answers:
                ask("open again")
                with _may_refuse(case):
                    _check_images(drain(open_steps(path, (), answers)))
        _check_images(session)
        ask("save")
        again = save_project(session, path.parent / "again.atomicity")
        ask("open the saved one")
        other = drain(open_steps(again))
        _sound(len(other.images) == len(session.images) or other.unclear, "a project that loses images when saved")
        for mine, theirs in zip(session.images, other.images, strict=False):
            _sound(len(mine.state.table) == len(theirs.state.table), "a table that changes when it is saved")


def _keys(session: Any) -> list[str]:
    return [one.key for one in session.unclear]


def _check_images(session: Any) -> None:
    for image in session.images:
        _sound(0 <= image.now < len(image.steps), "a step in force that is none")
        for state in (image.steps[0].state, image.state):
            _pixel_size(state.micrograph.pixel_size_nm)
            _sound(len(state.table.final_labels) == len(state.table.ids), "labels that do not go with the table")
            state.micrograph.frame(0)


# ---------------------------------------------------------------------- models


def _model(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.counting import card_text, store
    from napari_atomicity.counting.bundle import load_bundle, user_folder

    ask("load")
    bundle = None
    with _may_refuse(case):
        bundle = load_bundle(path)
    if bundle is not None:
        _label_words(bundle.card)
        ask("describe")
        card_text.as_text(bundle.card, bundle.card.name)
        ask("count")
        with _may_refuse(case):
            _counts(bundle)
        ask("import")
        with contextlib.suppress(InputError):  # it may be here already
            store.import_model(path)
    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for file in path.parent.glob("*.*"):
        if file.suffix in (".json", ".safetensors"):
            shutil.copy(file, folder / file.name)
    ask("models")
    _sound("dual" in _command("models", "list"), "a model in the user's folder hides all others")
    ask("models show")
    _command("models", "show", path.stem)


def _label_words(card: Any) -> None:
    for label in card.labels:
        _sound(not label.startswith(("=", "+", "-", "@")), f"a label that is a formula: {label[:40]!r}")
        _sound(_CONTROL.search(label) is None and len(label) < 40, f"a label that is no word: {label[:40]!r}")


@cache
def sample() -> tuple[Any, Any]:
    """A piece of the sample with its clusters."""
    from dataclasses import replace

    from napari_atomicity.io import read
    from napari_atomicity.pipeline import Settings, detect_steps
    from napari_atomicity.progress import drain

    whole = read(Path(__file__).parents[2] / "sample_data" / "sample_mixed.tif")
    piece = replace(whole, data=np.asarray(whole.data[:250, :250]))
    return piece, drain(detect_steps(piece, Settings())).table


def warm_up(door: str) -> None:
    """What is imported at the first use is not part of an answer."""
    if door in ("model", "session", "table"):
        sample()
        importlib.import_module("napari_atomicity.project")
        importlib.import_module("torch")


def _counts(bundle: Any) -> None:
    from napari_atomicity.pipeline import Settings, classify_steps
    from napari_atomicity.progress import drain

    micrograph, table = sample()
    table = drain(classify_steps(micrograph, table, bundle, Settings())).table
    table = table.take((table.rows["label"] != "").to_numpy())
    chances = table.probabilities
    _sound(np.isfinite(chances).all() and chances.min(initial=0) >= 0, "a probability that is none")
    _sound(chances.sum(axis=1).max(initial=0) < 1.001, "probabilities that add up to more than 1")
    _sound(np.isfinite(table.rows["n_atoms"].to_numpy(dtype=float)).all(), "a number of atoms that is none")


# ---------------------------------------------------------------------- tables, lists, settings


def _table(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.io.tables import read_metadata, read_table, write_table

    ask("read")
    with _may_refuse(case):
        table = read_table(path)
        kept = {int(k): str(v) for k, v in zip(table.ids, table.rows["annotation"], strict=True) if v != ""}
        if case.labels:
            _sound(kept == dict(case.labels), "labels of a person that are read as others")
        write_table(table, path.parent / "again.csv")
        _sound(len(read_table(path.parent / "again.csv")) == len(table), "a table that changes when it is written")
    ask("metadata")
    with _may_refuse(case):
        read_metadata(path)
    if case.labels:
        _counted_again(case, path, ask)


def _counted_again(case: Case, path: Path, ask: Ask) -> None:
    """The image is counted again into the folder of a table that a person labelled: nothing is lost."""
    import tifffile

    micrograph, _ = sample()
    folder = path.parent / "results"
    folder.mkdir()
    tifffile.imwrite(folder / "piece.tif", micrograph.data)
    shutil.copy(path, folder / "piece.clusters.csv")
    before = path.read_bytes()
    ask("detect")
    _command("detect", str(folder / "piece.tif"), "-o", str(folder), "--pixel-size", "0.05")
    kept = any(file.read_bytes() == before for file in folder.rglob("*") if file.is_file())
    _sound(kept or _labels_there(folder, case), "labels of a person that are overwritten")


def _labels_there(folder: Path, case: Case) -> bool:
    """Whether all the labels are in a table of the folder (brought onto the new clusters, say)."""
    from napari_atomicity.io.tables import read_table

    for file in folder.glob("*.csv"):
        with contextlib.suppress(InputError):
            if sorted(v for v in read_table(file).rows["annotation"] if v) == sorted(case.labels.values()):
                return True
    return False


def _profile(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.counting.bundle import load_card
    from napari_atomicity.counting.profile import load_profile
    from napari_atomicity.pipeline import Settings

    ask("load")
    with _may_refuse(case):
        profile = load_profile(path)
        _sound(
            0 < profile.intensity_per_atom < math.inf and 0 < profile.intensity_per_atom_sd <= 1, "a scale that is none"
        )
        profile.check(load_card("dual"))
        profile.known((19, 55)).check((19, 30, 55))
        Settings(intensity_per_atom=profile.intensity_per_atom, intensity_per_atom_sd=profile.intensity_per_atom_sd)


def _config(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.metals import class_set
    from napari_atomicity.training.config import read_config

    ask("read")
    with _may_refuse(case):
        read_config(path)
    ask("class set")
    with contextlib.suppress(InputError):  # nothing here is one
        class_set(path)


def _expected(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.counting.bundle import load_card
    from napari_atomicity.counting.expected import expected_shares
    from napari_atomicity.io.columns import read_columns
    from napari_atomicity.pipeline import load_expected

    ask("load")
    with _may_refuse(case):
        found = load_expected(path)
        _sound(all(math.isfinite(v) and v >= 0 for v in found.values()), "an amount that is none")
        shares = expected_shares(found, load_card("dual"))
        _sound(abs(sum(shares.values()) - 1) < 1e-6, "shares that do not add up to 1")
    ask("columns")
    with contextlib.suppress(InputError):  # hardly one has ids
        read_columns(path, ("fraction",))
    ask("command")
    _command("analyse", "none.tif", "-o", "none", "--expected", str(path))


def _typed(case: Case, path: Path, ask: Ask) -> None:
    from napari_atomicity.metals import read_exponent
    from napari_atomicity.pipeline import metal_of_deposited, read_deposited, read_expected, read_metal

    text = path.read_bytes().decode("utf-8", "replace")
    for name, read in (("deposited", read_deposited), ("expected", read_expected)):
        ask(name)
        with _may_refuse(case):
            read(text)
    for name, read in (("metal", read_metal), ("exponent", read_exponent), ("its metal", metal_of_deposited)):
        ask(name)
        with contextlib.suppress(InputError):  # a text of sizes is none of metals
            read(text)
    ask("command")
    _command("analyse", "none.tif", "-o", "none", f"--deposited={text[:100_000]}")


def _trap(_: Case, path: Path, ask: Ask) -> None:
    """What the one who watches must notice, for tests of the fuzzer itself."""
    ask("trap")
    what = path.read_text(encoding="utf-8")
    if what == "hang":
        time.sleep(3600)
    elif what == "turn":
        while True:
            pass
    elif what == "grow":
        kept = [bytes(bytearray(10**7)) for _ in range(130)]
        _sound(len(kept) == 130, "no memory")
    elif what == "die":
        os.abort()
    elif what == "raise":
        raise KeyError(what)


DOORS: Final[dict[str, Callable[[Case, Path, Ask], None]]] = {
    "image": _image, "session": _session, "model": _model, "table": _table, "profile": _profile, "config": _config,
    "expected": _expected, "typed": _typed, "trap": _trap,
}  # fmt: skip
