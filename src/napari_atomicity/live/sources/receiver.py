"""Images that a program on the microscope computer sends: a small receiver on this computer's network.

A message is four letters, the length of a header, the header in JSON, and, once the header was found good, the raw
pixels. Nothing is unpacked but numbers; who sends has to know the token; sizes have limits that are checked before
anything is kept. It listens on this computer alone unless another address is given.
"""

from __future__ import annotations

import hmac
import json
import math
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, with_config

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import file_state
from napari_atomicity.io.names import safe_name
from napari_atomicity.io.text import clean
from napari_atomicity.kinds import STRICT, wanted
from napari_atomicity.live.pixels import save_pixels
from napari_atomicity.live.send_frame import MAGIC
from napari_atomicity.live.sources.arrival import Arrival
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.schema import Door

#: bytes of a header, of an image, and of all that wait; pixels along a side
_HEADER: Final = 16 * 1024
_IMAGE: Final = 1024 * 2**20
_WAITING: Final = 2048 * 2**20
_SIDE: Final = 32_768
#: seconds that a sender may be silent, and senders at a time
_SILENT_S: Final = 15.0
_SENDERS: Final = 8
_SOON_S: Final = 0.2


@with_config(STRICT)
@dataclass(frozen=True)
class _Header:
    """What is said of an image before its pixels."""

    token: str
    name: Annotated[str, Field(min_length=1, max_length=200), wanted("a name of 1 to 200 letters")]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=_SIDE)]],
        Field(min_length=2, max_length=2),
        wanted(f"height and width of 1 to {_SIDE} pixels"),
    ]
    dtype: Literal["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"]
    pixel_size_nm: Annotated[float, Field(gt=0, le=1e6), wanted("a number of nm above zero")]
    taken: float

    @property
    def bytes(self) -> int:
        """Of the pixels."""
        return math.prod(self.shape) * int(self.dtype[1:])


_DOOR: Final = Door(_Header)


