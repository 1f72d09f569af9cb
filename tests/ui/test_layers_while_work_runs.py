"""Layers renamed, reordered, duplicated, deleted and replaced while each kind of work runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

from napari_atomicity import pipeline
from napari_atomicity.counting import bundle
from napari_atomicity.pipeline import count as count_chain
from napari_atomicity.project.recovery import Recorder
from napari_atomicity.report import figures
from napari_atomicity.ui.cluster_card import inspector
from napari_atomicity.ui.feature_map import placements
from napari_atomicity.ui.ratios import panel as ratios_panel

from .stand_ins import adapt_always


@dataclass(frozen=True)
class Kind:
    """A kind of work: what of it is held at the gate, how a person starts it, what tells that it came to its end."""

    held: tuple[Any, str]
    start: Callable[[Any], Any]
    done: Callable[[Any], Any]


def press(dock: str, button: str) -> Callable[[Any], None]:
    return lambda app: app.click_on(getattr(app.panel(dock), button))


def relabel(dock: str = "") -> Callable[[Any], None]:
    """A label, which `dock` follows."""

    def start(app: Any) -> None:
        if dock:
            app.panel(dock)
        document = app.document
        document.annotate(document.table.ids[5:9].tolist(), f"Pt{len(document.steps[0])}")

    return start


def select(app: Any) -> None:
    app.panel("Cluster card")
    ids = app.document.table.ids.tolist()
    at = max((ids.index(one) for one in app.document.selection), default=7)
    app.document.select([ids[(at + 1) % len(ids)]])


def adapt(app: Any) -> None:
    panel = app.panel("Adapt to the image")
    if app.document.state.applied is not None:
        app.click(panel.back)
    app.click_on(panel.run)


def together(app: Any) -> None:
    from napari_atomicity.micrograph import Micrograph

    if len(app.workspace.images) == 1:
        mine = app.workspace.image
        data = np.asarray(mine.data)[:256]
        app.show(Micrograph(data, app.document.micrograph.pixel_size_nm, name="beside"))
        app.workspace.choose(mine)
    for place in app.workspace.groups:
        place.document.set_options(in_joint=place is app.workspace.group or place.name == "beside")
    app.click_on(app.panel("Calibrate images together").run)


def export(app: Any) -> None:
    app.panel("Export").write_figure(Path("figure.png").absolute())


def committed(name: str) -> Callable[[Any], bool]:
    return lambda app: name in app.document.history


def maps_are_true(app: Any) -> bool:
    found, maps = app.document.attribution, app.workspace.maps
    app.qtbot.waitUntil(lambda: len(maps.shown) == len(found.overlay), timeout=10_000)
    lie = all(map(np.array_equal, [layer.data for layer in maps.shown], found.overlay))
    return lie and set(found.ids) == set(app.document.table.ids)


def on_the_map(app: Any) -> bool:
    return app.panel("Feature map").looks.look(app.document.state.count) is not None


def on_the_card(app: Any) -> bool:
    select(app)
    card = app.panel("Cluster card")
    app.qtbot.waitUntil(lambda: not card.looker.waiting, timeout=20_000)
    return not card.looker.waiting and card.body.isVisibleTo(card) and card.contours.text() != ""


def in_the_ratios(app: Any) -> bool:
    dock = app.panel("Class ratios")
    return dock.result is not None and dock.table.isVisibleTo(dock)


def written(app: Any) -> bool:
    return Path("figure.png").is_file()


KINDS = {
    "find": Kind((count_chain, "detect_steps"), press("Find clusters", "search"), committed("Find clusters")),
    "count": Kind((count_chain, "timed_session_steps"), press("Count atoms", "run"), committed("Count atoms")),
    "load the model": Kind((bundle, "load_bundle"), press("Count atoms", "run"), committed("Count atoms")),
    "adapt": Kind((count_chain, "adapt_steps"), adapt, committed("Adapt")),
    "together": Kind((count_chain, "timed_session_steps"), together, committed("Calibrate together")),
    "explain": Kind((pipeline, "explain_steps"), press("See why", "all"), maps_are_true),
    "feature map": Kind((placements, "_looked_steps"), relabel("Feature map"), on_the_map),
    "card": Kind((inspector, "look_steps"), select, on_the_card),
    "ratios": Kind((ratios_panel, "ratios_steps"), relabel("Class ratios"), in_the_ratios),
    "figure": Kind((figures, "draw_overlay"), export, written),
    "autosave": Kind((Recorder, "record"), relabel(), lambda _: True),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest, gate: Any, monkeypatch: pytest.MonkeyPatch) -> Kind:
    adapt_always(monkeypatch)
    gate.hold(*request.param.held)
    return request.param


@pytest.fixture
def counted(
    app: Any,
    micrograph: Any,
    counted_once: Any,
    tmp_path: Path,
    soon: None,
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A counted frame, and the workbench with its strip."""
    app.lay_out(micrograph, counted_once)
    app.document.choose(adapt="auto")
    monkeypatch.chdir(tmp_path)
    app.panel("Atomicity")
    return app


