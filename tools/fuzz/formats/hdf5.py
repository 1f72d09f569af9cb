"""HDF5 of every layout that is read, and files that claim, link, nest and lie."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import numpy as np
from tools.fuzz import odd
from tools.fuzz.formats.bombs import zeros_zlib
from tools.fuzz.kinds import Files, Good

#: in the folder of each case: nobody may read the one, and opening the other never comes back
SECRET: Final = "secret.bin"
PIPE: Final = "pipe"


def _written(fill: Callable[[Any], None], **options: Any) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        fill(file)
    return buffer.getvalue()


def good(image: np.ndarray) -> dict[str, Good]:
    """Home-made, NCEM, Velox, HyperSpy; packed, in pieces, stacks; old and new form."""
    stack = np.repeat(image[None], 3, axis=0)
    makers: dict[str, tuple[Callable[[Any], None], dict[str, Any]]] = {
        "plain.h5": (lambda f: plain(f, image), {}),
        "new.hdf5": (lambda f: plain(f, image), {"libver": "latest"}),
        "packed.h5": (lambda f: plain(f, stack, chunks=(1, 32, 32), compression="gzip", shuffle=True), {}),
        "ncem.emd": (lambda f: ncem(f, image), {}), "ncem3.emd": (lambda f: ncem(f, stack.transpose(1, 2, 0)), {}),
        "velox.emd": (lambda f: velox(f, {"HAADF": image[..., None], "BF": image[..., None] // 2}), {}),
        "movie.emd": (lambda f: velox(f, {"HAADF": stack.transpose(1, 2, 0)}), {}),
        "one.hspy": (lambda f: hyperspy(f, image), {}), "stack.hspy": (lambda f: hyperspy(f, stack), {}),
    }  # fmt: skip
    return {name: Good({name: _written(fill, **options)}) for name, (fill, options) in makers.items()}


def plain(file: Any, image: np.ndarray, **options: Any) -> None:
    """A data set with its calibration in attributes."""
    found = file.create_dataset("entry/image", data=image, **options)
    found.attrs.update(scale="0.03", scale_unit="nm")


def ncem(file: Any, data: np.ndarray) -> None:
    """A group with data and dimensions."""
    file.attrs.update(version_major=0, version_minor=2)
    group = file.create_group("data/single")
    group.attrs["emd_group_type"] = 1
    group["data"] = data
    for k, size in enumerate(data.shape):
        group[f"dim{k + 1}"] = (np.arange(size) * 0.03).astype(np.float32)
        group[f"dim{k + 1}"].attrs.update(name=np.bytes_("yxt"[k]), units=np.bytes_("[n_m]" if k < 2 else "[s]"))


def velox_facts(title: str = "HAADF") -> dict[str, Any]:
    """What Velox writes about an image."""
    size = {"width": "3e-11", "height": "3e-11"}
    return {
        "BinaryResult": {"Detector": title, "PixelSize": size, "PixelUnitX": "m", "PixelUnitY": "m"},
        "Optics": {"AccelerationVoltage": "300000", "BeamConvergence": "0.03", "CameraLength": "0.1"},
        "Scan": {"DwellTime": "1e-5"}, "Instrument": {"InstrumentModel": "Titan"},
        "Detectors": {"Detector-0": {"DetectorName": title}},
    }  # fmt: skip


def velox(file: Any, images: dict[str, np.ndarray], facts: Callable[[str], bytes] | None = None) -> None:
    """Images with their metadata as JSON in bytes."""
    for k, (title, data) in enumerate(images.items()):
        group = file.create_group(f"Data/Image/{k:032x}")
        group["Data"] = data
        text = facts(title) if facts else json.dumps(velox_facts(title)).encode()
        group["Metadata"] = np.frombuffer(text.ljust(2000, b"\0"), np.uint8)[:, None]
        label = {"display": {"label": title}, "dataPath": group.name}
        file[f"Presentation/Displays/ImageDisplay/{k}"] = np.array([json.dumps(label).encode()])


def hyperspy(file: Any, data: Any, axes: list[dict[str, Any]] | None = None) -> None:
    """A signal with its axes."""
    file.attrs.update(file_format="HyperSpy", file_format_version="3.3")
    group = file.create_group("Experiments/__unnamed__")
    group["data"] = data
    shape = np.shape(data)
    for k, axis in enumerate(axes if axes is not None else [{} for _ in shape]):
        one = {
            "_type": "UniformDataAxis",
            "name": "tyx"[-len(shape) :][k % 3 : k % 3 + 1],
            "units": "nm",
            "scale": 0.03,
        }
        group.create_group(f"axis-{k}").attrs.update(one | {"size": (shape + (1,) * 99)[k], "offset": 0.0} | axis)
    group.create_group("metadata/General").attrs["title"] = "HAADF"
    group.create_group("metadata/Signal").attrs["signal_type"] = ""


# ---------------------------------------------------------------------- crafted


def crafted(rng: Random) -> Files:
    """A hostile file of one of the layouts."""
    layout = rng.choice(("h5", "h5", "ncem", "velox", "hspy"))
    image = np.arange(rng.choice((64, 1024)), dtype=np.uint16).reshape(8, -1)
    libver = rng.choice(("earliest", "latest"))
    layouts = {"ncem": _ncem, "velox": _velox, "hspy": _hyperspy}

    def fill(file: Any) -> None:
        tricks = rng.choices(TRICKS, k=rng.choice((1, 1, 2, 3))) if layout == "h5" or rng.random() < 0.3 else []
        if layout in layouts:
            tricks = [lambda rng, file: layouts[layout](rng, file, image), *tricks]
        elif rng.random() < 0.6:
            plain(file, image)
        for trick in tricks:
            with suppress(Exception):  # what HDF5 itself refuses to write
                trick(rng, file)

    name = {"h5": "a.h5", "hspy": "a.hspy"}.get(layout, "a.emd")
    return {rng.choice((name, name, name, "a.h5", "a.emd", "a.hspy")): _written(fill, libver=libver)}


def _ncem(rng: Random, file: Any, image: np.ndarray) -> None:
    ncem(file, image)
    group = file["data/single"]
    for _ in range(rng.choice((1, 2))):
        key = rng.choice(("dim1", "dim2", "data"))
        if key in group and rng.random() < 0.7:
            del group[key]
        if key not in group and rng.random() < 0.8:
            odd_data = (
                np.array([]),
                np.float32(3),
                np.array(["a", "b"], dtype="S3"),
                np.array([np.nan] * 8),
                np.arange(3),
            )
            group[key] = rng.choice((*odd_data, image.astype("c8"), np.zeros((2,) * 7), np.zeros((0, 8)), image))
            _attribute(rng, group[key], "units")
            _attribute(rng, group[key], "name")
    if rng.random() < 0.3:
        group.attrs["emd_group_type"] = rng.choice((2, -1, 10**9, "x"))


def _velox(rng: Random, file: Any, image: np.ndarray) -> None:
    from tools.fuzz.trees import spoiled

    def facts(title: str) -> bytes:
        return spoiled(rng, velox_facts(title), rng.choice((0, 1, 2, 4))).encode("utf-8", "surrogatepass")

    data = rng.choice((image[..., None], image, image[..., None, None], np.zeros((8, 8, 0), "u2"), image.astype("c8")))
    velox(file, {rng.choice(("HAADF", *odd.NAMES[:22])): data, "BF": image[..., None]}, facts)
    group = file["Data/Image/" + "0" * 32]
    if rng.random() < 0.4:
        key = rng.choice(("Data", "Metadata", "FrameLookupTable"))
        if key in group:
            del group[key]
        if rng.random() < 0.7:
            group[key] = rng.choice(
                (np.zeros(3), np.zeros((0, 1), "u1"), np.bytes_("x"), np.zeros((4000, 9), "u1"), 1.5)
            )
    if rng.random() < 0.3:
        text = spoiled(rng, {"display": {"label": "HAADF"}, "dataPath": group.name, "data": "/x"}, 2)
        display = f"Presentation/Displays/ImageDisplay/{rng.randrange(3)}"
        if display in file:
            del file[display]
        file[display] = np.array([text.encode("utf-8", "surrogatepass")[:60_000]])


def _hyperspy(rng: Random, file: Any, image: np.ndarray) -> None:
    keys = ("scale", "units", "name", "size", "offset", "navigate", "_type", "index_in_array")
    axes: list[dict[str, Any]] = [{} for _ in range(rng.choice((0, 1, 2, 2, 2, 3, 40)))]
    for axis in axes:
        if rng.random() < 0.6:
            axis[rng.choice(keys)] = _plain_odd(rng)
    colour = np.zeros((8, 8), dtype=[(c, "u1") for c in rng.choice(("RGB", "RGBA", "XYZ"))])
    words = np.array([b"a"] * 4).reshape(2, 2)
    data = rng.choice((image, image, np.repeat(image[None], 3, 0), colour, words, np.zeros((2,) * 6), 7.5, image > 5))
    hyperspy(file, data, axes)
    group = file["Experiments/__unnamed__"]
    if rng.random() < 0.3:
        _attribute(rng, group["metadata/General"], "title")
    if rng.random() < 0.15:
        del group[rng.choice(list(group))]


def _plain_odd(rng: Random) -> Any:
    """A value that HDF5 can keep in an attribute."""
    import h5py

    kind = rng.randrange(8)
    if kind < 2:
        return odd.real(rng)
    if kind == 2:
        return np.int64(max(-(2**63), min(2**63 - 1, odd.whole(rng))))
    if kind == 3:
        return rng.choice((np.array([]), np.array([1.0, np.nan]), np.zeros((2, 2)), np.array([b"a", b"b"])))
    if kind == 4:
        return h5py.Empty("f8")
    if kind == 5:
        return np.bytes_(odd.name(rng).encode("utf-8", "surrogatepass")[:60_000] or b"x")
    if kind == 6:
        return rng.choice((np.void(b"\x00\x01"), np.complex64(1j), True, np.array([(1, 2.0)], dtype="i4,f4")))
    text = odd.name(rng)
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:60_000]


def _attribute(rng: Random, item: Any, name: str) -> None:
    item.attrs[name] = np.nan
    with suppress(ValueError, TypeError, OSError, RuntimeError):
        item.attrs[name] = _plain_odd(rng)


# ---------------------------------------------------------------------- tricks: each spoils an open file in its way


def _free(rng: Random, file: Any, name: str = "trick") -> str:
    while name in file:
        name = f"{name}{rng.randrange(10**6)}"
    return name


def _claim(rng: Random, file: Any) -> None:
    """A data set without a byte that says it is vast."""
    shape = rng.choice(
        ((60_000, 60_000), (10**5, 256, 256), (10**6, 64, 64), (10**9, 4, 4), (2,) * 32, (0, 0), (0, 64), (1, 1),
         (64, 0),
         (2**31, 2**31), (10**6, 1), (3, 10**6), (20_000, 20_000), (300, 2000, 2000), (1 << 40, 2, 2))
    )  # fmt: skip
    kind = rng.choice(("u1", "u2", ">f4", "f8", "i8", "c8", "f2", "bool", "S4", "f16"))
    chunk = tuple(max(1, min(n, 64)) if k > len(shape) - 3 else 1 for k, n in enumerate(shape))
    options = {"chunks": chunk} if rng.random() < 0.6 and all(shape) else {}
    if rng.random() < 0.3 and options:
        options["compression"] = "gzip"
    found = file.create_dataset(_free(rng, file, "image"), shape=shape, dtype=kind, **options)
    found.attrs["pixel_size_nm"] = rng.choice((0.03, 0.03, np.nan))


def _kind(rng: Random, file: Any) -> None:
    """A data set of a kind that is no number, or hardly one."""
    import h5py

    some = rng.choice(
        (np.zeros((8, 8), dtype="i4,f4"), np.zeros((8, 8), "V3"), np.full((8, 8), b"a"), np.zeros((8, 8), "f2"),
         np.full((8, 8), np.nan), np.full((8, 8), np.inf), np.zeros((8, 8), ">u8"), np.zeros((8, 8), "f16"),
         np.zeros((8, 8, 3), "u1"), np.zeros((3, 8, 8), dtype=("f4", (2, 2))), np.full((8, 8), 2**64 - 1, "u8"))
    )  # fmt: skip
    if rng.random() < 0.3:
        kind = rng.choice((h5py.string_dtype(), h5py.vlen_dtype("f8"), h5py.ref_dtype, h5py.enum_dtype({"a": 1})))
        file.create_dataset(_free(rng, file), shape=(8, 8), dtype=kind)
    elif rng.random() < 0.3:
        file[_free(rng, file)] = rng.choice((h5py.Empty("f4"), np.float64(3), np.dtype("f4"), np.dtype("i4,f4")))
    else:
        file[_free(rng, file)] = some


def _links(rng: Random, file: Any) -> None:
    """Links that lead back, nowhere, into other files and into a pipe."""
    import h5py

    group = file.require_group("links")
    target = rng.choice((PIPE, SECRET, "a.h5", "missing.h5", "/dev/zero", "/etc/passwd", "/proc/self/mem", ".", ""))
    link = rng.choice(
        (group, file, h5py.SoftLink("/links"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/links/loop"),
         h5py.ExternalLink(target or "x", "/"), h5py.ExternalLink(target or "x", "/entry/image"))
    )  # fmt: skip
    group[_free(rng, group, "loop")] = link


def _deep(rng: Random, file: Any) -> None:
    group = file
    for _ in range(rng.choice((10, 300, 1500, 4000))):
        group = group.create_group("g") if "g" not in group else group["g"]
    group["image"] = np.arange(64.0).reshape(8, 8)


def _wide(rng: Random, file: Any) -> None:
    group = file.create_group(_free(rng, file, "wide"))
    for k in range(rng.choice((100, 1500))):
        group.create_dataset(f"d{k}", shape=(4, 4), dtype="u1")


def _named(rng: Random, file: Any) -> None:
    """A data set of an odd name."""
    name = odd.name(rng).replace("\0", "").encode("utf-8", "surrogatepass")[:50_000].replace(b"/", b"|")
    if name not in (b"", b".") and name not in file:
        file[name] = np.arange(64.0).reshape(8, 8)


def _attributes(rng: Random, file: Any) -> None:
    """Calibrations that are none."""
    found = file.create_dataset(_free(rng, file), data=np.arange(64.0).reshape(8, 8))
    for name in rng.sample(("pixel_size_nm", "scale", "unit", "pixel_size", "scale_unit", "units"), 3):
        _attribute(rng, rng.choice((found, found, file)), name)


def _outside(rng: Random, file: Any) -> None:
    """Pixels that lie in another file."""
    target = rng.choice((SECRET, SECRET, PIPE, "/etc/passwd", "/dev/zero", "missing.bin"))
    file.create_dataset(_free(rng, file, "image"), shape=(8, 8), dtype="u1", external=[(target, 0, 64)])


def _virtual(rng: Random, file: Any) -> None:
    """A data set that is put together from others."""
    import h5py

    target = rng.choice((PIPE, SECRET, ".", "missing.h5", "a.h5"))
    layout = h5py.VirtualLayout(shape=rng.choice(((8, 8), (50_000, 8, 8))), dtype="u1")
    source = h5py.VirtualSource(target, "image", shape=layout.shape)
    layout[...] = source[...]
    file.create_virtual_dataset(_free(rng, file, "image"), layout, fillvalue=0)


def _bomb(rng: Random, file: Any) -> None:
    """One packed piece that unpacks to hundreds of MB."""
    size = rng.choice((16, 400, 1500)) << 20
    side = 1 << 10
    shape = (size // side, side)
    found = file.create_dataset(_free(rng, file, "image"), shape=shape, chunks=shape, dtype="u1", compression="gzip")
    found.id.write_direct_chunk((0, 0), zeros_zlib(size))
    found.attrs["pixel_size_nm"] = 0.03


def _filter(rng: Random, file: Any) -> None:
    """Packed by a filter that is not installed, or with a packed piece that is noise."""
    import h5py

    space = h5py.h5s.create_simple((32, 32))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((32, 32))
    plist.set_filter(rng.choice((32008, 32001, 32015, 307, 1, 2, 3, 4, 6)), h5py.h5z.FLAG_OPTIONAL, (2, 8))
    made = h5py.h5d.create(file.id, _free(rng, file, "image").encode(), h5py.h5t.NATIVE_UINT16, space, plist)
    made.write_direct_chunk((0, 0), rng.randbytes(rng.choice((0, 10, 2048))))


TRICKS: Final = (
    _claim, _claim, _claim, _kind, _kind, _links, _links, _deep, _wide, _named, _named, _attributes, _attributes,
    _outside, _virtual, _bomb, _filter,
)  # fmt: skip
