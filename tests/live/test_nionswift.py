"""Scans of a simulated microscope, through the instrumentation kit of Nion Swift itself."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.live.sources import nionswift
from napari_atomicity.live.sources.nionswift import SwiftScans, micrograph_of_scan, scan_device
from napari_atomicity.micrograph import Micrograph

pytest.importorskip("nion.usim_device.DeviceConfiguration")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The scan device of the simulated microscope, quick and small."""
    from nion.instrumentation import HardwareSource, scan_base
    from nion.usim_device import DeviceConfiguration

    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("swift"))  # it writes its settings to the present folder
    microscope = DeviceConfiguration.AcquisitionContextConfiguration()
    HardwareSource.run()
    scan_base.run(Path(microscope.configuration_location))
    microscope.run()
    device = scan_device()
    parameters = device.get_frame_parameters(0)
    parameters.pixel_size, parameters.fov_nm, parameters.pixel_time_us = (128, 128), 20.0, 0.5
    device.set_current_frame_parameters(parameters)
    device.set_frame_parameters(0, parameters)
    yield device
    microscope.stop()
    for camera in (microscope.ronchigram_camera_device, microscope.eels_camera_device):
        camera.close()  # a thread of each would keep the process alive
    scan_base.stop()
    HardwareSource.HardwareSourceManager().close()
    HardwareSource.stop()
    os.chdir(before)


def _next(scans: SwiftScans) -> Any:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (arrival := scans.take()) is not None:
            return arrival
        time.sleep(0.01)
    raise AssertionError("no scan came")


def test_scans_come_as_they_finish_with_their_pixel_size(device):
    scans = SwiftScans(device, every_scan=True)
    first, second = _next(scans), _next(scans)
    scans.close()
    assert first.name == "scan_0001" and second.name == "scan_0002"
    assert first.micrograph.data.shape == (128, 128)
    assert first.micrograph.pixel_size_nm == pytest.approx(20 / 128)
    scans._thread.join(10)
    device.stop_playing(sync_timeout=10)
    assert scans.ended and not scans._thread.is_alive() and not device.is_playing
    assert not np.array_equal(first.micrograph.data, second.micrograph.data)
    # it can be scanned again
    again = SwiftScans(device, every_scan=True)
    assert _next(again).name == "scan_0001"
    again.close()
    again._thread.join(10)


def test_a_device_by_its_name_and_one_that_is_not_there(device):
    assert scan_device("usim_scan_device") is device
    with pytest.raises(InputError, match="usim_scan_device"):
        scan_device("another")


def test_a_place_is_taken_once(device):
    scans = SwiftScans(device)
    image = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    taken = len(scans._queue)
    scans._before = None
    for shown in (image, image + 0.1, np.roll(image, 5, axis=0), image[::-1]):
        scans._take_in(Micrograph(shown, 0.1))
    scans.close()
    assert len(scans._queue) - taken >= 2


def test_scans_are_put_into_the_folder_that_another_process_watches(device, tmp_path):
    from napari_atomicity.io import read
    from napari_atomicity.live.feed import feed_of
    from napari_atomicity.live.order import IMAGES, Order
    from napari_atomicity.pipeline import Settings

    order = Order(tmp_path / "out", Settings(), source="scans")
    end = time.monotonic() + 30
    with feed_of(order) as feed:
        while not list((tmp_path / "out" / IMAGES).glob("*.tif")):
            assert time.monotonic() < end and feed.turn() == []
            time.sleep(0.01)
    (path,) = (tmp_path / "out" / IMAGES).iterdir()
    assert path.name == "scan_0001.tif" and read(path).pixel_size_nm == pytest.approx(20 / 128, rel=1e-5)


class _Broken:
    """A driver that fails, as that of an instrument may at any time."""

    is_playing = False

    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once

    def create_view_task(self, **_: Any) -> Any:
        if self._at_once:
            raise RuntimeError("no beam")
        return self

    def grab_next_to_finish(self) -> Any:
        raise RuntimeError("vacuum\nlost")

    def close(self) -> None:
        pass