def well(app: Any) -> None:
    """Nothing runs or is locked, nothing failed, and the window says so."""
    app.idle()
    app.kept()
    app.qtbot.waitUntil(lambda: app.context.explainer.up_to_date, timeout=5000)  # heat maps follow a moment later
    app.idle()
    assert not app.errors
    assert not any(layer.locked for layer in app.viewer.layers)
    strip = app.workbench.findChild(object, "strip")
    assert not strip.stop.isVisible() and not strip.bar.isVisible()


def begin(app: Any, gate: Any, kind: Kind) -> None:
    """Start the work; it waits at the gate."""
    gate.close()
    kind.start(app)
    app.qtbot.waitUntil(lambda: gate.begun, timeout=20_000)


def end(app: Any, gate: Any) -> None:
    gate.open()
    well(app)


@pytest.mark.few(1)
def test_layers_change_while_work_runs(counted: Any, kind: Kind, gate: Any, micrograph: Any) -> None:
    app, document, image = counted, counted.document, counted.workspace.image
    ids = document.table.ids.tolist()
    document.annotate(ids[1:2], "Pt41")
    # renamed, reordered, duplicated, the clusters' layer deleted; labels, additions and deletions go on
    begin(app, gate, kind)
    image.name = "another name"
    for layer in (image, app.points):
        app.viewer.layers.append(Layer.create(*layer.as_layer_data_tuple()))
    app.workspace.choose(image)
    app.viewer.layers.reverse()
    app.viewer.layers.remove(app.points)
    document.annotate(ids[2:3], "Pt19")
    app.points.add(np.array([200.5, 210.5]))
    app.points.selected_data = {3}
    app.points.remove_selected()
    end(app, gate)
    assert kind.done(app)
    rows = document.table.rows.set_index("id")
    assert rows.index.is_unique and len(rows) == len(ids) and ids[3] not in rows.index
    assert ((rows["y_px"] == 200.5) & (rows["x_px"] == 210.5)).sum() == 1
    assert (rows.at[ids[1], "annotation"], rows.at[ids[2], "annotation"]) == ("Pt41", "Pt19")
    assert len(app.points.data) == len(rows) and app.points in app.viewer.layers
    # other pixels in the layer: nothing that was made of the old ones is shown or kept
    begin(app, gate, kind)
    image.data = np.asarray(image.data) * 2
    end(app, gate)
    assert document.table.rows["label"].eq("").all()
    assert document.attribution is None or document.attribution.micrograph is document.micrograph
    assert document.state.count is None and document.micrograph.data is image.data
    # the image taken off and opened again
    document.undo()
    assert document.micrograph.data is image.data and document.micrograph.data is micrograph.data
    begin(app, gate, kind)
    steps = document.history
    app.viewer.layers.remove(image)
    again = app.show(micrograph)
    end(app, gate)
    kept = app.recovered()["another name"]
    assert [step.name for step in kept.steps][1 : kept.now + 1] == steps
    assert kept.state.table.rows.set_index("id").at[ids[1], "annotation"] == "Pt41"
    # and the next click does what it says
    app.workspace.choose(again)
    app.click(app.panel("Find clusters").search)
    assert app.document is app.workspace.document_of(again) and "Find clusters" in app.document.history
    well(app)
