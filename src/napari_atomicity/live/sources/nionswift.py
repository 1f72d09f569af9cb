"""Scans of an instrument that Nion Swift's instrumentation kit drives, as they finish.

The only place that imports that kit, which is an extra under a licence of its own (GPL-3). An instrument lives in the
process that registered it, so this runs within Nion Swift, or in a process that sets up the instrument itself.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.text import clean
from napari_atomicity.io.units import pixel_calibration
from napari_atomicity.live.quality import shift_px
from napari_atomicity.live.sources.arrival import Arrival
from napari_atomicity.micrograph import FloatImage, Micrograph

_EXTRA: Final = "pip install napari-atomicity[nionswift]"
#: scans that may wait; of more, scanning goes faster than counting, and the oldest ones go
_WAITING: Final = 32
#: a scan of the same place as the one before moves by less than this part of the field
_SAME_PLACE: Final = 0.5
_WANTED: Final = ("haadf", "adf")
_SOON_S: Final = 0.2
#: the kit gives a scan ten seconds to finish and raises then; what raises sooner is a fault of the instrument
_KIT_WAITS_S: Final = 5.0
#: the longest scan that is waited for where scanning is to end
_ENDS_WITHIN_S: Final = 120.0
#: the thread that scans with a device, or did
_SCANNING: Final[WeakKeyDictionary[Any, threading.Thread]] = WeakKeyDictionary()


class SwiftScans:
    """Scans of a microscope as they finish, each place once.

    Parameters
    ----------
    hardware_source
        Of Nion Swift's kit; see `scan_device`.
    every_scan
        Give scans of a place that was seen just before, too.

    Raises
    ------
    InputError
        Where no scan can be started.
    """

    def __init__(self, hardware_source: Any, every_scan: bool = False) -> None:
        self.ended = False
        self._every_scan = every_scan
        self._queue: deque[Arrival] = deque()
        self._remarks: list[str] = []
        self._lock = threading.Lock()
        self._before: FloatImage | None = None
        self._number = 0
        self._said_dropped = False
        self._hardware_source = hardware_source
        self._task: Any = None
        self._gives_back = False
        before = _SCANNING.get(hardware_source)
        if before is None or not before.is_alive():
            before = None
            self._start()
        self._thread = threading.Thread(target=self._scan, args=(before,), name="scans of Nion Swift", daemon=True)
        _SCANNING[hardware_source] = self._thread
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Scans that were not taken yet."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether all that came is taken."""
        return not self._queue

    def take(self) -> Arrival | None:
        """The scan that has waited longest; None where none does."""
        with self._lock:
            return self._queue.popleft() if self._queue else None

    def refused(self, arrival: Arrival, why: str) -> bool:
        """A scan that cannot be counted now cannot later.

        Parameters
        ----------
        arrival, why
            As in `FrameSource`.
        """
        return True

    def again(self, arrival: Arrival) -> None:
        """Give a scan again.

        Parameters
        ----------
        arrival
            The scan.
        """
        time.sleep(_SOON_S)
        with self._lock:
            self._queue.appendleft(arrival)

    def remarks(self) -> list[str]:
        """Sentences since they were asked for last."""
        with self._lock:
            sentences, self._remarks = self._remarks, []
        return sentences

    def close(self) -> None:
        """Scan no more once the present scan has finished."""
        self.ended = True
        # the thread waits for a scan to finish, which may take long, and gives the microscope back then
        self._thread.join(_SOON_S)

    # ------------------------------------------------------------------ in a thread of its own

    def _start(self) -> None:
        """Scan, or join the scanning that goes on."""
        try:
            self._gives_back = not self._hardware_source.is_playing
            self._task = self._hardware_source.create_view_task(buffer_size=1)
        except Exception as error:  # whatever the driver of an instrument may raise
            raise InputError(
                f"The microscope cannot be scanned ({clean(error, 200)}); check it in Nion Swift."
            ) from error

    def _scan(self, before: threading.Thread | None) -> None:
        try:
            if before is not None:
                # scanning that is about to end must not be joined
                before.join()
                self._start()
            self._grab_all()
        except InputError as error:
            self._say(str(error))
        finally:
            self.ended = True
            self._give_back()

    def _give_back(self) -> None:
        if self._task is None:
            return
        self._task.close()
        end = time.monotonic() + _ENDS_WITHIN_S
        while self._gives_back and self._hardware_source.is_playing and time.monotonic() < end:
            time.sleep(_SOON_S)

    def _grab_all(self) -> None:
        while not self.ended:
            began = time.monotonic()
            try:
                channels = self._task.grab_next_to_finish()
            except Exception as error:
                if time.monotonic() - began > _KIT_WAITS_S:
                    self._wait_until_scanning()
                elif not self.ended:
                    raise InputError(
                        f"Scanning has ended ({clean(error, 200)}); check the microscope, and watch again."
                    ) from error
                continue
            if self.ended or not channels:
                continue
            try:
                self._take_in(micrograph_of_scan(channels, f"scan_{self._number + 1:04d}"))
            except InputError as error:
                self._say(str(error))

    def _wait_until_scanning(self) -> None:
        """Return at once where a scan only takes its time, else once scanning was begun again."""
        if not self._hardware_source.is_playing and not self.ended:
            # a person who stopped the beam had a reason; it is theirs to start it
            self._say("Scanning was stopped; start it in Nion Swift to go on.")
        while not self._hardware_source.is_playing and not self.ended:
            time.sleep(_SOON_S)

    def _take_in(self, micrograph: Micrograph) -> None:
        image = micrograph.frame(0)
        if not self._every_scan and self._before is not None and _is_same_place(image, self._before):
            return
        self._before, self._number = image, self._number + 1
        with self._lock:
            self._queue.append(Arrival(micrograph.name, time.time(), micrograph=micrograph))
            dropped = len(self._queue) > _WAITING
            if dropped:
                self._queue.popleft()
        if dropped and not self._said_dropped:
            self._said_dropped = True
            self._say("Scans come faster than they can be counted; the oldest that wait are left out.")

    def _say(self, sentence: str) -> None:
        with self._lock:
            if sentence not in self._remarks:
                self._remarks.append(sentence)


