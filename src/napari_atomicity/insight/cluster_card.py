"""One cluster beside its fellows: what the network sees of it, where it stands in its frame, what it looks like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, ClusterTable, class_label
from napari_atomicity.counting.patches import NM_PER_PX, Patches, channel_pictures, in_atoms
from napari_atomicity.wording import FLAGS, chance, flag_sentence, nm, percent

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.insight.attribution import Attribution
    from napari_atomicity.insight.library import LibraryClusters

Floats = npt.NDArray[np.float64]

#: contours are drawn where a map reaches these parts of its highest value
LEVELS: Final = (0.35, 0.7)
#: below and above these shares of the library's own distances a distance is no longer the usual one
_CLOSE, _FAR = 0.25, 0.9
_GRADES: Final = 4
#: the middle of a patch, where the cluster lies, in pixels from its centre
_MIDDLE_PX: Final = 16.0


def in_short(table: ClusterTable, row: int) -> list[str]:
    """What one cluster is, for one line: label, atoms, diameter and what is odd about it, as far as they are known.

    Parameters
    ----------
    table, row
        The clusters and which of them is meant.
    """
    cluster = table.rows.iloc[row]
    label, mine, flag = str(cluster["label"]), str(cluster["annotation"]), str(cluster["flag"])
    sure = cluster["confidence"]
    said = f"{label} {chance(sure)}" if np.isfinite(sure) else label
    words = [f"{mine}, your label"] if mine else []
    words += [f"the model says {said}" if mine else said] if label else ["not counted"]
    if np.isfinite(cluster["n_atoms"]):
        words.append(f"{cluster['n_atoms']:.0f} ± {cluster['n_atoms_sd']:.0f} atoms")
    if np.isfinite(cluster["diameter_nm"]):
        words.append(nm(float(cluster["diameter_nm"])))
    return words if flag == "ok" else [*words, FLAGS.get(flag, flag)]


def notes(table: ClusterTable, row: int, counted: bool, unseen: bool) -> list[str]:
    """What a person must know of one cluster before trusting its numbers, a sentence each.

    Parameters
    ----------
    table, row
        The clusters and which of them is meant.
    counted
        Whether any cluster of the table carries a label.
    unseen
        Whether too little of it lies in the image for a label; that is said elsewhere.
    """
    cluster = table.rows.iloc[row]
    sentences = []
    if not cluster["label"] and not counted:
        sentences.append("Not counted yet: count the atoms to see what the model makes of it.")
    elif not cluster["label"] and not unseen:
        sentences.append("Placed or moved since the last count: count again to label it.")
    elif int(cluster["id"]) in table.hand_placed:
        sentences.append("You placed or moved this one by hand.")
    if sentence := flag_sentence(str(cluster["flag"])):
        sentences.append(sentence)
    if cluster["label"] == OTHER and cluster["confidence"] < np.nanmax([*table.probabilities[row], 0.0]):
        sentences.append(
            f"Called other because a chance of {percent(cluster['confidence'], 0)} of being none of the classes is "
            "too high for a label, though one of them is likelier."
        )
    return sentences


# ---------------------------------------------------------------------- chances


def class_labels(table: ClusterTable, card: ModelCard | None) -> tuple[str, ...]:
    """Label of each class of the table, in the element of `card`, or else of the labels themselves.

    Parameters
    ----------
    table
        Clusters with the probabilities of some classes.
    card
        Of the model; one with other classes says nothing of these.
    """
    if card is not None and card.class_sizes == table.class_sizes:
        return card.labels
    named = (re.fullmatch(r"([A-Za-z]+)\d+", str(label)) for label in table.rows["label"].unique())
    element = next((match[1] for match in named if match), "Pt")
    return tuple(class_label(size, element) for size in table.class_sizes)


def chances(table: ClusterTable, row: int, labels: tuple[str, ...]) -> list[tuple[str, float]]:
    """Probability of each class and of ``other`` for one cluster; empty where it is not counted.

    Parameters
    ----------
    table, row
        The clusters and which of them is meant.
    labels
        Of `class_labels`.
    """
    inside = table.probabilities[row] if table.class_sizes else np.empty(0)
    if not len(inside) or not np.isfinite(inside).all():
        return []
    # the probabilities of the classes and of being none of them add up to 1
    rest = float(np.clip(1 - inside.sum(), 0, 1))
    return [*zip(labels, inside.tolist(), strict=True), (OTHER, rest)]


def target_of(table: ClusterTable, row: int, card: ModelCard) -> int | None:
    """Index of the most probable class, which its maps explain; None where this model has not counted it.

    Parameters
    ----------
    table, row
        The clusters and which of them is meant.
    card
        Of the model that explains.
    """
    if table.class_sizes != card.class_sizes or not np.isfinite(table.probabilities[row]).all():
        return None
    return int(table.probabilities[row].argmax())


# ---------------------------------------------------------------------- what the network sees


def channels_of(patches: Patches, card: ModelCard | None, log_scale: float = np.nan) -> npt.NDArray[np.float32]:
    """(n, channels, 64, 64) pictures that the network of `card` is fed; the raw one alone without a model.

    Parameters
    ----------
    patches
        Of n clusters.
    card
        Of the model, which says how many channels there are and how they are made.
    log_scale
        Logarithm of the whole intensity of one atom, counts·nm²; nan where it is not known.
    """
    if card is None:
        return patches.raw[:, None]
    scale = log_scale if np.isfinite(log_scale) else patches.log_integral - np.log(card.class_sizes).mean()
    picture, noise = in_atoms(patches, scale)
    seen: npt.NDArray[np.float32] = channel_pictures(picture, noise, len(card.channels), card.lcn_window_nm).numpy()
    return seen


def as_grey(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(64, 64) grey levels that show the cluster in the middle well, whatever bright neighbour it has."""
    y, x = np.indices(picture.shape) - (np.array(picture.shape).reshape(2, 1, 1) - 1) / 2
    low = np.percentile(picture, 2)
    high = np.percentile(picture[np.hypot(y, x) < _MIDDLE_PX], 99.5)
    scaled = (picture - low) / max(float(high - low), 1e-9)
    return np.asarray(np.clip(255 * scaled, 0, 255), dtype=np.uint8)


