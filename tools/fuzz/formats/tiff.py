"""TIFF: good ones by tifffile, crafted ones tag by tag."""

from __future__ import annotations

import io
import struct
from random import Random
from typing import Any

import numpy as np
from tools.fuzz import odd
from tools.fuzz.formats.bombs import zeros_zlib
from tools.fuzz.kinds import Field, Files, Good

_FORMS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 16: "Q", 18: "Q"}
_OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" '
    'Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="{type}" SizeX="{x}" SizeY="{y}" SizeC="{c}" '
    'SizeZ="{z}" SizeT="{t}" PhysicalSizeX="{size}" PhysicalSizeXUnit="{unit}" PhysicalSizeY="{size}" '
    'PhysicalSizeYUnit="{unit}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
)


def good(image: np.ndarray) -> dict[str, Good]:
    """Plain, ImageJ, OME, stacks, tiles, packed, colour, palette, big."""
    import tifffile

    byte = (image / image.max() * 255).astype(np.uint8)
    stack = np.repeat(image[None], 3, axis=0)
    nm, size = {"resolution": (1 / 0.03, 1 / 0.03)}, {"PhysicalSizeX": 0.03, "PhysicalSizeXUnit": "nm"}
    wanted: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "plain.tif": (image, {}), "real.tif": (image.astype(np.float32), nm), "byte.tiff": (byte, {}),
        "imagej.tif": (image, {"imagej": True, "metadata": {"unit": "nm"}, **nm}),
        "movie.tif": (stack, {"imagej": True, "metadata": {"unit": "nm", "axes": "TYX"}, **nm}),
        "frames.ome.tif": (stack, {"ome": True, "metadata": {"axes": "TYX", **size}}),
        "one.ome.tif": (image, {"ome": True, "metadata": size}),
        "shaped.tif": (stack, {"metadata": {"axes": "TYX"}}), "tiled.tif": (image, {"tile": (32, 32)}),
        "deflate.tif": (image, {"compression": "zlib", "predictor": True}), "lzw.tif": (byte, {"compression": "lzw"}),
        "packbits.tif": (byte, {"compression": "packbits"}), "lzma.tif": (image, {"compression": "lzma"}),
        "jpeg.tif": (byte, {"compression": "jpeg"}), "zstd.tif": (image, {"compression": "zstd", "tile": (16, 16)}),
        "colour.tif": (np.stack([byte] * 3, -1), {"photometric": "rgb"}),
        "planes.tif": (np.stack([byte] * 3), {"photometric": "rgb", "planarconfig": "separate"}),
        "palette.tif": (byte, {"photometric": "palette", "colormap": np.arange(768, dtype=np.uint16).reshape(3, 256)}),
        "big.btf": (image, {"bigtiff": True, **nm}), "motorola.tif": (image, {"byteorder": ">", **nm}),
        "bits.tif": (byte > 99, {}), "white.tif": (byte, {"photometric": "miniswhite"}),
    }  # fmt: skip
    found = {}
    for name, (data, options) in wanted.items():
        buffer = io.BytesIO()
        order = {"byteorder": options.pop("byteorder")} if "byteorder" in options else {}
        tifffile.imwrite(buffer, data, **{"software": "microscope", **order, **options})
        content = buffer.getvalue()
        found[name] = Good({name: content}, fields=fields(content))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in (byte, image.astype(np.float32)):
            writer.write(page, photometric="minisblack", contiguous=False)
    found["pages.tif"] = Good({"pages.tif": buffer.getvalue()}, fields=fields(buffer.getvalue()))
    return found


def fields(content: bytes) -> tuple[Field, ...]:
    """Tags, kinds, counts and values of the first pages."""
    end = "<" if content[:2] == b"II" else ">"
    big = struct.unpack_from(end + "H", content, 2)[0] == 43
    count, pointer, entry, start = ("Q", "Q", 20, 8) if big else ("H", "I", 12, 4)
    found: list[Field] = [(start, end + pointer)]
    (at,) = struct.unpack_from(end + pointer, content, start)
    for _ in range(4):
        if not 0 < at < len(content) - 8:
            break
        found.append((at, end + count))
        (n,) = struct.unpack_from(end + count, content, at)
        at += struct.calcsize(count)
        for k in range(min(n, 60)):
            here = at + k * entry
            found += [(here, end + "H"), (here + 2, end + "H"), (here + 4, end + pointer)]
            found += [(here + 4 + struct.calcsize(pointer), end + pointer)] * 3
        at += n * entry
        if at + struct.calcsize(pointer) > len(content):
            break
        found.append((at, end + pointer))
        (at,) = struct.unpack_from(end + pointer, content, at)
    return tuple(found)


