"""Keys: one table feeds bindings, tool tips, the screen and the docs; none deletes or moves anything by accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.ui.shortcuts.table import BY_NAME, SHORTCUTS, chosen_keys, read_key

SIZES = (19, 30, 41, 55, 70)


def counted(app: Any, micrograph: Any, n: int = 8) -> Any:
    """The window with `n` clusters that carry labels, as if a model had counted them; the document."""
    app.show(micrograph)
    rng = np.random.default_rng(1)
    y, x = rng.uniform(40, 470, (2, n))
    table = ClusterTable.from_columns({"y_px": y, "x_px": x, "diameter_nm": np.full(n, 1.0), "intensity": np.ones(n)})
    confidence = np.linspace(0.9, 0.5, n)
    values = {"label": np.resize(["Pt19", "Pt55"], n), "confidence": confidence, "source": ["base"] * n}
    values |= {f"p_{size}": np.full(n, 0.2) for size in SIZES}
    app.document.commit("Count", table.with_predictions(SIZES, values))
    app.idle()
    return app.document


def window_of(_: Any) -> Any:
    """The main window: what no widget in it has a use for is the canvas's, wherever the focus is."""
    from qtpy.QtWidgets import QApplication, QMainWindow

    (window,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
    return window


def press(app: Any, key: str) -> None:
    """Press a key in the window, as a person does."""
    from qtpy.QtGui import QKeySequence

    combination = QKeySequence(key)[0]
    app.qtbot.keyClick(window_of(app), combination.key(), combination.keyboardModifiers())
    app.qtbot.wait(10)


def annotations(app: Any) -> list[str]:
    return app.document.table.rows["annotation"].tolist()


def test_a_key_labels_all_selected_clusters_in_one_step(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    document.select([0, 3, 5])
    steps = len(document.history)
    press(app, "E")
    assert [annotations(app)[i] for i in (0, 3, 5)] == ["Pt41"] * 3
    assert annotations(app).count("") == 5 and len(document.history) == steps + 1
    press(app, "D")
    assert annotations(app)[3] == "other"
    press(app, "F")  # fine: as the model does
    assert annotations(app)[0] == "Pt19" and annotations(app)[3] == annotations(app)[5] == "Pt55"
    assert document.table.rows["label"].tolist() == ["Pt19", "Pt55"] * 4, "both are kept"
    press(app, "G")
    assert annotations(app) == [""] * 8
    steps = len(document.history)
    press(app, "G")
    assert len(document.history) == steps, "what changes nothing is no step"
    press(app, "Ctrl+Z")
    assert annotations(app)[0] == "Pt19"
    press(app, "Ctrl+Shift+Z")
    assert annotations(app) == [""] * 8


def test_no_key_deletes_moves_or_adds_and_delete_still_does(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    table, places = document.table, app.points.data.copy()
    document.select([1, 2])
    for mode in ("pan_zoom", "select", "add"):
        app.points.mode = mode
        for key in (*(shortcut.key for shortcut in SHORTCUTS if shortcut.name != "keys"), "1", "5"):
            document.select([1, 2])
            press(app, key)
        assert len(document.table) == len(table) and np.array_equal(app.points.data, places), mode
        assert str(app.points.mode) == mode
    document.select([1, 2])
    press(app, "1")
    assert "Delete" in str(app.viewer.status) and BY_NAME["class_1"].key in str(app.viewer.status)
    app.points.mode = "select"
    press(app, "Delete")
    assert len(document.table) == 6
    press(app, "Ctrl+Z")
    assert len(document.table) == 8 and document.selection == {1, 2}, "what came back is what is selected"


def test_a_held_key_labels_once(app: Any, micrograph: Any) -> None:
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QApplication

    document = counted(app, micrograph)
    press(app, "N")
    first, steps = set(document.selection), len(document.history)
    window = window_of(app)
    for again in (False, True, True, True):
        no_modifier = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(window, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Q, no_modifier, "q", again))
    assert len(document.history) == steps + 1
    assert set(document.table.ids[np.array(annotations(app)) != ""]) == first


def test_without_a_selection_or_clusters_the_status_bar_says_what_to_do(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.actions import annotate

    annotate.do(app.workspace, app.context.shortcuts, "class_1")
    assert "Open a micrograph" in app.viewer.status
    app.show(micrograph)
    press(app, "Q")
    assert "no clusters yet" in app.viewer.status
    document = counted(app, micrograph)
    document.select([])
    press(app, "Q")
    assert "Select clusters first" in app.viewer.status and annotations(app) == [""] * 8
    document.select([0])
    press(app, "6")
    assert "there is no class 6" in app.viewer.status and annotations(app) == [""] * 8


def test_keys_work_on_the_image_too_where_napari_has_no_use_of_its_own(
    preferences: Any, app: Any, micrograph: Any
) -> None:
    document = counted(app, micrograph)
    image = app.workspace.image
    app.viewer.layers.selection.active = image
    before = image.contrast_limits
    document.select([0])
    press(app, "W")
    assert annotations(app)[0] == "Pt30"
    press(app, "Ctrl+Z")
    assert annotations(app)[0] == ""
    press(app, "Ctrl+Shift+Z")
    assert annotations(app)[0] == "Pt30"
    # C belongs to napari on images: given to a label it works on the clusters alone
    preferences.clear = "C"
    app.qtbot.waitUntil(lambda: app.context.shortcuts.keys["clear"] == "C", timeout=3000)
    press(app, "C")
    assert annotations(app)[0] == "Pt30" and image.contrast_limits is not None and before is not None
    app.viewer.layers.selection.active = app.points
    press(app, "C")
    assert annotations(app)[0] == ""


def test_layers_that_are_not_ours_keep_their_keys(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    document.select([0])
    app.viewer.add_points(np.array([[1.0, 1.0]]))
    press(app, "Q")
    assert annotations(app)[0] == "" and not app.viewer.layers[-1].keymap


# ---------------------------------------------------------------------- preferences


@pytest.fixture
def preferences(npe2pm: Any, plugin_settings: Any, repository: Path) -> Any:
    """The page of keys in napari's Preferences."""
    from napari.settings import get_plugin_settings
    from npe2 import PluginManifest

    if "napari-atomicity" not in npe2pm:
        npe2pm.register(PluginManifest.from_file(repository / "napari.yaml"))
    return get_plugin_settings("napari-atomicity").keys


def test_keys_of_the_preferences_are_in_force_at_once(preferences: Any, app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    assert {name: getattr(preferences, name) for name in BY_NAME} == {s.name: s.key for s in SHORTCUTS}
    panel = app.panel("Review")
    preferences.class_1 = "J"
    app.qtbot.waitUntil(lambda: app.context.shortcuts.keys["class_1"] == "J", timeout=3000)
    document.select([1])
    press(app, "Q")
    assert annotations(app)[1] == "", "the old key does nothing any more"
    press(app, "J")
    assert annotations(app)[1] == "Pt19"
    app.qtbot.waitUntil(lambda: "(J)" in panel.label_buttons["Pt19"].toolTip(), timeout=3000)


def test_a_bad_or_doubled_key_gets_one_sentence_and_the_default_stays(
    preferences: Any, app: Any, micrograph: Any
) -> None:
    counted(app, micrograph)
    preferences.class_2 = "nonsense"
    app.qtbot.waitUntil(lambda: bool(app.notes), timeout=3000)
    assert "'nonsense' is no key" in app.notes[-1] and app.context.shortcuts.keys["class_2"] == "W"
    preferences.class_2 = "E"
    app.qtbot.waitUntil(lambda: len(app.notes) == 2, timeout=3000)
    assert "E is taken" in app.notes[-1] and app.context.shortcuts.keys["class_2"] == "W"
    app.context.shortcuts.follow()
    assert len(app.notes) == 2, "said once"


def test_the_manifest_offers_every_key_with_its_default(repository: Path) -> None:
    from npe2 import PluginManifest

    contributions = PluginManifest.from_file(repository / "napari.yaml").contributions
    offered = {name: one.default for name, one in contributions.configurations["keys"].properties.items()}
    assert offered == {shortcut.name: shortcut.key for shortcut in SHORTCUTS}


def test_napari_has_no_use_of_its_own_for_the_keys_as_they_come() -> None:
    from napari.utils.shortcuts import default_shortcuts

    taken = {
        str(key)
        for name, keys in default_shortcuts.items()
        for key in keys
        if any(word in name for word in ("points", "select_all", "select_append", "image", "contrast", "plane", "dims"))
    }
    assert {str(read_key(shortcut.key)) for shortcut in SHORTCUTS}.isdisjoint(taken | {"V", "Shift+V", "Space"})


@given(st.dictionaries(st.sampled_from(list(BY_NAME)), st.sampled_from(["Q", "w", "E", "N", "X", "Ctrl+Z", "", "?!"])))
def test_whatever_is_wished_every_key_is_there_once(wanted: dict[str, str]) -> None:
    keys, problems = chosen_keys(wanted)
    assert set(keys) == set(BY_NAME) and len(set(keys.values())) == len(keys)
    for name, text in wanted.items():
        met = text and keys[name] == text.upper().replace("CTRL", "Ctrl")
        assert met or (keys[name] == BY_NAME[name].key and problems)


def test_the_page_of_keys_is_made_from_the_table(repository: Path, tmp_path: Path) -> None:
    made = tmp_path / "keys.md"
    subprocess.run([sys.executable, repository / "docs" / "make_keys.py", made], check=True)
    again = "run python docs/make_keys.py"
    assert made.read_text("utf-8") == (repository / "docs" / "keys.md").read_text("utf-8"), again


def test_the_table_of_keys_can_be_shown_and_hidden(app: Any, micrograph: Any) -> None:
    counted(app, micrograph)
    press(app, "K")
    dock = app.context.shortcuts.table_dock()
    assert dock.isVisible()
    text = app.panel("Keys").table.text().replace("&nbsp;", " ")
    assert "Label as Pt70" in text and "tenth" not in text and "Ctrl+Shift+Z" in text
    press(app, "K")
    assert not dock.isVisible()
    press(app, "K")
    assert app.context.shortcuts.table_dock().isVisible()


def test_a_table_of_keys_that_was_taken_off_the_window_opens_anew(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.actions import annotate

    counted(app, micrograph)
    annotate.show_keys(app.workspace, app.context.shortcuts)
    app.viewer.window.remove_dock_widget(app.context.shortcuts.table_dock())
    app.settle()
    press(app, BY_NAME["keys"].key)
    assert app.context.shortcuts.table_dock().isVisible()


def test_undo_and_redo_by_key_work_where_no_cluster_is_left(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    document.edit("Delete all", document.table.drop(document.table.ids), [])
    app.idle()
    press(app, "Ctrl+Z")
    assert len(document.table) == 8
    document.go_to(0)
    app.idle()
    assert not len(document.table)
    press(app, "Ctrl+Shift+Z")
    assert document.history == ["Count"] and len(document.table) == 8


def test_the_table_of_keys_covers_neither_the_menus_nor_the_middle_of_the_image(app: Any, micrograph: Any) -> None:
    counted(app, micrograph)
    press(app, "K")
    window, dock = window_of(app), app.context.shortcuts.table_dock()
    app.qtbot.waitUntil(dock.isVisible, timeout=5000)
    canvas = window.centralWidget()
    middle = canvas.mapToGlobal(canvas.rect().center())
    menus = window.menuBar()
    assert not dock.frameGeometry().contains(middle)
    assert dock.geometry().top() > menus.mapToGlobal(menus.rect().bottomLeft()).y()