class Receiver:
    """Listens for images, and gives them in the order in which they came.

    Parameters
    ----------
    token
        That a sender has to know.
    port
        Where to listen; 0 for any that is free.
    host
        Address to listen on: that of this computer alone unless another is given.
    folder
        Where each image is written before its sender hears that it has arrived; only kept in memory where None.

    Raises
    ------
    InputError
        Where that port cannot be had.
    """

    def __init__(self, token: str, port: int = 5757, host: str = "127.0.0.1", folder: Path | None = None) -> None:
        if len(token) < 8:
            raise InputError("The token is too short; give one of at least 8 letters.")
        self.ended = False
        self._folder = folder
        self._token = token.encode("utf-8")
        self._queue: deque[Arrival] = deque()
        self._bytes = 0
        self._remarks: list[str] = []
        self._lock = threading.Lock()
        self._senders = threading.BoundedSemaphore(_SENDERS)
        try:
            self._socket = socket.create_server((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"Nothing can be received at {host}, port {port} ({reason}); choose another port."
            ) from error
        self._socket.settimeout(_SOON_S)
        self.host, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._listen, name="receiver of images", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Images that were not taken yet."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Whether all that came is taken."""
        return not self._queue

    def take(self) -> Arrival | None:
        """The image that has waited longest; None where none does."""
        with self._lock:
            if not self._queue:
                return None
            arrival = self._queue.popleft()
            self._bytes -= _size(arrival)
            return arrival

    def refused(self, arrival: Arrival, why: str) -> bool:
        """An image that cannot be counted now cannot later.

        Parameters
        ----------
        arrival, why
            As in `FrameSource`.
        """
        return True

    def again(self, arrival: Arrival) -> None:
        """Give an image again.

        Parameters
        ----------
        arrival
            The image.
        """
        time.sleep(_SOON_S)  # the disk that was full is so a moment later
        with self._lock:
            self._queue.appendleft(arrival)
            self._bytes += _size(arrival)

    def remarks(self) -> list[str]:
        """Sentences since they were asked for last."""
        with self._lock:
            sentences, self._remarks = self._remarks, []
        return sentences

    def close(self) -> None:
        """Listen no more."""
        self.ended = True
        self._socket.close()
        self._thread.join(2 * _SOON_S)

    # ------------------------------------------------------------------ in threads of its own

    def _listen(self) -> None:
        while not self.ended:
            try:
                connection, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if not self._senders.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._hear, args=(connection, str(address[0])), daemon=True).start()

    def _hear(self, connection: socket.socket, address: str) -> None:
        try:
            with connection:
                connection.settimeout(_SILENT_S)
                try:
                    message = self._receive(connection)
                except InputError as error:
                    self._say(f"{clean(address, 60)}: {error}")
                    _reply(connection, False, str(error))
                else:
                    _reply(connection, True, message)
        except (OSError, struct.error):
            self._say(f"{clean(address, 60)} broke off in the middle of an image; it has to be sent again.")
        finally:
            self._senders.release()

    def _receive(self, connection: socket.socket) -> str:
        header = self._header(connection)
        if self._bytes + header.bytes > _WAITING:
            raise InputError("Too many images wait to be counted; send this one again in a minute.")
        _reply(connection, True, "send the pixels")
        pixels = bytearray(header.bytes)
        _into(connection, pixels)
        data = np.frombuffer(pixels, dtype=np.dtype(f"<{header.dtype}")).reshape(header.shape)
        name = clean(header.name, 200)
        micrograph = Micrograph(data.astype(data.dtype.newbyteorder("=")), header.pixel_size_nm, name=name)
        taken = header.taken if math.isfinite(header.taken) else time.time()
        arrival = Arrival(name, taken, micrograph=micrograph)
        if self._folder is not None:
            path = save_pixels(micrograph, self._folder, safe_name(name), taken)
            arrival = Arrival(name, taken, path, file_state(path))
        with self._lock:
            self._queue.append(arrival)
            self._bytes += _size(arrival)
        return f"{name} has arrived"

    def _header(self, connection: socket.socket) -> _Header:
        start = bytearray(len(MAGIC) + 4)
        _into(connection, start)
        if start[: len(MAGIC)] != MAGIC:
            raise InputError("What was sent is no image from send_frame.py; use the file that comes with this version.")
        (length,) = struct.unpack(">I", start[len(MAGIC) :])
        if not 2 <= length <= _HEADER:
            raise InputError(f"The header of an image claims {length} bytes; send it with send_frame.py.")
        content = bytearray(length)
        _into(connection, content)
        header = _DOOR.check(_without_token(bytes(content), self._token), "The header of the image")
        if header.bytes > _IMAGE:
            raise InputError(
                f"{clean(header.name, 60)} has {header.bytes / 2**20:.0f} MB, more than {_IMAGE // 2**20}; send it in "
                "parts, or with fewer bytes a pixel."
            )
        return header

    def _say(self, sentence: str) -> None:
        with self._lock:
            if len(self._remarks) < 100:  # who sends nonsense all the time must not fill the memory
                self._remarks.append(sentence)


def _without_token(content: bytes, token: bytes) -> bytes:
    """The header once its token was found right, which is looked at first and never repeated in a sentence."""
    try:
        parsed: Any = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    given = parsed.get("token") if isinstance(parsed, dict) else None
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), token):
        raise InputError("An image came with a wrong token; give send_frame.py the one that was shown at the start.")
    return json.dumps({**parsed, "token": ""}).encode()


def _into(connection: socket.socket, buffer: bytearray) -> None:
    """Fill `buffer` with what comes."""
    view = memoryview(buffer)
    while view:
        n = connection.recv_into(view, min(len(view), 2**20))
        if not n:
            raise OSError("closed")
        view = view[n:]


def _reply(connection: socket.socket, ok: bool, message: str) -> None:
    answer = json.dumps({"ok": ok, "message": message}).encode()
    connection.sendall(struct.pack(">I", len(answer)) + answer)


def _size(arrival: Arrival) -> int:
    return 0 if arrival.micrograph is None else int(arrival.micrograph.data.nbytes)