def test_an_instrument_that_fails_is_one_sentence():
    with pytest.raises(InputError, match="no beam"):
        SwiftScans(_Broken(at_once=True))
    scans = SwiftScans(_Broken(at_once=False))
    scans._thread.join(5)
    assert scans.ended and scans.remarks() == [
        "Scanning has ended (vacuum lost); check the microscope, and watch again."
    ]
    scans.close()


class _Patient:
    """A device of which the kit gives up waiting for a scan; it plays as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_playing = True
        self.calls = 0
        monkeypatch.setattr(nionswift, "_KIT_WAITS_S", -1.0)
        monkeypatch.setattr(nionswift, "micrograph_of_scan", lambda _, name: Micrograph(np.eye(8), 0.1, name))

    def create_view_task(self, **_: Any) -> Any:
        return self

    def grab_next_to_finish(self) -> Any:
        self.calls += 1
        if self.calls in (1, 3) or self.calls > 4:
            time.sleep(0.01)
            self.is_playing = self.calls == 1
            raise Exception("Could not grab latest.")
        return ["a scan"]

    def close(self) -> None:
        pass


def test_a_slow_scan_is_waited_for_and_one_that_was_stopped_is_the_persons_to_start(monkeypatch):
    device = _Patient(monkeypatch)
    scans = SwiftScans(device, every_scan=True)
    assert _next(scans).name == "scan_0001" and not scans.ended, "a scan that takes longer than the kit waits"
    while not (said := scans.remarks()):
        time.sleep(0.01)
    assert said == ["Scanning was stopped; start it in Nion Swift to go on."]
    device.is_playing = True
    assert _next(scans).name == "scan_0002"
    scans.close()
    scans._thread.join(5)
    assert not scans._thread.is_alive()


def test_scanning_is_started_anew_where_the_one_before_is_about_to_end(device):
    """Joined, it would end with the other one, and nobody would scan."""
    for _ in range(4):
        scans = SwiftScans(device, every_scan=True)
        first, second = _next(scans), _next(scans)
        assert (first.name, second.name) == ("scan_0001", "scan_0002")
        scans.ended = True  # as `close` says, without waiting
    scans._thread.join(10)
    assert not device.is_playing


def test_each_remark_is_told_once_whatever_image_it_is_about():
    class Source:
        def __init__(self) -> None:
            self.said = [["Slow."], ["a: Too small.", "Slow."], ["Stopped.", "b: Too small."]]

        def remarks(self) -> list[str]:
            return self.said.pop(0)

        def take(self) -> None:
            return None

    from napari_atomicity.live.feed import Feed

    feed = Feed(Source(), None)
    assert [feed.turn() for _ in range(3)] == [["Slow."], ["a: Too small."], ["Stopped."]]


def test_of_several_channels_the_dark_field_is_taken(device):
    from nion.data import Calibration, DataAndMetadata

    def channel(title: str, value: float, units: str = "nm") -> Any:
        axes = [Calibration.Calibration(0.0, 0.05, units)] * 2
        metadata = {"hardware_source": {"channel_name": title}}
        return DataAndMetadata.new_data_and_metadata(
            np.full((4, 4), value), dimensional_calibrations=axes, metadata=metadata
        )

    taken = micrograph_of_scan([channel("BF", 1.0), None, channel("MAADF", 3.0), channel("HAADF", 2.0)], "a")
    assert taken.data[0, 0] == 2.0 and taken.pixel_size_nm == pytest.approx(0.05)
    assert micrograph_of_scan([channel("x", 1.0, "rad")], "a").pixel_size_nm is None
    with pytest.raises(InputError, match="enable the HAADF"):
        micrograph_of_scan([None], "a")


def test_without_the_kit_the_extra_is_named(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("nion"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="napari-atomicity\\[nionswift\\]"):
        scan_device()
    assert nionswift._EXTRA
