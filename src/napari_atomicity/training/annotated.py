"""Clusters that a person labelled, as a training set: patches, labels and where they came from, without pickles."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_atomicity import __version__
from napari_atomicity.clusters import OTHER, ClusterTable, atoms_of
from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX, Patches
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically, write_text
from napari_atomicity.io.tensors import MOST_BYTES, TensorSpec, misfit, tensors_of
from napari_atomicity.kinds import Entry, Many, Plain, Positive, Sha256, Symbol, wanted
from napari_atomicity.schema import Door, json_of, read_bytes
from napari_atomicity.training.library import LABORATORY, Library

FORMAT: Final = 1
CARD: Final = "training-set.json"
ARRAYS: Final = "clusters.safetensors"
_KIND: Final = "napari-atomicity training set"
_NAMES: Final = ("raw", "noise", "log_integral", "diameter_nm", "y_px", "x_px", "id", "frame", "n_atoms", "log_scale")
_README: Final = f"""# Clusters labelled by a person

Made by napari-atomicity. Take it up again with `napari-atomicity train` (key `laboratory.folder`: this folder, or one
that holds several of them), or read it with `napari_atomicity.training.annotated.load_set`.

`{CARD}`: the labels as given, which image they are of (file and SHA-256), its pixel size, who predicted what, versions.
`{ARRAYS}` (safetensors), one row a cluster:

| array | meaning |
|---|---|
| raw | (n, {PATCH_PX}, {PATCH_PX}) patch of {NM_PER_PX} nm a pixel: background off, divided by the integral, 1/nm² |
| noise | standard deviation of the background, in units of raw |
| log_integral | natural logarithm of the integral in counts·nm² |
| diameter_nm | diameter at half maximum |
| y_px, x_px, frame, id | where it lies in the image, and its id in the table |
| n_atoms | atoms of the label; 0 for `{OTHER}` |
| log_scale | natural logarithm of counts·nm² per atom in its frame; nan where not calibrated |
"""


@dataclass(frozen=True, eq=False)
class AnnotatedSet:
    """Labelled clusters of one image; the arrays go row by row with `labels`.

    Attributes
    ----------
    labels
        As the person gave them.
    arrays
        See the README that is written with a set.
    facts
        Where they came from: element, pixel_size_nm, image, model, created, versions.
    """

    labels: tuple[str, ...]
    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(
        cls, table: ClusterTable, patches: Patches, scales: Mapping[int, float], facts: Mapping[str, Any]
    ) -> AnnotatedSet:
        """The clusters of a table, which all carry a label, with their patches, row by row.

        Parameters
        ----------
        table
            Labelled clusters of one image.
        patches
            The patch of each row; rows without a valid one are left out.
        scales
            Counts·nm² per atom of the frames that are calibrated.
        facts
            Where the clusters came from: element, pixel_size_nm, image, model.

        Returns
        -------
        AnnotatedSet
            With what was predicted, the time and the version among its facts.
        """
        valid, rows = np.flatnonzero(patches.valid), table.rows
        scale = np.array([scales.get(int(frame), np.nan) for frame in rows["frame"]], dtype=float)
        labels = [str(label) for label in rows["annotation"]]
        arrays: dict[str, npt.NDArray[Any]] = {
            "raw": patches.raw.astype(np.float16),
            "noise": patches.noise,
            "log_integral": patches.log_integral,
            **{name: rows[name].to_numpy() for name in ("diameter_nm", "y_px", "x_px", "id", "frame")},
            "n_atoms": np.array([_atoms(label) for label in labels], dtype=np.int64),
            "log_scale": np.log(scale),
        }
        kept = {name: np.ascontiguousarray(values[valid]) for name, values in arrays.items()}
        predicted = [str(rows["label"].iloc[i]) for i in valid]
        making = {
            "predicted": predicted,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
        }
        return cls(tuple(labels[i] for i in valid), kept, {**facts, **making})

    def library(self, frame: int) -> Library:
        """The rows as the trainer takes them; their frames are numbered from `frame`."""
        a, n = self.arrays, len(self)
        log_n = np.log(np.maximum(a["n_atoms"], 1))
        scale = np.array(a["log_scale"], dtype=float)
        for index in np.unique(a["frame"]):
            sized = (a["frame"] == index) & (a["n_atoms"] > 0)
            if sized.any():
                usual = float(np.median((a["log_integral"] - log_n)[sized]))
                of_frame = a["frame"] == index
                scale[of_frame] = np.where(np.isfinite(scale[of_frame]), scale[of_frame], usual)
        return Library(
            raw=a["raw"],
            noise=a["noise"],
            log_integral=a["log_integral"],
            diameter_nm=a["diameter_nm"],
            flag=np.full(n, "ok", dtype="U10"),
            n_atoms=a["n_atoms"],
            whole=a["n_atoms"] > 0,
            log_scale=scale,
            frame=frame + a["frame"],
            condition=np.full(n, LABORATORY, dtype="U16"),
        )


def save_set(annotated: AnnotatedSet, folder: Path) -> Path:
    """Write a set as a new folder: whole or not at all.

    Parameters
    ----------
    annotated
        The set.
    folder
        The new folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        For an empty set, a folder that is there already, or a place that cannot be written to.
    """
    from safetensors.numpy import save

    if not len(annotated):
        raise InputError("No cluster carries a label of yours yet; label some before you save a training set.")
    if folder.exists():
        raise InputError(f"{folder.name} is there already; choose another name for the training set.")
    content: bytes = save(dict(annotated.arrays))
    card = {
        "kind": _KIND, "format": FORMAT, **annotated.facts, "patch_px": PATCH_PX, "nm_per_px": NM_PER_PX,
        "labels": list(annotated.labels), "arrays": ARRAYS, "arrays_sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    beside = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        write_atomically(beside / ARRAYS, lambda temporary: _discard(temporary.write_bytes(content)))
        write_text(beside / "README.md", _README)
        write_text(beside / CARD, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        beside.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} could not be written ({error.strerror}); choose another folder.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def load_set(folder: Path) -> AnnotatedSet:
    """The set in that folder, as it was saved.

    Raises
    ------
    InputError
        Where it is none, is damaged, or was made by a newer version.
    """
    try:
        entries = json_of(read_bytes(folder / CARD), f"{folder.name}: {CARD}")
        content = read_bytes(folder / ARRAYS, MOST_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"{folder.name} is no training set: {CARD} or {ARRAYS} is missing.") from error
    if not isinstance(entries, dict) or entries.get("kind") != _KIND:
        raise InputError(f"{folder.name} is no training set of napari-atomicity.")
    if entries.get("format") != FORMAT or (entries.get("patch_px"), entries.get("nm_per_px")) != (PATCH_PX, NM_PER_PX):
        raise InputError(f"{folder.name} was made by another version of napari-atomicity; save the training set again.")
    card = _DOOR.check(entries, f"{folder.name}: {CARD}")
    if card.arrays_sha256 != hashlib.sha256(content).hexdigest():
        raise InputError(f"{folder.name} is damaged: {ARRAYS} is not the file that {CARD} describes.")
    arrays = tensors_of(content, f"{folder.name}: {ARRAYS}")
    if wrong := _misfit(arrays, len(card.labels)):
        raise InputError(f"{folder.name} is damaged: {CARD} and {ARRAYS} do not go together ({wrong}).")
    own_keys = ("kind", "format", "patch_px", "nm_per_px", "labels", "arrays", "arrays_sha256")
    return AnnotatedSet(card.labels, arrays, {name: value for name, value in entries.items() if name not in own_keys})


_Label: TypeAlias = Annotated[
    str, Field(pattern=f"^([A-Z][a-z]?[1-9][0-9]{{0,4}}|{OTHER})$"), wanted("a label such as Pt19")
]


class _Card(Entry):
    """What is relied on; the rest is for people."""

    labels: Many[_Label]
    arrays_sha256: Sha256
    element: Symbol
    pixel_size_nm: Positive
    image: Plain


_DOOR: Final = Door(_Card)


def _misfit(arrays: Mapping[str, npt.NDArray[Any]], n: int) -> str:
    """What is wrong with the arrays of `n` clusters, in a few words."""
    needed = {name: TensorSpec((n,)) for name in _NAMES} | {"raw": TensorSpec((n, PATCH_PX, PATCH_PX))}
    needed |= dict.fromkeys(("id", "frame", "n_atoms"), TensorSpec((n,), "iu"))
    # not every frame has a known scale, nor every cluster that was placed by hand a diameter
    filled = {name: np.nan_to_num(v) if name in ("log_scale", "diameter_nm") else v for name, v in arrays.items()}
    return misfit(filled, needed)


def sets_in(folder: Path) -> list[Path]:
    """The training sets that `folder` is or holds."""
    if (folder / CARD).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{CARD}")) if folder.is_dir() else []


def _atoms(label: str) -> int:
    return atoms_of(label) or 0


def _discard(_: object) -> None:
    """The result of a write."""
