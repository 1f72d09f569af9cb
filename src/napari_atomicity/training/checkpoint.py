"""Where a training run stands, in one file: safetensors whose header carries the rest as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity.io.atomic import write_atomically

if TYPE_CHECKING:
    import torch

_FACTS: Final = "facts"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state after an epoch.

    Attributes
    ----------
    tensors
        By name: network, best network so far, moments of the optimiser.
    facts
        JSON-serialisable: fingerprint of configuration and data, epochs done, losses, state of the random generator.
    """

    tensors: Mapping[str, torch.Tensor]
    facts: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors whose names begin with `prefix` and a dot, without it."""
        head = f"{prefix}."
        return {name.removeprefix(head): value for name, value in self.tensors.items() if name.startswith(head)}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write `checkpoint` in one step: a kill leaves the previous one."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    content: bytes = save(tensors, metadata={_FACTS: json.dumps(checkpoint.facts)})

    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_atomically(path, write)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint in `path`; None where there is none, it is damaged, or it belongs to another run."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        facts = json.loads(json.loads(content[8:end])["__metadata__"][_FACTS])
        if facts["fingerprint"] != fingerprint:
            return None
        return Checkpoint(load(content), facts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
