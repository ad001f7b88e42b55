"""Checkpoints of a fit under way, from which it goes on after a crash. They are removed when the stage is complete.

    FOLDER/000007/weights.safetensors   the model
                  state.safetensors     tensors of the optimisers, of the random state and so on
                  best.safetensors      the model of the best epoch so far: a hard link, so it is on the disk once
                  checkpoint.json       the rest, the identity of the fit and a checksum of each file
           tables/                      mapped tables as they are now, with what they were at the checkpoints; or
                  000007/               what each process wrote of sharded ones

Each is whole or absent, the two newest are kept, and nothing in them is pickled.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from shortlist.core.errors import DataError, EnvironmentFault
from shortlist.core.files import clear_unfinished, link_or_copy, read_json, whole_folder, write_json
from shortlist.core.progress import Reporter
from shortlist.nn.mapped import NO_TABLES
from shortlist.nn.ranks import agreed, rank
from shortlist.training.state import join_state, split_state

KEPT = 2
_WEIGHTS, _STATE, _BEST = "weights.safetensors", "state.safetensors", "best.safetensors"
_FACTS = "checkpoint.json"
_NUMBERED = re.compile(r"\d{6}")
# What a file that was cut short or never reached the disk makes of reading it. Memory that cannot be had, which torch
# reports as a RuntimeError, or a file that may not be opened is no damage, and removes nothing.
_DAMAGE = (FileNotFoundError, SafetensorError, ValueError, KeyError, TypeError)

Best = Literal["none", "earlier", "this"]
"""Whether there is a best epoch yet, and whether its weights are those being saved."""


@dataclass(frozen=True)
class Checkpoint:
    """A state that was kept."""

    weights: Mapping[str, Tensor]
    state: Any
    """As it was given to `save`."""
    written: float
    """Unix seconds."""
    number: int
    best: int | None
    """The number of the best epoch's checkpoint, as this one knows it."""


class Tables(Protocol):
    """Tables that are not written with the weights, but follow the checkpoints themselves."""

    everywhere: bool
    """Whether each process has a part of them, and writes it at every checkpoint."""

    def start(self, number: int, best: int | None) -> None:
        """Checkpoint `number` is about to be written; `best` is the best epoch's."""

    def forget(self, oldest: int, best: int | None) -> None:
        """Checkpoints before `oldest` are gone, but for that of the best epoch that it knows of."""

    def check(self, number: int) -> None:
        """ValueError where not all is there that belongs to checkpoint `number`."""

    def go_on(self, number: int, best: int | None) -> None:
        """Be what they were at checkpoint `number`, to be trained from there."""

    def roll_back(self, number: int) -> None:
        """Be what they were at checkpoint `number`, to be kept."""

    def clear(self) -> None:
        """There is no checkpoint: be new."""

    def keep(self, folder: Path) -> None:
        """Leave the weights in `folder` as mapped tables."""


