"""Changes to sessions and models: to one part, with all hashes made right again, or to the parcel as a whole."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from tools.fuzz import odd
from tools.fuzz.formats.bombs import zeros_deflated
from tools.fuzz.kinds import Files, first, with_first
from tools.fuzz.trees import changed, spoiled

_CONTENTS = "session.json"


def parts_of(content: bytes) -> dict[str, bytes]:
    """The parts of a session."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def packed(parts: dict[str, bytes]) -> bytes:
    """A session of these parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in parts.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 11, 25, 12, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def contents(rng: Random, files: Files) -> Files:
    """The table of contents, changed."""
    parts = parts_of(first(files)[1])
    tree = json.loads(parts[_CONTENTS])
    if rng.random() < 0.5:  # where most of the meaning lies, and little of the bulk
        key = rng.choice(list(tree))
        tree[key] = changed(rng, tree[key]) if isinstance(tree[key], dict | list) else odd.value(rng)
        parts[_CONTENTS] = odd.spelled_out(json.dumps(tree), rng).encode("utf-8", "surrogatepass")
    else:
        parts[_CONTENTS] = spoiled(rng, tree, rng.choice((1, 1, 2, 5))).encode("utf-8", "surrogatepass")
    return with_first(files, packed(parts))


def aimed(rng: Random, files: Files) -> Files:
    """One entry of the table of contents that a session turns on: paths, sizes, references, counts."""
    parts = parts_of(first(files)[1])
    tree = json.loads(parts[_CONTENTS])
    what = rng.randrange(8)
    images, pixels = tree.get("images", [{}]), list(tree.get("pixels", {}).values())
    if what == 0 and pixels:
        file = rng.choice(pixels).get("file")
        if isinstance(file, dict):
            places = (
                "pipe",
                "/etc/passwd",
                "/dev/zero",
                "..",
                "\x00",
                "secret.bin",
                "piece.tif",
                "/proc/self/mem",
                "\\\\host\\x",
            )
            file[rng.choice(("path", "relative", "sample", "image"))] = rng.choice((*places, odd.value(rng)))
    elif what == 1 and pixels:
        rng.choice(pixels)[rng.choice(("shape", "dtype", "stored", "first_frame_sha256"))] = rng.choice(
            ([10**9, 10**9], [], [0, 0], "evidence/" + "0" * 20 + ".npy", None, odd.value(rng))
        )
    elif what == 2:
        history = images[0].get("history", [])
        images[0]["history"] = rng.choice((history * 2000, [], history[:1] * 50_000, {}, None))
    elif what == 3:
        images[0]["now"] = odd.value(rng)
    elif what == 4:
        kind = rng.choice(("tables", "states", "evidence", "models", "counts"))
        entries = tree.get(kind, {})
        if entries:
            key = rng.choice(list(entries))
            for name in ("based_on", "shipped", "classified", "table", "rows"):
                if name in entries[key] and rng.random() < 0.7:
                    entries[key][name] = rng.choice((key, None, rng.choice(list(entries)), odd.value(rng)))
    elif what == 5:
        tables = tree.get("tables", {})
        for key in list(tables)[:1]:  # a chain of tables, each based on the one before
            for k in range(rng.choice((100, 5000))):
                tables[f"chain{k}"] = {**tables[key], "based_on": f"chain{k + 1}", "rows": None}
            tree["states"][next(iter(tree["states"]))]["table"] = "chain0"
    elif what == 6:
        tree[rng.choice(("format", "kind", "in_hand", "images", "view", "software"))] = odd.value(rng)
    else:
        tree["images"] = images * rng.choice((2, 3000))
    parts[_CONTENTS] = odd.spelled_out(json.dumps(tree), rng).encode("utf-8", "surrogatepass")
    return with_first(files, packed(parts))


def part(rng: Random, files: Files) -> Files:
    """One part, changed, under the name that goes with its new content."""
    parts = parts_of(first(files)[1])
    names = [name for name in parts if re.fullmatch(r"[a-z]+/[0-9a-f]{20}\.\w+", name)]
    if not names:
        return contents(rng, files)
    by_kind: dict[str, list[str]] = {}
    for name in names:
        by_kind.setdefault(name.split("/")[0], []).append(name)
    name = rng.choice(by_kind[rng.choice(list(by_kind))])
    return with_first(files, packed(_renamed(parts, name, _changed_part(rng, name, parts[name]))))


def _renamed(parts: dict[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    folder, old = name.split("/")
    new = f"{folder}/{hashlib.sha256(content).hexdigest()[:20]}.{old.split('.')[1]}"
    kept = {key: value for key, value in parts.items() if key != name}
    kept[_CONTENTS] = parts[_CONTENTS].replace(name.encode(), new.encode())
    return kept | {new: content}


def _changed_part(rng: Random, name: str, content: bytes) -> bytes:
    from tools.fuzz.mutations import steps_for

    suffix = name.rsplit(".", 1)[1]
    if suffix == "json" and rng.random() < 0.8:
        return spoiled(rng, json.loads(content), rng.choice((1, 2))).encode("utf-8", "surrogatepass")
    if suffix == "npy" and rng.random() < 0.8:
        return npy(rng, content)
    if suffix == "csv" and rng.random() < 0.8:
        from tools.fuzz.tables import hostile

        return hostile(rng, {"a": content})["a"]
    if suffix == "safetensors" and rng.random() < 0.8:
        return tensors(rng, content)
    files: Files = {"a": content}
    for step in steps_for(rng, files, (), (), text=suffix in ("csv", "json")):
        files = step.change(rng, files)
    return files["a"]


def npy(rng: Random, content: bytes) -> bytes:
    """An array of another shape or kind, or one whose header claims what is not there."""
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if rng.random() < 0.5:
        odd_ones = (
            array.astype("S3"), array.astype("c8"), array[:1], array[..., None], array.ravel(),
            np.zeros((0, *array.shape[1:])),
            np.full(array.shape, np.nan), np.full(array.shape, np.inf), np.full(array.shape, -1e300),
            array.T, array.astype(">f8"),
            array.astype("M8[s]") if array.dtype.kind in "iu" else array, np.zeros(3, "i4,f4"),
        )  # fmt: skip
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, rng.choice(odd_ones), allow_pickle=False)
        return buffer.getvalue()
    shape = rng.choice(((10**10,), (60_000, 60_000), (-1,), (2**62, 2), (0, 10**9), (1,) * 40, (3.5,)))
    descr = rng.choice((array.dtype.str, "|O", "<f8", "<U100000000", "[('a', '<f8')]", "|V0"))
    head = f"{{'descr': {descr!r}, 'fortran_order': {rng.random() < 0.3}, 'shape': {shape}, }}"
    head = rng.choice(
        (head, head, head, "{" * 3000, "[" * 50_000, head + " " * 10**6, "9" * 20_000, "x.__class__", "{}")
    )
    version = rng.choice(((b"\x01\x00", "<H"), (b"\x02\x00", "<I"), (b"\x03\x00", "<I")))
    length = len(head) if rng.random() < 0.8 else odd.whole(rng)
    packed_length = (length % 2 ** (8 * struct.calcsize(version[1]))).to_bytes(struct.calcsize(version[1]), "little")
    return b"\x93NUMPY" + version[0] + packed_length + head.encode() + rng.randbytes(64)


def tensors(rng: Random, content: bytes) -> bytes:
    """Weights whose table of tensors, or whose numbers, are changed."""
    (length,) = struct.unpack_from("<Q", content)
    head, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    if rng.random() < 0.4:  # numbers: not finite, vast, zero
        found = bytearray(body)
        for _ in range(rng.choice((1, 5, 200))):
            at = 4 * rng.randrange(max(1, len(found) // 4))
            found[at : at + 4] = struct.pack("<f", odd.real32(rng))
        return content[: 8 + length] + bytes(found[: len(body)])
    if rng.random() < 0.8:
        few = [key for key in head if rng.random() < 0.5] or list(head)
        key = rng.choice(few)
        what = rng.randrange(5)
        if what == 0:
            head[odd.name(rng)[:1000].encode("utf-8", "replace").decode()] = head.pop(key)
        elif what == 1:
            del head[key]
        elif what == 2:
            head[key] = odd.value(rng)
        elif what == 3 and isinstance(head[key], dict):
            head[key][rng.choice(("dtype", "shape", "data_offsets"))] = rng.choice(
                ("F64", "BOOL", "BF16", "U8", "F8_E4M3", "C64", [10**9, 10**9], [0, 2**63], [-1], odd.value(rng))
            )
        else:
            head = changed(rng, head)
    text = odd.spelled_out(json.dumps(head), rng).encode("utf-8", "surrogatepass")
    claims = len(text) if rng.random() < 0.85 else odd.whole(rng) % 2**64
    return struct.pack("<Q", claims) + text + body


def bomb(rng: Random, files: Files) -> Files:
    """A part that unpacks to far more than it is: zeros, or a table of contents of blanks."""
    parts = parts_of(first(files)[1])
    size = rng.choice((64, 700, 1500)) << 20
    names = [name for name in parts if re.fullmatch(r"[a-z]+/[0-9a-f]{20}\.\w+", name)]
    name = rng.choice((_CONTENTS, rng.choice(names)))
    return with_first(files, _with_bomb(parts, name, size, rng.random() < 0.3))


def _with_bomb(parts: dict[str, bytes], name: str, size: int, lies: bool) -> bytes:
    """A zip file with one entry that was packed by hand; `lies`: it does not say how large it is."""
    stream = zeros_deflated(size)
    kept = packed({key: value for key, value in parts.items() if key != name})
    end = kept.rfind(b"PK\x05\x06")
    count, _, at = struct.unpack_from("<HII", kept, end + 10)
    claims = 10 if lies else size
    total = _sum_of_zeros(size)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, total, len(stream), claims, len(name), 0)
    local = b"PK\x03\x04" + common + name.encode() + stream
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode()
    listed = kept[at:end] + central
    tail = struct.pack("<HHHHIIH", 0, 0, count + 1, count + 1, len(listed), at + len(local), 0)
    return kept[:at] + local + listed + b"PK\x05\x06" + tail


@lru_cache
def _sum_of_zeros(size: int) -> int:
    total, piece = 0, bytes(1 << 20)
    for _ in range(size >> 20):
        total = zlib.crc32(piece, total)
    return total


def parcel(rng: Random, files: Files) -> Files:
    """The zip file: names that lead outside, names twice, parts that are not there, packed in odd ways."""
    parts = parts_of(first(files)[1])
    what = rng.randrange(5)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in parts.items():
            if what == 0 and rng.random() < 0.2:
                continue
            info = zipfile.ZipInfo(name, (2026, 11, 25, 12, 0, 0))
            kind = (
                rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
                if what == 1
                else zipfile.ZIP_DEFLATED
            )
            file.writestr(info, content, kind)
        if what == 2:
            for name in rng.sample(
                ("../x", "/etc/x", "C:\\x", "a\x00b", "\x1b[2J", "x" * 60_000, "session.json/", ""), 2
            ):
                file.writestr(zipfile.ZipInfo(name or "y", (2026, 11, 25, 12, 0, 0)), b"x")
        if what == 3:
            for k in range(rng.choice((100, 30_000))):
                file.writestr(zipfile.ZipInfo(f"evidence/{k}", (2026, 11, 25, 12, 0, 0)), b"")
        if what == 4:
            file.comment = b"PK\x05\x06" * 100
    return with_first(files, buffer.getvalue())


# ---------------------------------------------------------------------- models


def card(rng: Random, files: Files) -> Files:
    """The card of a model, changed in the values that decide something, or anywhere."""
    name = _card_name(files)
    tree: dict[str, Any] = json.loads(files[name])
    tree |= {key: {} for key in ("metrics", "recipe", "config") if rng.random() < 0.8}
    if rng.random() < 0.6:
        words = (
            "name element lcn_window_nm temperature integral_tau outside_threshold outside_threshold_scaled sha256 "
            "channels effective_clusters diameter_nm diameter_frame_sd class_sizes patch_px patch_nm_per_px limits "
            "history licence citation version format recipe metrics"
        )
        keys = words.split()
        for _ in range(rng.choice((1, 1, 2))):
            key = rng.choice(keys)
            tree[key] = rng.choice((odd.real(rng), odd.whole(rng), odd.value(rng), odd.name(rng)))
        text = odd.spelled_out(json.dumps(tree), rng)
    else:
        text = spoiled(rng, tree, rng.choice((1, 2, 3)))
    return {**files, name: text.encode("utf-8", "surrogatepass")}


def _card_name(files: Files) -> str:
    return next(name for name in files if name.endswith(".json"))


def weights(rng: Random, files: Files) -> Files:
    """The weights, changed, and their hash in the card made right."""
    content = tensors(rng, first(files)[1])
    name = _card_name(files)
    tree = json.loads(files[name]) | {"sha256": hashlib.sha256(content).hexdigest()}
    return {**with_first(files, content), name: json.dumps(tree).encode()}


def card_as_text(rng: Random, files: Files) -> Files:
    """The bytes of the card, changed."""
    from tools.fuzz.mutations import steps_for

    name = _card_name(files)
    one: Files = {name: files[name]}
    for step in steps_for(rng, one, (), (), text=True):
        one = step.change(rng, one)
    return {**files, **one}
