"""A session at the microscope: each image that comes is counted, joins the scale of all, and is written to disk."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.files import check_unchanged, file_state, image_hash, micrograph_hash
from napari_atomicity.io.lazy import read_when_asked
from napari_atomicity.io.names import free_stem, safe_name
from napari_atomicity.io.tables import read_table
from napari_atomicity.io.text import clean
from napari_atomicity.live.counting import LiveCount, live_count_steps
from napari_atomicity.live.images import Counted, NotWritten, Reading, place_of, seen_of, warnings_about
from napari_atomicity.live.ledger import Ledger
from napari_atomicity.live.quality import quality_of
from napari_atomicity.live.running_scale import RunningScale
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.shares import LiveShares, clusters_needed, live_shares
from napari_atomicity.live.tables import is_labelled, make_folder, save_counted, table_path
from napari_atomicity.micrograph import FloatImage
from napari_atomicity.pipeline import ImageState, Settings
from napari_atomicity.pipeline.count import search_steps
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.live.sources import Arrival

#: an image is counted again where the scale of its session has moved this far since, in ln(scale)
_MOVED: Final = 0.02
#: images after which a scale that does not move needs no more asking
_SETTLES_AFTER: Final = 8


class LiveSession:
    """A session at the microscope, in a folder of its own.

    Parameters
    ----------
    folder
        Where its tables are written; it has to exist.
    settings
        Of the search and the count.
    bundle
        The model.
    reading
        How files are read.
    profile
        Instrument profile that a known scale came from.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        bundle: Bundle,
        reading: Reading | None = None,
        profile: InstrumentProfile | None = None,
    ) -> None:
        self.folder, self.settings, self.bundle, self.profile = folder, settings, bundle, profile
        self.reading = reading or Reading()
        self.ledger = Ledger(folder)
        self.scale = RunningScale(settings.known)
        self._before: FloatImage | None = None
        self._quiet: set[str] = set()
        self._settled_at: float | None = None
        for seen in self.ledger.counted:
            self._check(seen)
        parts = [(seen.sha256, part) for seen in self.ledger.counted for part in seen.parts]
        self.scale.join({(sha256, part.frame): part.likelihood for sha256, part in parts})

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the classes."""
        return self.bundle.card.labels

    def shares(self) -> LiveShares:
        """The shares of the classes so far."""
        return live_shares(self.ledger.counts, self.labels)

    def needed(self, shares: LiveShares, half_width: float) -> int | None:
        """About how many more clusters until every share is known well enough; see `clusters_needed`.

        Parameters
        ----------
        shares
            As they are now.
        half_width
            What is wanted.
        """
        return clusters_needed(self.ledger.counts, shares, half_width)

    def warnings(self) -> list[str]:
        """Sentences about qualities of the images that have left their bands."""
        return warnings_about(self.ledger.counted)

    # ------------------------------------------------------------------ images come

    def take_steps(self, arrival: Arrival) -> Steps[Counted | None]:
        """Count an image that has come; None where its content was counted before.

        Parameters
        ----------
        arrival
            The image.

        Raises
        ------
        NotWritten
            Where the disk did not take it; the session is as it was.
        InputError
            Where it cannot be counted; the session is as it was.
        """
        start = time.perf_counter()
        arrival = self._on_disk(arrival)
        assert arrival.path is not None
        micrograph = self.reading.open(arrival.path)
        check_unchanged(arrival.path, arrival.state)
        sha256 = micrograph_hash(micrograph)
        known, replaced = self.ledger.images.get(sha256), self.ledger.at(arrival.path)
        if known is not None and known.outcome == "counted":
            self._note_place(known, arrival)
            return None
        stem = known.stem if known else replaced.stem if replaced else free_stem(arrival.name, self.ledger.stems())
        if is_labelled(table_path(self.folder, stem)):  # of an image that this one replaced: that table stays
            stem = free_stem(arrival.name, {*self.ledger.stems(), stem.casefold()})
        searched = yield from search_steps(ImageState(micrograph, settings=self.settings, profile=self.profile))
        live = yield from self._count_steps(searched, sha256)
        seen = seen_of(live, arrival, sha256, stem, quality_of(live, self._before), self.labels)
        try:
            make_folder(self.folder)
            save_counted(live.state, table_path(self.folder, stem))
            if replaced is not None:
                self.scale.remove(replaced.sha256)
                self.ledger.replace(replaced)
            self.ledger.note(seen)
        except InputError as error:
            self.scale.remove(sha256)
            raise NotWritten(str(error), arrival) from error
        self._quiet.clear()
        self._before = micrograph.frame(0)
        return Counted(seen, live.state, time.perf_counter() - start)

    def fail(self, arrival: Arrival, why: str) -> Seen:
        """Keep in the list that an image could not be counted.

        Parameters
        ----------
        arrival
            The image.
        why
            The reason.

        Raises
        ------
        InputError
            Where the disk does not take it.
        """
        # of a damaged file the content tells nothing: its place and time do
        mark = f"{arrival.path or arrival.name}@{arrival.when:.6f}"
        seen = Seen(
            "failed", f"failed:{mark}", arrival.name, safe_name(arrival.name), why=clean(why, 500),
            **place_of(arrival), when=time.time(), taken=arrival.when,
        )  # fmt: skip
        self.ledger.note(seen)
        return seen

    def stale(self) -> Seen | None:
        """The image whose labels rest on the scale that is farthest from what its session says by now, if any."""
        best = self.scale.best
        if best is None or (self._settled_at is not None and abs(best - self._settled_at) < _MOVED / 2):
            return None
        farthest, away = None, _MOVED
        for seen in self.ledger.counted:
            for part in seen.parts:
                if not part.log_likelihood or seen.sha256 in self._quiet:
                    continue
                grid, weight, _ = self.scale.posterior((seen.sha256, part.frame))
                off = abs(float(grid[int(weight.argmax())]) - part.labelled_at)
                if off > away:
                    farthest, away = seen, off
        if farthest is None and len(self.ledger.counted) >= _SETTLES_AFTER:
            self._settled_at = best
        return farthest

    def recount_steps(self, seen: Seen) -> Steps[Counted | None]:
        """Count an image again with the scale that its session has by now.

        Parameters
        ----------
        seen
            One of the counted images.

        Returns
        -------
        None where its pixels are no longer there, or a person labelled it; its labels stay.

        Raises
        ------
        InputError
            Where the disk does not take it; the labels stay.
        """
        start = time.perf_counter()
        self._quiet.add(seen.sha256)  # once for each new image is enough: the end counts all together
        state = None if is_labelled(table_path(self.folder, seen.stem)) else self.state_of(seen)
        if state is None:
            return None
        live = yield from self._count_steps(state, seen.sha256)
        again = self.noted_again(seen, live)
        return Counted(again, live.state, time.perf_counter() - start, again=True)

    def noted_again(self, seen: Seen, live: LiveCount) -> Seen:
        """Write down that an image was counted again.

        Parameters
        ----------
        seen
            As it was.
        live
            As it is now.

        Raises
        ------
        InputError
            Where the disk does not take it.
        """
        again = seen_of(live, None, seen.sha256, seen.stem, seen.quality, self.labels)
        changed = {
            name: getattr(again, name) for name in ("labels", "confusion", "parts", "analysed", "messages", "undecided")
        }
        again = replace(seen, **changed, when=time.time())
        save_counted(live.state, table_path(self.folder, seen.stem))
        self.ledger.note(again)
        return again

    def state_of(self, seen: Seen, keep_pixels: bool = False) -> ImageState | None:
        """An image with the clusters that were found in it, not counted; None where its pixels or table are gone.

        Parameters
        ----------
        seen
            One of the counted images.
        keep_pixels
            Whether its pixels stay in memory, instead of being read whenever they are asked for.
        """
        try:
            path = Path(seen.path)
            if file_state(path) != seen.state and image_hash(path) != seen.sha256:
                return None
            micrograph = self.reading.open(path)
            if not keep_pixels:
                micrograph = read_when_asked(micrograph, path, lambda: self.reading.open(path).data)
            table = read_table(table_path(self.folder, seen.stem)).without_predictions()
        except InputError:
            return None
        return ImageState(
            micrograph, table=table, searched=True, search_messages=tuple(seen.search_messages),
            settings=self.settings, profile=self.profile,
        )  # fmt: skip

    # ------------------------------------------------------------------ parts of it

    def _on_disk(self, arrival: Arrival) -> Arrival:
        """An image that came without a file gets one: what is counted can be opened later."""
        from napari_atomicity.live.pixels import save_pixels

        if arrival.path is not None or arrival.micrograph is None:
            return arrival
        micrograph = self.reading.calibrated(arrival.micrograph)
        try:
            path = save_pixels(micrograph, self.folder / "images", safe_name(arrival.name), arrival.when)
        except InputError as error:
            raise NotWritten(str(error), arrival) from error
        return replace(arrival, path=path, state=file_state(path), micrograph=None)

    def _count_steps(self, state: ImageState, sha256: str) -> Steps[LiveCount]:
        before = {key: part for key, part in self.scale.parts() if key[0] == sha256}
        done = False
        try:
            live = yield from live_count_steps(state, self.bundle, self.scale, sha256)
            done = True
            return live
        finally:
            if not done:  # stopped or failed in the middle: the session is as it was
                self.scale.remove(sha256)
                self.scale.join(before)

    def _note_place(self, known: Seen, arrival: Arrival) -> None:
        """The same content lies elsewhere now, or once more: where the old place is gone, the new one counts."""
        if arrival.path is not None and not Path(known.path).is_file():
            self.ledger.note(replace(known, **place_of(arrival)))

    def _check(self, seen: Seen) -> None:
        if len(seen.labels) != len(self.labels) + 1:
            raise InputError(
                f"The session in {self.folder} was counted by a model of other classes; choose another folder."
            )
