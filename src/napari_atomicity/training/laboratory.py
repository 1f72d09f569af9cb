"""A laboratory's own size-selected micrographs as labelled patches: one folder a class, named by its atom count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.training.annotated import CARD, load_set, sets_in
from napari_atomicity.training.library import LABORATORY, Library
from napari_atomicity.training.loop import LEAST_CLUSTERS

#: fewer clusters of a class than this are refused
LEAST_OF_A_CLASS: Final = 20
#: frames of a stack that are used, evenly spaced: the others show the same clusters again
_FRAMES_OF_A_STACK: Final = 8
#: a cluster whose integral is further than this (natural logarithm) from its frame's median is an aggregate or debris
_ONE_CLUSTER: Final = 0.5
#: pixel sizes that differ by more than this factor are said
_MIXED_PIXELS: Final = 1.5
#: part of a class that validates
_VALIDATION: Final = 0.25
#: a laboratory cluster is shown at most so many times as often as it is there when it is mixed with simulation
_MOST_COPIES: Final = 20
#: merged pairs made of single clusters, as a part of these, where no simulation brings outsiders
_MERGED: Final = 0.12
#: frames of the laboratory are numbered from here on, apart from simulated ones
_FIRST_FRAME: Final = 1_000_000
#: and those of training sets, which may be whole stacks
_FIRST_SET: Final = 10_000_000
_FRAMES_OF_A_SET: Final = 100_000


@dataclass(frozen=True, eq=False)
class LaboratoryData:
    """What a laboratory's micrographs give.

    Attributes
    ----------
    training, validation
        Labelled clusters; the two share no image, or, for a class with a single image, no part of it.
    images
        What was used: file, sha256, atoms, clusters, pixel_size_nm, part (training, validation or both).
    messages
        Sentences for the person, before training starts.
    """

    training: Library
    validation: Library
    images: tuple[dict[str, Any], ...]
    messages: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Image:
    """One file's labelled clusters."""

    path: Path
    size: int
    sha256: str
    pixel_size_nm: float
    library: Library
    x_px: npt.NDArray[np.float64]
    left_out: int


def laboratory_steps(
    folder: Path, class_sizes: tuple[int, ...], element: str, pixel_size_nm: float | None = None, seed: int = 0
) -> Steps[LaboratoryData]:
    """Detect and label the clusters of size-selected micrographs.

    The scale of a frame, which nobody wrote down, follows from its known class: the median of ln(integral) less the
    logarithm of the atom count. Clusters further than a factor 1.65 from that median are aggregates or debris and are
    left out.

    Parameters
    ----------
    folder
        Holds a folder for each class, named by its number of atoms (``19``, or with the element ``Pt19``), training
        sets of clusters that a person labelled (`training.annotated`), or both.
    class_sizes, element
        Of the model.
    pixel_size_nm
        For files that hold none.
    seed
        Decides which images validate.

    Returns
    -------
    LaboratoryData
        Clusters to train on and to validate with, what was used, and what the person should know.

    Raises
    ------
    InputError
        For folders that are no sizes or no classes, a class without a usable image or with too few clusters, and an
        image without pixel size.
    """
    by_hand = _sets(folder, class_sizes, element)
    folders = _class_folders(folder, class_sizes, element, {image.size for image in by_hand})
    images: list[_Image] = []
    messages: list[str] = []
    total = sum(len(paths) for _, paths in folders.values())
    files_read = 0
    for size, (name, paths) in folders.items():
        reasons: list[str] = []
        usable = [image for image in by_hand if image.size == size]
        for path in paths:
            yield Progress(files_read, total, f"Reading the micrographs of {element}{size}")
            files_read += 1
            try:
                usable.append(_labelled(path, size, pixel_size_nm, _FIRST_FRAME + files_read * _FRAMES_OF_A_STACK))
            except _NoCalibration as error:
                raise InputError(str(error)) from None
            except InputError as error:
                reasons.append(_reason(path, error))
        _check_class(f"{folder.name}/{name}", f"{element}{size}", usable, reasons)
        messages += [f"{reason.rstrip('.')}; this image is left out." for reason in reasons]
        images += usable
    messages += _odd(images)
    return _split(images, class_sizes, element, seed, messages)


