"""Images that are sent over the network: what is taken, what is refused, and that nobody can harm by sending."""

from __future__ import annotations

import ast
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.live import send_frame as sending
from napari_atomicity.live.sources import Arrival, Receiver
from napari_atomicity.live.sources import receiver as receiving

TOKEN = "a long enough token"


@pytest.fixture
def receiver():
    receiver = Receiver(TOKEN, port=0)
    yield receiver
    receiver.close()


def _send(receiver: Receiver, array: np.ndarray, **changes) -> str:
    named = {"pixel_size_nm": 0.05, "name": "field", "token": TOKEN, "port": receiver.port, **changes}
    return sending.send_frame(array, **named)


def _raw(receiver: Receiver, content: bytes) -> dict:
    """What the receiver answers to arbitrary bytes."""
    with socket.create_connection((receiver.host, receiver.port), 5) as connection:
        connection.sendall(content)
        return sending._answer(connection)


def _header(**changes) -> bytes:
    facts = {"token": TOKEN, "name": "a", "shape": [2, 2], "dtype": "u2", "pixel_size_nm": 0.1, "taken": 1.0}
    head = json.dumps({**facts, **changes}).encode()
    return sending.MAGIC + struct.pack(">I", len(head)) + head


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i4", "f4", ">f8", "u8", "f2", "?"])
def test_an_image_arrives_as_it_was_sent(receiver, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    assert "has arrived" in _send(receiver, array)
    arrival = receiver.take()
    assert isinstance(arrival, Arrival) and arrival.name == "field"
    assert np.array_equal(np.asarray(arrival.micrograph.data, dtype=float), array.astype(float))
    assert arrival.micrograph.pixel_size_nm == 0.05
    assert receiver.take() is None and receiver.idle


def test_images_wait_in_their_order_and_one_may_be_given_again(receiver):
    for i in range(3):
        _send(receiver, np.full((2, 2), i, dtype=np.uint16), name=f"field {i}")
    first = receiver.take()
    receiver.again(first)
    assert [receiver.take().name for _ in range(3)] == ["field 0", "field 1", "field 2"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token": "a wrong one, and long"}, "wrong token"),
        ({"pixel_size_nm": 0.0}, "nm above zero"),
        ({"pixel_size_nm": float("nan")}, "pixel_size_nm|not readable"),
        ({"name": ""}, "a name of 1 to 200"),
        ({"name": "x" * 300}, "a name of 1 to 200"),
    ],
)
def test_what_is_wrong_is_said_to_the_sender_and_to_the_person(receiver, changes, words):
    with pytest.raises(ValueError, match=words):
        _send(receiver, np.zeros((2, 2), dtype=np.uint16), **changes)
    (sentence,) = receiver.remarks()
    assert sentence.startswith("127.0.0.1: ") and TOKEN not in sentence
    assert receiver.take() is None


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 5)])
def test_only_images_are_taken(receiver, shape):
    with pytest.raises(ValueError, match="height and width"):
        _send(receiver, np.zeros(shape, dtype=np.uint16))


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        sending.MAGIC + struct.pack(">I", 2**31),
        sending.MAGIC + struct.pack(">I", 4) + b"\x80\x04K\x01",
        _header(shape=[32_000, 32_000], dtype="f8"),
        _header(shape=[10**9, 10**9]),
        _header(dtype="O"),
        _header(taken=None),
        _header(more="than is known"),
        _header(token=["a list"]),
    ],
)
def test_what_is_no_image_is_refused_before_its_pixels_are_kept(receiver, content):
    answer = _raw(receiver, content)
    assert not answer["ok"] and len(answer["message"]) < 300
    assert receiver.idle and len(receiver.remarks()) == 1


def test_half_an_image_is_said_and_the_next_one_is_taken(receiver):
    with socket.create_connection((receiver.host, receiver.port), 5) as connection:
        connection.sendall(_header(shape=[100, 100]))
        assert sending._answer(connection)["ok"]
        connection.sendall(b"some")
    _send(receiver, np.zeros((2, 2), dtype=np.uint16))
    assert receiver.take().name == "field"
    remarks: list[str] = []
    while not remarks:  # the thread of the broken connection is about to say it
        remarks = receiver.remarks()
    assert "broke off" in remarks[0]


def test_more_than_can_wait_is_refused_for_now(receiver, monkeypatch):
    monkeypatch.setattr(receiving, "_WAITING", 100)
    _send(receiver, np.zeros((6, 6), dtype=np.uint16))
    with pytest.raises(ValueError, match="again in a minute"):
        _send(receiver, np.zeros((6, 6), dtype=np.uint16))
    receiver.take()
    _send(receiver, np.zeros((6, 6), dtype=np.uint16))


def test_it_listens_on_this_computer_alone_and_a_port_is_taken_once(receiver):
    assert receiver.host == "127.0.0.1"
    with pytest.raises(InputError, match="choose another port"):
        Receiver(TOKEN, port=receiver.port)
    with pytest.raises(InputError, match="too short"):
        Receiver("abc", port=0)


def test_once_closed_nobody_is_heard():
    receiver = Receiver(TOKEN, port=0)
    receiver.close()
    with pytest.raises(OSError):
        _send(receiver, np.zeros((2, 2)))


def test_the_sender_needs_nothing_but_an_old_python_and_numpy(tmp_path, receiver):
    source = Path(sending.__file__)
    ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 4))
    alone = tmp_path / "send_frame.py"
    alone.write_bytes(source.read_bytes())
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import numpy, send_frame\n"
        "print(send_frame.send_frame(numpy.ones((4, 4)), 0.1, 'alone', sys.argv[2], port=int(sys.argv[3])))\n"
        "assert not [name for name in sys.modules if 'atomicity' in name]\n"
    )
    arguments = [sys.executable, "-I", "-c", script, str(tmp_path), TOKEN, str(receiver.port)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "alone has arrived" and receiver.take().micrograph.data.shape == (4, 4)