def contours(heat: npt.NDArray[np.float32], resolution_nm: float) -> tuple[tuple[Floats, ...], ...]:
    """Closed lines, as (k, 2) places (y, x) in pixels of the patch, along which a map reaches each of `LEVELS`.

    The map is smoothed to its resolution first: the corners between its cells mean nothing.

    Parameters
    ----------
    heat
        (64, 64) map of one channel.
    resolution_nm
        Side of its cells.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.measure import find_contours

    smooth = gaussian_filter(heat, resolution_nm / NM_PER_PX / 2.355, mode="nearest")
    top = float(smooth.max(initial=0.0))
    if top <= 0:
        return tuple(() for _ in LEVELS)
    walled = np.pad(smooth, 1)
    return tuple(tuple(line - 1.0 for line in find_contours(walled, level * top)) for level in LEVELS)


def channel_words(attribution: Attribution, channel: int, label: str) -> str:
    """What one channel of the first map says about `label`; empty where there is nothing to say.

    Parameters
    ----------
    attribution
        Heat maps, of which the first counts.
    channel
        Index into its channels.
    label
        Of the class that they explain.
    """
    silent = attribution.target[0] >= 0 and attribution.empty[0, channel]
    return f"nothing in this channel speaks for {label}" if silent else ""


def contour_words(attribution: Attribution, label: str) -> str:
    """What the contours of the first map mean, in about two lines.

    Parameters
    ----------
    attribution
        Heat maps, of which the first counts.
    label
        Of the class that they explain.
    """
    if attribution.target[0] < 0:
        return ""
    if attribution.empty[0].all():
        return f"No contours: nothing in the picture speaks for {label}."
    return (
        f"Contours: evidence for {label}, relative to each channel's peak. "
        f"Detail finer than {nm(attribution.resolution_nm)} means nothing."
    )


# ---------------------------------------------------------------------- what it looks like


@dataclass(frozen=True, eq=False)
class Alike:
    """The library of a model, and how far apart its clusters usually lie.

    Attributes
    ----------
    library
        The library clusters.
    usual
        (m,) distance of each library cluster to its nearest fellow, ascending.
    """

    library: LibraryClusters
    usual: Floats

    def nearest(self, features: npt.NDArray[np.float32], n: int = 4) -> list[tuple[int, float]]:
        """Rows of the library clusters nearest to a cluster of `features` (f,), nearest first, with their distances.

        Parameters
        ----------
        features
            (f,) of one cluster.
        n
            How many.
        """
        rows, distance = self.library.nearest(features[None], n)
        return [(int(row), float(far)) for row, far in zip(rows[0], distance[0], strict=True) if row >= 0]

    def in_short(self, distance: float) -> str:
        """How alike a library cluster at a distance is, in a word or two."""
        return ("very alike", "alike", "less alike", "hardly alike")[self._grade(distance)] if len(self.usual) else ""

    def words(self, distance: float) -> str:
        """How alike the nearest library cluster is, beside what library clusters are to one another."""
        if not len(self.usual):
            return ""
        grade = self._grade(distance)
        if grade == _GRADES - 1:
            return "Less alike than any simulated cluster is to its nearest fellow: the model has hardly seen its like."
        return f"{('More', 'As', 'Less')[grade]} alike {'as' if grade == 1 else 'than'} simulated clusters usually are."

    def _grade(self, distance: float) -> int:
        """From 0, alike, to 3, farther away than any library cluster is from its nearest fellow."""
        beyond = np.searchsorted(self.usual, distance) / len(self.usual)
        return int(beyond >= _CLOSE) + int(beyond > _FAR) + int(distance > self.usual[-1])


def alike_of(bundle: Bundle) -> Alike:
    """What clusters can be compared with, for the model `bundle`.

    Raises
    ------
    InputError
        For a model that carries no library clusters.
    """
    from napari_atomicity.insight.library import library_of

    library = library_of(bundle)
    # the nearest of all is the cluster itself
    _, distance = library.nearest(library.features, 2)
    return Alike(library, np.sort(distance[:, 1]) if distance.shape[1] > 1 else np.empty(0))
