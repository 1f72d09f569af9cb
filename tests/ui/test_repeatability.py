"""Repeated frames in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.chain import analyse
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.repeats import simulate_repeats
from seeds import seeded


@pytest.fixture(scope="module")
def counted(model_path: Path) -> Any:
    """A stack of three repeats, counted."""
    spec = sample_spec("nominal", None, 30, shape=(400, 400), seed=seeded(3))
    repeats = simulate_repeats(spec, 3, seeded(3), gain_sd=0.03)
    micrograph = Micrograph(repeats.images, repeats.pixel_size_nm, name="repeats")
    return analyse(micrograph, Settings(model=str(model_path), adapt="off"))


@pytest.mark.slow
def test_a_stack_is_compared_and_said_to_be_stale_once_its_clusters_change(app: Any, counted: Any) -> None:
    panel = app.panel("Repeatability")
    assert not panel.run.isEnabled() and "Open a stack" in panel.remarks.text()
    app.lay_out(counted.micrograph, counted)
    app.click(panel.run)
    assert "repeats within" in panel.finding.text() and "kappa" in panel.numbers.text()
    found = panel.result.precision
    assert found.clusters > 10 and np.isfinite(found.intensity.value)
    assert panel.by_frame.isVisible() and panel.by_cluster.isVisible()
    assert "changed since" not in panel.remarks.text()
    app.document.annotate([0], "Pt19")
    app.settle()
    assert "changed since" in panel.remarks.text()
    app.click(panel.run)
    assert "changed since" not in panel.remarks.text()


@pytest.mark.slow
def test_what_repeats_said_outlives_the_panel_and_stands_in_the_report(app: Any, counted: Any, tmp_path: Any) -> None:
    panel = app.panel("Repeatability")
    app.lay_out(counted.micrograph, counted)
    app.click(panel.run)
    said = panel.finding.text()
    app.viewer.window.remove_dock_widget(panel.parentWidget())
    assert app.panel("Repeatability").finding.text() == said
    for name, stands in (("then.html", True), ("now.html", False)):
        app.export.write_report(tmp_path / name)
        app.idle()
        assert ("Precision of repeated frames" in (tmp_path / name).read_text(encoding="utf-8")) is stands
        app.document.annotate([0], "Pt19")
        app.settle()


def test_one_frame_is_refused_in_a_sentence(app: Any, micrograph: Any, counted_once: Any) -> None:
    app.lay_out(micrograph, counted_once)
    panel = app.panel("Repeatability")
    app.click(panel.run)
    assert "is one frame" in app.notes[-1] and panel.result is None