class Checkpoints:
    """The checkpoints of one fit in a folder of their own.

    `identity` says by name what they belong to, such as the schema, each as a fingerprint or another short text: one
    that differs is refused. `seconds` is the least time between two that are not at the end of an epoch. `tables` are
    the model's mapped or sharded ones.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, str],
        seconds: float,
        reporter: Reporter,
        stage: str,
        tables: Tables = NO_TABLES,
    ) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.seconds = seconds
        self.reporter = reporter
        self.stage = stage
        self.tables = tables
        if rank() == 0:
            clear_unfinished(folder)
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether this process is to take part in another: the newest is old enough."""
        is_old = time.monotonic() - self._written >= self.seconds
        return bool(agreed(is_old)) if self.tables.everywhere else is_old and rank() == 0

    def take_part(self) -> None:
        """While the first process saves: write what only this one has."""
        if self.tables.everywhere:
            self.tables.start(0, None)

    def save(self, weights: Mapping[str, Tensor], state: Any, best: Best) -> None:
        """Add a checkpoint and drop what is older than the two newest."""
        numbered = self._numbered()
        newest = numbered[-1] if numbered else None
        number = int(newest.name) + 1 if newest else 1
        place = self._place(number)
        earlier = _best(newest) if newest is not None else None
        best_number = {"none": None, "earlier": earlier, "this": number}[best]
        tensors: dict[str, Tensor] = {}
        state = split_state(state, "state", tensors)
        facts = {"identity": self.identity, "written": time.time(), "best": best_number, "state": state}
        self.tables.start(number, best_number)
        with whole_folder(place) as draft:
            checksums = {_WEIGHTS: _write(draft / _WEIGHTS, weights), _STATE: _write(draft / _STATE, tensors)}
            if best == "this":
                link_or_copy(draft / _WEIGHTS, draft / _BEST)
                checksums[_BEST] = checksums[_WEIGHTS]
            elif best == "earlier" and newest is not None:
                link_or_copy(newest / _BEST, draft / _BEST)
                checksums[_BEST] = read_json(newest / _FACTS)["checksums"][_BEST]
            write_json(draft / _FACTS, {**facts, "checksums": checksums})
        kept = [*numbered, place][-KEPT:]
        for older in [*numbered, place][:-KEPT]:
            shutil.rmtree(older)
        self.tables.forget(int(kept[0].name), _best(kept[0]))
        self._written = time.monotonic()

    def latest(self) -> Checkpoint | None:
        """The newest that is whole, as the first process finds it, which removes those that are damaged.

        DataError if it is of something else; EnvironmentFault where another process does not find the same one.
        """
        found = self._newest_whole() if rank() == 0 else None
        # A host may see a shared folder as it was some seconds ago: were each to look for itself, they might part here.
        number = int(agreed(found.number if found is not None else 0))
        if number == 0:
            self.tables.clear()
            return None
        if found is None:
            found = self._same_as_first(number)
        self.tables.go_on(number, found.best)
        return found

    def best(self) -> dict[str, Tensor]:
        """The weights of the best epoch that the newest checkpoint knows of; mapped tables go back to it themselves."""
        place = self._numbered()[-1]
        number = _best(place)
        if number is not None:
            self.tables.roll_back(number)
        return _read(place / _BEST, read_json(place / _FACTS)["checksums"][_BEST])

    def _newest_whole(self) -> Checkpoint | None:
        for place in reversed(self._numbered()):
            try:
                return self._load(place)
            except _DAMAGE as error:
                said = _said(error)
                self.reporter.say(self.stage, f"the checkpoint {place.name} is damaged ({said}): trying the one before")
                shutil.rmtree(place)
        return None

    def _same_as_first(self, number: int) -> Checkpoint:
        """What the first process has read, and found whole: nothing is removed here."""
        place = self._place(number)
        try:
            return self._load(place)
        except (*_DAMAGE, OSError) as error:
            raise EnvironmentFault(
                f"process {rank() + 1} on {socket.gethostname()} cannot go on from {place} ({_said(error)}), which the "
                "first process has read. Every host must see the same files there: if the file system shows them late, "
                "run the same command again."
            ) from error

    def _load(self, place: Path) -> Checkpoint:
        """What lies there; one of `_DAMAGE` where it is not whole, DataError if it is of something else."""
        facts, number = read_json(place / _FACTS), int(place.name)
        self._check(facts["identity"], place)
        self.tables.check(number)
        files = {name: _read(place / name, checksum) for name, checksum in facts["checksums"].items()}
        state = join_state(facts["state"], files[_STATE])
        return Checkpoint(files[_WEIGHTS], state, facts["written"], number, facts["best"])

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}"

    def _numbered(self) -> list[Path]:
        """The folders of the checkpoints, the oldest first."""
        return sorted(path for path in self.folder.glob("*") if _NUMBERED.fullmatch(path.name))

    def _check(self, found: Mapping[str, str], place: Path) -> None:
        for name, expected in self.identity.items():
            if found.get(name) != expected:
                raise DataError(
                    f"{place} is a checkpoint of another {name}: expected {expected}, found {found.get(name)}. Go on "
                    f"with what it was made from, or remove {self.folder} to train from the beginning."
                )


def _said(error: Exception) -> str:
    return "cannot be read" if isinstance(error, json.JSONDecodeError) else str(error)


def _best(place: Path) -> int | None:
    """The number of the best epoch's checkpoint, as one of them knows it."""
    number: int | None = read_json(place / _FACTS)["best"]
    return number


def _write(path: Path, tensors: Mapping[str, Tensor]) -> int:
    """Write the tensors and return their checksum."""
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    save_file(on_cpu, path)
    return _checksum(on_cpu)


def _read(path: Path, checksum: int) -> dict[str, Tensor]:
    """The tensors of a file; ValueError if they are not those that were written."""
    tensors = load_file(path)
    if _checksum(tensors) != checksum:
        raise ValueError(f"{path.name} is not what was written")
    # Memory of their own: as they are they lie in the file, and at places that no vector instruction likes.
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 over the bytes of the tensors, in the order of their names."""
    checksum = 0
    for _, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum
