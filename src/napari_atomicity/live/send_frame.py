"""Send images from a microscope computer to napari-atomicity. Copy this one file there.

It needs Python 3.4 or later and numpy, nothing else; docs/microscope.md has recipes. On the computer that counts:

    napari-atomicity watch --listen 5757

which shows the token. On the microscope computer, from a script:

    from send_frame import send_frame
    send_frame(array, pixel_size_nm=0.04, name="field_001", token="...", host="192.168.0.10")
"""

import json
import socket
import struct
import time

import numpy

MAGIC = b"NAF1"
_KINDS = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")


def send_frame(array, pixel_size_nm, name, token, host="127.0.0.1", port=5757, timeout_s=30.0):
    # type: (numpy.ndarray, float, str, str, str, int, float) -> str
    """Send one image, and wait until it has arrived.

    Parameters
    ----------
    array
        Counts, (y, x).
    pixel_size_nm
        Side of a pixel in nm.
    name
        Of the image; each needs one of its own.
    token
        That the receiver showed when it started.
    host, port
        Of the receiver.
    timeout_s
        Seconds after which it is given up.

    Returns
    -------
    What the receiver says.

    Raises
    ------
    ValueError
        Where the receiver does not take it; the text says why.
    OSError
        Where there is no receiver, or the network fails.
    """
    array = numpy.ascontiguousarray(array)
    if array.dtype.kind == "b":
        array = array.astype("u1")
    kind = array.dtype.kind + str(array.dtype.itemsize)
    if kind not in _KINDS:
        array = array.astype("f4")
        kind = "f4"
    array = array.astype("<" + kind)
    header = {
        "token": token,
        "name": str(name),
        "shape": list(array.shape),
        "dtype": kind,
        "pixel_size_nm": float(pixel_size_nm),
        "taken": time.time(),
    }
    head = json.dumps(header).encode("utf-8")
    connection = socket.create_connection((host, port), timeout_s)
    try:
        connection.sendall(MAGIC + struct.pack(">I", len(head)) + head)
        # the receiver looks at the header before it wants the pixels
        answer = _answer(connection)
        if answer.get("ok"):
            connection.sendall(array.tobytes())
            answer = _answer(connection)
    finally:
        connection.close()
    if not answer.get("ok"):
        raise ValueError(str(answer.get("message", "the receiver gave no reason")))
    return str(answer.get("message", ""))


def _answer(connection):
    # type: (socket.socket) -> dict[str, object]
    (length,) = struct.unpack(">I", _exactly(connection, 4))
    return dict(json.loads(_exactly(connection, min(length, 65536)).decode("utf-8")))


def _exactly(connection, n):
    # type: (socket.socket, int) -> bytes
    parts = []
    while n > 0:
        part = connection.recv(min(n, 65536))
        if not part:
            raise OSError("the receiver closed the connection")
        parts.append(part)
        n -= len(part)
    return b"".join(parts)