def scan_device(name: str = "") -> Any:
    """The scan device that an instrument registered.

    Parameters
    ----------
    name
        Its identifier; the only one where empty.

    Raises
    ------
    InputError
        Where the kit is not installed, or there is no such device.
    """
    try:
        from nion.utils import Registry
    except ImportError as error:
        raise InputError(f"Nion Swift's instrumentation kit is not installed; install it with  {_EXTRA}") from error
    devices = {
        str(device.hardware_source_id): device for device in Registry.get_components_by_type("scan_hardware_source")
    }
    if name in devices:
        return devices[name]
    if not devices or name:
        known = ", ".join(sorted(devices)) or "none"
        raise InputError(f"No such scan device is registered in this process (there is: {known}); run within Swift.")
    return next(iter(devices.values()))


def micrograph_of_scan(channels: Any, name: str) -> Micrograph:
    """The dark-field image among the channels of a scan.

    Parameters
    ----------
    channels
        Data with metadata, one a channel.
    name
        Of the image.

    Raises
    ------
    InputError
        Where none of them is an image.
    """
    images = [channel for channel in channels if channel is not None and getattr(channel.data, "ndim", 0) == 2]
    if not images:
        raise InputError("A scan came without an image; enable the HAADF channel.")
    titles = [str(image.metadata.get("hardware_source", {}).get("channel_name", "")) for image in images]
    ranked = [i for wanted in _WANTED for i, title in enumerate(titles) if wanted in title.casefold()]
    chosen = ranked[0] if ranked else 0
    image = images[chosen]
    y, x = ((axis.scale, axis.units) for axis in image.dimensional_calibrations)
    size = pixel_calibration(y, x, "The scan")
    return Micrograph(np.array(image.data), size.pixel_size_nm, name, warnings=size.warnings, refusal=size.refusal)


def _is_same_place(image: FloatImage, before: FloatImage) -> bool:
    shift = shift_px(image, before)
    return shift is not None and shift < _SAME_PLACE * max(image.shape)
