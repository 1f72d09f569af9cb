"""A network before which clusters lie, and what it answers about their classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import Patches, in_atoms, network_input
from napari_atomicity.insight import methods

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.network import Outputs
    from napari_atomicity.insight.question import Method


@dataclass(frozen=True, eq=False)
class Asked:
    """A network with b clusters before it, and the class of each that is to be explained.

    Attributes
    ----------
    bundle
        The model, with a network that nobody else runs.
    x, noise
        What the network sees, and the noise of each cluster.
    empty
        What it would see of the bare support.
    out
        What it says.
    chosen
        (b,) index of the class that is explained.
    against
        Index of the class that it is held against; None for the next smaller one.
    """

    bundle: Bundle
    x: torch.Tensor
    noise: torch.Tensor
    empty: torch.Tensor
    out: Outputs
    chosen: torch.Tensor
    against: int | None

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        patches: Patches,
        log_scale: npt.NDArray[np.float64],
        targets: npt.NDArray[np.int64],
        against: int | None,
    ) -> Asked:
        """Lay clusters before a copy of the network.

        Parameters
        ----------
        bundle
            The model.
        patches
            Of b clusters.
        log_scale
            (b,) logarithm of the whole intensity of one atom, counts·nm².
        targets
            (b,) index of the class to explain; that which is decided for where negative.
        against
            Index of the class that it is held against; None for the next smaller one.
        """
        import torch

        from napari_atomicity.counting.network import decision

        card = bundle.card
        # gradients hang hooks on the network, which other threads are running meanwhile: each gets one of its own
        bundle = replace(bundle, network=copy.deepcopy(bundle.network))
        picture, noise_of = in_atoms(patches, log_scale)
        bare, _ = in_atoms(methods.empty_support(patches), log_scale)
        x, empty = (network_input(one, noise_of, len(card.channels), card.lcn_window_nm) for one in (picture, bare))
        noise = torch.from_numpy(noise_of)
        with torch.inference_mode():
            out = bundle.network(x, noise)
            log_odds = decision(out, bundle.network.log_sizes, card.integral_tau, card.temperature_scaled)
        chosen = np.where(targets < 0, log_odds[:, :-1].argmax(dim=1).numpy(), targets)
        return cls(bundle, x, noise, empty, out, torch.as_tensor(chosen), against)

    def parts(self) -> npt.NDArray[np.float64]:
        """(b, 1 + channels) what the lead is made of."""
        found = methods.lead_parts(self.out, self.bundle.network, self.bundle.card, self.chosen, self.against)
        return np.asarray(found.double().numpy())

    def score(self, x: torch.Tensor) -> torch.Tensor:
        """The lead of each cluster's class for an input; of several copies of the clusters one after the other too."""
        network, copies = self.bundle.network, len(x) // max(len(self.chosen), 1)
        noise, chosen = self.noise.repeat(copies), self.chosen.repeat(copies)
        # the stated error is how sure the network is, not where it looked: that of the clusters as they are
        out = network(x, noise)._replace(log_n_sd=self.out.log_n_sd.repeat(copies))
        return methods.lead_parts(out, network, self.bundle.card, chosen, self.against).sum(dim=1)

    def maps(self, method: Method) -> npt.NDArray[np.float32]:
        """(b, channels, 26, 26) signed maps."""
        if not len(self.chosen):
            method = "density"
        network, channels = self.bundle.network, range(len(self.bundle.card.channels))
        if method == "density":
            return np.asarray(self.out.density.numpy())[:, None]
        if method == "integrated-gradients":
            return methods.integrated_gradients(network, self.x, self.empty, self.score)
        cam = {"grad-cam": methods.grad_cam, "hires-cam": methods.hires_cam}[method]
        return np.stack([cam(network, channel, self.x, self.score) for channel in channels], axis=1)


def channel_agreement(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Agreement of two sets of maps, channel by channel; see `agreement_of`.

    Parameters
    ----------
    first, second
        (b, channels, m, m) maps.

    Returns
    -------
    numpy.ndarray
        (b, channels) from -1 to 1.
    """
    channels = [agreement_of(first[:, i], second[:, i]) for i in range(first.shape[1])]
    return np.stack(channels, axis=1)


def agreement_of(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Pearson correlation of two sets of signed maps, cell by cell.

    Parameters
    ----------
    first, second
        (n, m, m) maps.

    Returns
    -------
    numpy.ndarray
        (n,) 1 for the same, 0 unrelated, below 0 contrary; nan where a map is the same everywhere.
    """
    a, b = (np.asarray(maps, dtype=np.float64).reshape(len(maps), -1) for maps in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(norm > 0, (a * b).sum(axis=1) / np.where(norm > 0, norm, 1.0), np.nan)