# ---------------------------------------------------------------------- tag by tag


def page(at: int, tags: dict[int, tuple[int, Any]], following: int | None = 0) -> bytes:
    """A directory of `tags` (kind and values by number) at `at`; `following` None: the next lies behind it."""
    body, extra = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for number, (kind, values) in sorted(tags.items()):
        raw, count = _packed(kind, values)
        if len(raw) > 4:
            body += struct.pack("<HHII", number, kind, count, behind + len(extra))
            extra += raw + b"\0" * (len(raw) % 2)
        else:
            body += struct.pack("<HHI", number, kind, count) + raw.ljust(4, b"\0")
    after = behind + len(extra) if following is None else following
    return struct.pack("<H", len(tags)) + body + struct.pack("<I", after % 2**32) + extra


def _packed(kind: int, values: Any) -> tuple[bytes, int]:
    if isinstance(values, bytes):
        return values, len(values)
    many = values if isinstance(values, list) else [values]
    form = _FORMS.get(kind, "I")
    if form in "fd":
        return b"".join(struct.pack("<" + form, one) for one in many), len(many)
    size = struct.calcsize("<" + form)
    return b"".join((one % 2 ** (8 * size)).to_bytes(size, "little") for one in many), len(many)


def _tags(nx: int, ny: int, at: int, size: int, bits: int = 8, packing: int = 1) -> dict[int, tuple[int, Any]]:
    return {
        256: (4, nx), 257: (4, ny), 258: (3, bits), 259: (3, packing), 262: (3, 1), 273: (4, at), 277: (3, 1),
        278: (4, ny), 279: (4, size),
    }  # fmt: skip


def crafted(rng: Random) -> Files:
    """Pages without end, vast pictures, wrong counts, streams that unpack without end, descriptions that lie."""
    make = rng.choice((_claims, _claims, _claims, _many_pages, _bomb, _described, _described, _ome, _ome))
    name, content = make(rng)
    return {name: content}


def _file(rng: Random, tags: dict[int, tuple[int, Any]], pixels: bytes) -> bytes:
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + page(8 + len(pixels), tags)


def _claims(rng: Random) -> tuple[str, bytes]:
    pixels = rng.randbytes(rng.choice((0, 256, 4096)))
    tags = _tags(16, 16, 8, len(pixels), rng.choice((1, 2, 4, 8, 12, 16, 24, 32, 64, 0, 255)))
    for _ in range(rng.choice((1, 2, 3))):
        number = rng.choice(
            (*tags, 254, 266, 282, 283, 284, 296, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 700)
        )
        kind = rng.choice(list(_FORMS))
        many = rng.choice((1, 1, 2, 300))
        one = odd.real32 if _FORMS[kind] in "fd" else odd.whole
        tags[number] = (kind, [one(rng) for _ in range(many)])
    return "a.tif", _file(rng, tags, pixels)


def _many_pages(rng: Random) -> tuple[str, bytes]:
    """A long chain of pages, or one that leads back."""
    content = b"II*\0" + struct.pack("<I", 8)
    n, back = rng.choice((3, 500, 4000, 20_000)), rng.random() < 0.4
    if back:
        n = rng.choice((1, 2, 5))
    parts, at = [], 8
    for k in range(n):
        last = k == n - 1
        tags = _tags(16, 16, 8, 256)
        if rng.random() < 0.1 and back:
            tags[330] = (4, [8, 8, at])
        parts.append(page(at, tags, (8 if back else 0) if last else None))
        at += len(parts[-1])
    return "pages.tif", content + b"".join(parts) + bytes(300)


