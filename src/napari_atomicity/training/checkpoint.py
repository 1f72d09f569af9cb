"""Where a training run stands, in one file: safetensors whose header carries the rest as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ConfigDict, Field

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.tensors import header_of
from napari_atomicity.kinds import Entry
from napari_atomicity.schema import Door, read_bytes

if TYPE_CHECKING:
    import torch

_FACTS: Final = "facts"
_HASH: Final = "tensors_sha256"
#: of the network, the best one so far, and two moments a parameter
_MOST_BYTES: Final = 2**30


class _Metadata(Entry):
    facts: str


class _Header(Entry):
    metadata: _Metadata = Field(alias="__metadata__")


class _Facts(Entry):
    model_config = ConfigDict(extra="allow")

    fingerprint: str
    losses: list[Annotated[float, Field(allow_inf_nan=True)]] = Field(default_factory=list)
    generator: dict[str, Any]
    tensors_sha256: str = ""


_HEADER: Final = Door(_Header)
_DOOR: Final = Door(_Facts)


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
        return {name.removeprefix(head): tensor for name, tensor in self.tensors.items() if name.startswith(head)}


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint in one step: a kill leaves the previous one.

    Parameters
    ----------
    checkpoint
        The state after an epoch.
    path
        The file.
    """
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    facts = {**checkpoint.facts, _HASH: _hash_of(save(tensors))}
    content: bytes = save(tensors, metadata={_FACTS: json.dumps(facts)})

    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_atomically(path, write)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint in a file, if it can be used.

    Parameters
    ----------
    path
        The file.
    fingerprint
        Hash of configuration and data of the run that wants to go on.

    Returns
    -------
    Checkpoint or None
        None where there is none, it is damaged, or it belongs to another run.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = read_bytes(path, _MOST_BYTES)
        facts = _DOOR.check(_HEADER.check(header_of(content, path.name), path.name).metadata.facts.encode(), path.name)
        if facts.fingerprint != fingerprint or facts.tensors_sha256 not in ("", _hash_of(content)):
            return None
        return Checkpoint(load(content), facts.model_dump(exclude={_HASH}))
    except (OSError, ValueError, KeyError, InputError, SafetensorError):
        return None


def _hash_of(content: bytes) -> str:
    """SHA-256 of the tensors in a safetensors file, whatever its header says besides."""
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()
