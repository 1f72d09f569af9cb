"""What the program itself writes: sessions, models, profiles, configurations, tables; and lists that people write."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tools.fuzz.kinds import Good

_REPOSITORY = Path(__file__).parents[3]


def good() -> dict[str, Good]:
    """One or several of each."""
    from napari_atomicity.pipeline import Settings, analyse

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        micrograph = _sample(here)
        analysis = analyse(micrograph, Settings(adapt="auto"))
        found = {
            **_tables(analysis, here), **_sessions(micrograph, analysis, here), **_models(here),
            **_profile(analysis, micrograph, here),
        }  # fmt: skip
    configs = _REPOSITORY / "src" / "napari_atomicity" / "training" / "configs"
    for path in sorted(configs.glob("*.toml")):
        found[path.name] = Good({path.name: path.read_bytes()}, "config")
    lab = (
        b'name = "mine"\nclasses = [19, 55]\n[laboratory]\nfolder = "lab"\npixel_size_nm = 0.03\n[training]\nseed = 3\n'
    )
    return found | {"lab.toml": Good({"lab.toml": lab}, "config")} | _lists()


def _sample(here: Path) -> Any:
    """A piece of the sample, in a file of its own."""
    import tifffile

    from napari_atomicity.io import read

    whole = read(_REPOSITORY / "sample_data" / "sample_mixed.tif")
    path = here / "piece.tif"
    resolution = (1 / 0.05, 1 / 0.05)
    tifffile.imwrite(path, whole.data[:500, :500], imagej=True, resolution=resolution, metadata={"unit": "nm"})
    return read(path)


def _labelled(table: Any) -> Any:
    """The table, with what a person said about some clusters."""
    names = ("Pt19", "Pt55", "other", "Pt30")
    for k, one in enumerate(table.ids[:8].tolist()):
        table = table.annotate([one], names[k % len(names)])
    return table


def _tables(analysis: Any, here: Path) -> dict[str, Good]:
    from napari_atomicity.io.tables import write_table
    from napari_atomicity.report.summary import describe

    facts = describe(analysis)
    found = {}
    for name, table in (("a.clusters.csv", _labelled(analysis.table)), ("a.parquet", _labelled(analysis.table))):
        write_table(table, here / name, facts)
        beside = here / f"{name}-metadata.json"
        files = {name: (here / name).read_bytes()}
        if beside.is_file():
            files[beside.name] = beside.read_bytes()
        found[name] = Good(files, "table")
    return found


def _sessions(micrograph: Any, analysis: Any, here: Path) -> dict[str, Good]:
    """A history of edits, counts with an adaptation, and an image that was never a file."""
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.document.options import ImageOptions
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.project import HistoryStep, Project, SavedImage, save_project

    table = analysis.table
    steps = [
        HistoryStep("Open", ImageState(micrograph, ClusterTable.empty())),
        HistoryStep("Find", ImageState(micrograph, table)),
    ]
    for k, one in enumerate(table.ids[:6].tolist()):
        table = table.annotate([one], "Pt19") if k % 2 else table.drop([one])
        steps.append(HistoryStep(f"Step {k}", ImageState(micrograph, table, True, ("odd",))))
    edited = SavedImage("piece", tuple(steps), len(steps) - 2, view={"image": {"opacity": 0.5}})
    drawn = Micrograph(np.arange(600, dtype=np.uint16).reshape(2, 15, 20), 0.1, name="drawn")
    stack = SavedImage("drawn", (HistoryStep("Open", ImageState(drawn, analysis.table)),), 0)
    base = load_bundle("dual")
    state = replace(analysis, counted_with=("piece",), choices={0: "Pt30"})
    own = replace(base, card=replace(base.card, name="own"), library={}, rehearsal={})
    lean = ImageState(micrograph, analysis.table, bundle=own)
    counted = SavedImage(
        "counted",
        (*steps[:2], HistoryStep("Count", state)),
        2,
        ImageOptions(expected={19: 0.5, 55: 0.5}, random_sample=True),
    )
    wanted = {
        "edited": (edited, stack),
        "counted": (counted,),
        "own": (SavedImage("own", (HistoryStep("Open", lean),), 0),),
    }
    image = (here / "piece.tif").read_bytes()
    found = {}
    for name, images in wanted.items():
        path = save_project(Project(images, view={"zoom": 2.0}), here / f"{name}.atomicity")
        found[path.name] = Good({path.name: _same_every_time(path.read_bytes()), "piece.tif": image}, "session")
    return found


def _same_every_time(content: bytes) -> bytes:
    """A session without the time of day, so that a seed gives the same bytes again."""
    import json

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            part = old.read(info)
            if info.filename == "session.json":
                tree = json.loads(part) | {"saved": "2026-11-25T12:00:00+00:00"}
                part = json.dumps(tree, indent=1, ensure_ascii=False).encode()
                part = part.replace(json.dumps(str(Path(tempfile.gettempdir()))).encode()[1:-1], b"/home/someone")
            new.writestr(zipfile.ZipInfo(info.filename, (2026, 11, 25, 12, 0, 0)), part)
    return buffer.getvalue()


def _models(here: Path) -> dict[str, Good]:
    """A model without what it was trained on, and one with all."""
    from napari_atomicity.counting.bundle import load_bundle, save_bundle

    found = {}
    for name in ("single", "dual"):
        whole = load_bundle(name)
        bundle = replace(whole, library={}, rehearsal={}, shipped=None) if name == "single" else whole
        path = save_bundle(replace(bundle, card=replace(whole.card, name="mine")), here / f"{name}.safetensors")
        card = path.with_suffix(".json")
        found[path.name] = Good({path.name: path.read_bytes(), card.name: card.read_bytes()}, "model")
    return found


def _profile(analysis: Any, micrograph: Any, here: Path) -> dict[str, Good]:
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.counting.profile import InstrumentProfile, save_profile

    card = load_bundle("dual").card
    profile = InstrumentProfile(
        name="Titan", element="Pt", intensity_per_atom=71000.0, intensity_per_atom_sd=0.03, pixel_size_nm=0.05,
        model="dual",
        model_sha256=card.sha256, images=({"name": "piece", "sha256": "0" * 64},), frames=1, clusters=29,
        created="2026-11-25T12:00:00+00:00", version="0.1.0",
    )  # fmt: skip
    save_profile(profile, here / "titan.json")
    return {"titan.json": Good({"titan.json": (here / "titan.json").read_bytes()}, "profile")}


def _lists() -> dict[str, Good]:
    """What was deposited, as a mass spectrometer or a person writes it."""
    texts = {
        "plain.csv": "size,amount\n19,0.7\n55,0.3\n", "labels.csv": "label;counts\nPt19;1200\nPt55;300\n",
        "tabs.tsv": "# run 7\natoms\tshare\n19\t70 %\n30\t20 %\n55\t10 %\n", "bare.txt": "19,0.5\n30,0.5\n",
        "comma.csv": "Atoms;Amount (a.u.)\n19;0,7\n55;0,3\n",
    }  # fmt: skip
    found = {name: Good({name: text.encode()}, "expected") for name, text in texts.items()}
    for k, text in enumerate(("19, 30, 55", "19:0.7, Pt55:0.3", "Pt19:70% Pt30:30%")):
        found[f"typed{k}"] = Good({"typed.txt": text.encode()}, "typed")
    return found