def _bomb(rng: Random) -> tuple[str, bytes]:
    size = rng.choice((64, 400, 1600)) << 20
    side = int(size**0.5)
    packed = zeros_zlib(size)
    tags = _tags(side, side, 8, len(packed), packing=rng.choice((8, 8, 32946)))
    if rng.random() < 0.3:  # the same strip many times
        rows = rng.choice((1, 64))
        n = -(-side // rows)
        tags |= {278: (4, rows), 273: (4, [8] * min(n, 5000)), 279: (4, [len(packed)] * min(n, 5000))}
    return "bomb.tif", _file(rng, tags, packed)


def _described(rng: Random) -> tuple[str, bytes]:
    """What ImageJ, tifffile or a microscope would have written into the description."""
    n = rng.choice((1, 3, 10**5, 10**6, 10**9, -1))
    odd_name = odd.name(rng)
    words = rng.choice(
        (
            f"ImageJ=1.54\nimages={n}\nframes={n}\nslices={odd.whole(rng)}\nhyperstack=true\nunit={odd_name[:99]}\n",
            f"ImageJ=1.54\nunit={odd_name[:99]}\nspacing={odd.real(rng)}\nmin=nan\nmax=1e999\nloop=false\n",
            f'{{"shape": [{n}, 16, 16]}}', f'{{"shape": [16, 16], "axes": "{odd_name[:9]}"}}',
            '{"shape": ' + "[" * 3000,
            '{"shape": [' + "9" * 5000 + "]}", "<?xml version='1.0'?>" + "<a>" * rng.choice((10, 20_000)),
            '<!DOCTYPE a [<!ENTITY b "' + "x" * 1000 + '"><!ENTITY c "' + "&b;" * 100 + '">]><OME>&c;</OME>',
            "SCIFIO=1\naxes=X\nlengths=99\nunits=null", odd_name[:70_000],
            "[MetaData]\nPixelWidth=" + str(odd.real(rng)),
        )
    )  # fmt: skip
    pixels = bytes(range(256))
    tags = _tags(16, 16, 8, 256) | {270: (2, words.encode("utf-8", "surrogatepass") + b"\0")}
    tags |= {282: (5, [odd.whole(rng), odd.whole(rng)]), 283: (5, [1, 0]), 296: (3, rng.choice((1, 2, 3, 9)))}
    tags[305] = (2, odd_name.encode("utf-8", "surrogatepass")[:5000] + b"\0")
    if rng.random() < 0.2:  # the tags of FEI and of Gatan's exporter hold text, too
        tags[rng.choice((34680, 34682, 65009, 65027, 50838, 50839, 34118))] = (2, words.encode("utf-8", "replace"))
    return "described.tif", _file(rng, tags, pixels)


def _ome(rng: Random) -> tuple[str, bytes]:
    claims = rng.choice((3, 1000, 10**5, 10**6, 10**9))
    values = {"x": 16, "y": 16, "z": 1, "c": 1, "t": 1, "size": 0.03, "unit": "nm", "order": "XYZCT", "type": "uint8"}
    values |= {"name": "HAADF", "data": "<TiffData/>"}
    values[rng.choice("zct")] = claims
    if rng.random() < 0.5:
        key = rng.choice(list(values))
        values[key] = rng.choice((odd.whole(rng), odd.real(rng), "&quot;", "", "×", "9" * 5000))
    if rng.random() < 0.3:
        one = '<TiffData IFD="{k}" FirstT="{k}"><UUID FileName="{f}">urn:uuid:1</UUID></TiffData>'
        file = rng.choice(("other.ome.tif", "pipe", "../../etc/passwd", "a.ome.tif"))
        values["data"] = "".join(one.format(k=k, f=file) for k in range(rng.choice((1, 50, 20_000))))
    words = _OME.format(**values)
    if rng.random() < 0.2:
        words = words.replace("<Channel", "<Modulo><a/>" * rng.choice((1, 20_000)) + "<Channel", 1)
    tags = _tags(16, 16, 8, 256) | {270: (2, words.encode() + b"\0")}
    return "a.ome.tif", _file(rng, tags, bytes(range(256)))