def mixed(laboratory: Library, simulated: Library, share: float, rng: np.random.Generator) -> Library:
    """Simulated and laboratory clusters together.

    Parameters
    ----------
    laboratory
        Clusters of the laboratory, which are repeated or thinned.
    simulated
        Simulated clusters, which all stay.
    share
        Part of all clusters that shall come from the laboratory, between 0 and 1; reached as far as repeating each at
        most twenty times goes.
    rng
        Source of chance.

    Returns
    -------
    Library
        The simulated clusters first.
    """
    number = round(share / (1 - share) * len(simulated))
    number = min(number, _MOST_COPIES * len(laboratory))
    whole, rest = divmod(number, len(laboratory))
    order = np.arange(len(laboratory))
    rows = np.concatenate([np.repeat(order, whole), rng.permutation(order)[:rest]])
    return Library.join([simulated, laboratory.take(np.sort(rows))])


def with_merged_pairs(library: Library, rng: np.random.Generator) -> Library:
    """The library and, as outsiders, sums of two of its clusters set side by side as two that have merged.

    Parameters
    ----------
    library
        Single clusters.
    rng
        Source of chance.

    Returns
    -------
    Library
        With about an eighth more rows.
    """
    n = max(round(_MERGED * len(library)), 1)
    first, second = (rng.integers(0, len(library), n) for _ in range(2))
    return Library.join([library, _merged(library.take(first), library.take(second), rng)])


# ---------------------------------------------------------------------- folders and files


def _sets(folder: Path, class_sizes: tuple[int, ...], element: str) -> list[_Image]:
    """The labelled clusters of the training sets in the folder, one entry a set and class."""
    images = []
    for number, path in enumerate(sets_in(folder)):
        annotated = load_set(path)
        if annotated.facts.get("element") != element:
            raise InputError(f"The training set {path.name} is of {annotated.facts.get('element')}, not of {element}.")
        library = annotated.library(_FIRST_SET + number * _FRAMES_OF_A_SET)
        digest = str(annotated.facts.get("image", {}).get("sha256", ""))
        size_nm = float(annotated.facts["pixel_size_nm"])
        for size in class_sizes:
            rows = library.n_atoms == size
            if rows.any():
                x_px = annotated.arrays["x_px"][rows]
                images.append(_Image(path, size, digest, size_nm, library.take(rows), x_px, left_out=0))
    return images


def _class_folders(
    folder: Path, class_sizes: tuple[int, ...], element: str, elsewhere: Collection[int] = ()
) -> dict[int, tuple[str, list[Path]]]:
    """Name of each class's folder and the image files in it; no files for a class that has clusters `elsewhere`."""
    from napari_atomicity.io.formats import SUFFIXES

    if not folder.is_dir():
        raise InputError(f"laboratory.folder is {folder}, which is no folder; correct the key.")
    folders: dict[int, tuple[str, list[Path]]] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith((".", "_")) or (path / CARD).is_file():
            continue
        size = re.fullmatch(rf"(?:{element})?(\d+)", path.name)
        if size is None:
            raise InputError(
                f"The folder {folder.name}/{path.name} is not named by a number of atoms; "
                f"rename it (for example {class_sizes[0]}) or move it elsewhere."
            )
        n = int(size[1])
        if n in folders:
            raise InputError(f"Two folders in {folder.name} are named by {n} atoms; put their images into one.")
        if n not in class_sizes:
            raise InputError(
                f"The folder {folder.name}/{path.name} is none of the classes {', '.join(map(str, class_sizes))}; "
                "add it to the key classes or move it elsewhere."
            )
        files = (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        folders[n] = (path.name, sorted(files))
    missing = [size for size in class_sizes if size not in folders and size not in elsewhere]
    if missing:
        raise InputError(
            f"The class of {missing[0]} atoms has no folder {folder.name}/{missing[0]}; "
            "make it and put its micrographs there, or take it out of the key classes."
        )
    return {size: folders.get(size, (str(size), [])) for size in class_sizes}


class _NoCalibration(InputError):
    """A file without pixel size: not skipped but said, for it would be the same for its neighbours."""


def _reason(path: Path, error: InputError) -> str:
    text = " ".join(str(error).split())
    return text if text.startswith((path.name, str(path))) else f"{path.name}: {text}"


def _labelled(path: Path, size: int, pixel_size_nm: float | None, first_frame: int) -> _Image:
    from napari_atomicity.io import image_hash, read

    micrograph = read(path)
    if micrograph.refusal:
        raise InputError(micrograph.refusal)
    if micrograph.pixel_size_nm is None:
        if pixel_size_nm is None:
            raise _NoCalibration(
                f"{path.parent.name}/{path.name} holds no pixel size; give it in nm per pixel "
                "with the key laboratory.pixel_size_nm."
            )
        micrograph = micrograph.with_pixel_size(pixel_size_nm)
    frames = list(_frames(micrograph, size, first_frame))
    if not frames:
        raise InputError("no cluster was found in it")
    return _Image(
        path=path,
        size=size,
        sha256=image_hash(path),
        pixel_size_nm=micrograph.calibrated_pixel_size_nm,
        library=Library.join([part for part, _, _ in frames]),
        x_px=np.concatenate([x_px for _, x_px, _ in frames]),
        left_out=sum(left_out for _, _, left_out in frames),
    )


def _frames(
    micrograph: Micrograph, size: int, first_frame: int
) -> Iterator[tuple[Library, npt.NDArray[np.float64], int]]:
    """Labelled clusters of each frame, their x and how many were left out."""
    from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX, normalise
    from napari_atomicity.detection import detect, extract_windows, repaired

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    n = min(micrograph.n_frames, _FRAMES_OF_A_STACK)
    for number, index in enumerate(np.linspace(0, micrograph.n_frames - 1, n).round().astype(int)):
        image = micrograph.frame(int(index))
        detection = detect(image, pixel_size_nm)
        blocking = [finding.message for finding in detection.findings if finding.blocking]
        if blocking:
            raise InputError(blocking[0])
        measured = detection.clusters.take(detection.clusters.flag == "ok")
        clean = repaired(image, pixel_size_nm).image
        windows = extract_windows(clean, measured.y_px, measured.x_px, pixel_size_nm, PATCH_PX, NM_PER_PX)
        patches = normalise(windows, measured.diameter_nm, measured.intensity)
        if not patches.valid.any():
            continue
        typical = float(np.median(patches.log_integral[patches.valid]))
        single = patches.valid & (np.abs(patches.log_integral - typical) <= _ONE_CLUSTER)
        rows = len(measured.y_px)
        library = Library(
            raw=patches.raw.astype(np.float16),
            noise=patches.noise,
            log_integral=patches.log_integral,
            diameter_nm=np.asarray(measured.diameter_nm, dtype=np.float64),
            flag=np.full(rows, "ok", dtype="U10"),
            n_atoms=np.full(rows, size, dtype=np.int64),
            whole=np.ones(rows, dtype=bool),
            log_scale=np.full(rows, typical - np.log(size)),
            frame=np.full(rows, first_frame + number, dtype=np.int64),
            condition=np.full(rows, LABORATORY, dtype="U16"),
        )
        yield library.take(single), measured.x_px[single], int((patches.valid & ~single).sum())


# ---------------------------------------------------------------------- is it enough, is it odd


def _check_class(folder: str, label: str, usable: list[_Image], reasons: list[str]) -> None:
    if not usable:
        why = "; ".join(reason.rstrip(".") for reason in reasons[:5]) or "there is no image in it"
        more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
        raise InputError(f"No usable image for {label} in the folder {folder}: {why}{more}.")
    n = sum(len(image.library) for image in usable)
    if n < LEAST_OF_A_CLASS:
        images = "1 image" if len(usable) == 1 else f"{len(usable)} images"
        raise InputError(
            f"The class {label} has only {n} usable clusters in {images}; at least {LEAST_OF_A_CLASS} are needed, "
            "so add micrographs."
        )


def _odd(images: list[_Image]) -> list[str]:
    messages = []
    ordered = sorted(images, key=lambda image: image.pixel_size_nm)
    fine, coarse = ordered[0], ordered[-1]
    if coarse.pixel_size_nm > _MIXED_PIXELS * fine.pixel_size_nm:
        messages.append(
            f"The pixel sizes differ: {fine.pixel_size_nm:.4g} nm in {fine.size}/{fine.path.name}, "
            f"{coarse.pixel_size_nm:.4g} nm in {coarse.size}/{coarse.path.name}; if a class was taken at one pixel "
            "size only, the model may learn the magnification instead of the clusters."
        )
    left_out, n = sum(image.left_out for image in images), sum(len(image.library) for image in images)
    if left_out:
        messages.append(
            f"{left_out} of {left_out + n} clusters are left out, for their intensity is more than a factor 1.65 from "
            "the median of their image: aggregates or debris."
        )
    return messages


# ---------------------------------------------------------------------- training and validation


def _split(
    images: list[_Image], class_sizes: tuple[int, ...], element: str, seed: int, messages: list[str]
) -> LaboratoryData:
    rng = np.random.default_rng([seed, 5])
    libraries: dict[str, list[Library]] = {"training": [], "validation": []}
    used: list[dict[str, Any]] = []
    for size in class_sizes:
        of_class = [image for image in images if image.size == size]
        validating = _validating(of_class, rng)
        if not validating:
            messages = [
                *messages,
                f"{element}{size} has too few images to keep one for validation alone: its images are split by "
                "position, the left three quarters of the clusters for training and the rest for validation, so its "
                "validation scores are optimistic.",
            ]
        for i, image in enumerate(of_class):
            right = image.x_px > np.quantile(image.x_px, 1 - _VALIDATION)
            held_back = np.full(len(right), i in validating) if validating else right
            libraries["training"].append(image.library.take(~held_back))
            libraries["validation"].append(image.library.take(held_back))
            part = "both" if not validating else "validation" if i in validating else "training"
            used.append(
                {
                    "file": f"{size}/{image.path.name}",
                    "sha256": image.sha256,
                    "atoms": size,
                    "clusters": len(image.library),
                    "pixel_size_nm": image.pixel_size_nm,
                    "part": part,
                }
            )
    training, validation = (Library.join(part) for part in libraries.values())
    return LaboratoryData(training, validation, tuple(used), tuple(messages))


def _validating(images: list[_Image], rng: np.random.Generator) -> set[int]:
    """Which images validate: about a quarter of the clusters; none where that cannot be had in whole images."""
    counts = np.array([len(image.library) for image in images])
    if len(counts) < 2:
        return set()
    chosen: set[int] = set()
    for i in rng.permutation(len(counts)):
        after = counts[[*chosen, int(i)]].sum()
        if after <= max(1.4 * _VALIDATION * counts.sum(), LEAST_CLUSTERS["validation"]):
            chosen.add(int(i))
    if not chosen:
        chosen = {int(counts.argmin())}
    held_back = counts[list(chosen)].sum()
    enough = held_back >= LEAST_CLUSTERS["validation"] and counts.sum() - held_back >= LEAST_CLUSTERS["training"]
    return chosen if enough else set()


# ---------------------------------------------------------------------- outsiders


def _merged(first: Library, second: Library, rng: np.random.Generator) -> Library:
    """Each row's two clusters, side by side along a random direction about their common centre."""
    from scipy import ndimage

    from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX

    mass = np.stack([np.exp(part.log_integral - part.log_scale) for part in (first, second)])
    weight = mass / mass.sum(axis=0)
    y, x = np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2
    radius = np.hypot(y, x) * NM_PER_PX
    raw = np.empty_like(first.raw, dtype=np.float32)
    for i in range(len(first)):
        angle = rng.uniform(0, 2 * np.pi)
        apart = 0.375 * (first.diameter_nm[i] + second.diameter_nm[i]) / NM_PER_PX
        direction = np.array([np.sin(angle), np.cos(angle)]) * apart
        shift_first, shift_second = np.round(-weight[1, i] * direction), np.round(weight[0, i] * direction)
        # the second brings no background of its own, whose noise would betray the pair
        lone = np.where(radius < 0.6 * second.diameter_nm[i] + 0.15, second.raw[i].astype(np.float32), 0.0)
        raw[i] = weight[0, i] * ndimage.shift(first.raw[i].astype(np.float32), shift_first, order=0, mode="reflect")
        raw[i] += weight[1, i] * ndimage.shift(lone, shift_second, order=0)
    return replace(
        first,
        raw=raw.astype(np.float16),
        noise=(first.noise * weight[0]).astype(np.float32),
        log_integral=first.log_scale + np.log(mass.sum(axis=0)),
        diameter_nm=np.hypot(first.diameter_nm, second.diameter_nm),
        n_atoms=first.n_atoms + second.n_atoms,
        whole=np.zeros(len(first), dtype=bool),
    )
