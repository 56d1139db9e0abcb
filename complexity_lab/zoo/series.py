"""Checkpoints of one training in files: found by the step in their names, and opened in one order of tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from complexity_lab.errors import InputError, UnreachableError
from complexity_lab.weights.from_checkpoint import SUFFIXES, open_file, order_of
from complexity_lab.weights.from_safetensors import SafetensorsShards, order_in
from complexity_lab.weights.order import Ordering, OrderRule
from complexity_lab.weights.source import NamedTensor, Order, SkippedTensor
from complexity_lab.zoo import sources
from complexity_lab.zoo.architecture import ordering_of

_WORD = r"(?:global[-_]?step|step|checkpoint|ckpt|iteration|iter|epoch)"
_NAMED = re.compile(rf"(?<![a-z]){_WORD}[-_=]?(\d+)(?!\d)", re.IGNORECASE)
_SHARD = re.compile(r".*-of-\d+")
_TORCH_MODEL = "pytorch_model.bin"  # next to it, trainers leave their optimizer's state in files of these suffixes


class Checkpoint(Protocol):
    """Weights of a training after so many steps."""

    @property
    def step(self) -> int:
        """The number in its name."""
        ...

    @property
    def label(self) -> str:
        """The file, directory or revision."""
        ...

    def files(self) -> AbstractContextManager[tuple[Path, ...]]:
        """Return the file, or the shards, of the weights; they may be gone when the context ends.

        Raises:
            ComplexityLabError: it cannot be read or fetched.
        """
        ...


@dataclass(frozen=True)
class FileCheckpoint:
    """A checkpoint that is a file, or a directory with one file of weights or the shards of one."""

    step: int
    path: Path

    @property
    def label(self) -> str:
        """The name of the file or directory."""
        return self.path.name

    def files(self) -> AbstractContextManager[tuple[Path, ...]]:
        """Return the files; whether they can be read shows when they are."""
        return nullcontext(weight_files(self.path) if self.path.is_dir() else (self.path,))


def weight_files(directory: Path) -> tuple[Path, ...]:
    """Return the files of the one model in a directory, safetensors first.

    Raises:
        UnreachableError: there are no weights.
        InputError: there are several models.
    """
    if not any(directory.glob("*.safetensors")) and (directory / _TORCH_MODEL).exists():
        return (directory / _TORCH_MODEL,)
    return sources.weight_files(directory)


def step_of(name: str) -> int | None:
    """Return the step in a name without suffix, None if there is none.

    A number after a word such as step or checkpoint counts, the last one if there are several; else the name has to
    be a number.

    >>> [step_of(name) for name in ("step-100", "checkpoint-20", "epoch=3-step=40", "stage1-step50-tokens2B", "7")]
    [100, 20, 40, 50, 7]
    >>> step_of("optimizer") is None
    True
    """
    named = _NAMED.findall(name)
    if named:
        return int(named[-1])
    return int(name) if name.isascii() and name.isdigit() else None


def in_files(directory: Path) -> tuple[list[FileCheckpoint], list[str]]:
    """Return the checkpoints of a directory in the order of their steps, and the names that say no step.

    Raises:
        UnreachableError: there is no such directory.
        InputError: no checkpoint in it, or two of one step.
    """
    if not directory.is_dir():
        raise UnreachableError(f"{directory} is no directory; wanted one that holds step-N checkpoints")
    found, others = [], []
    for path in sorted(directory.iterdir()):
        fits = path.is_dir() or (path.suffix in SUFFIXES and not _SHARD.fullmatch(path.stem))
        step = step_of(path.name if path.is_dir() else path.stem) if fits else None
        if step is not None:
            found.append(FileCheckpoint(step, path))
        elif fits and not path.name.startswith("."):
            others.append(path.name)
    if not found:
        raise InputError(
            f"{directory} holds no checkpoints named by their step; wanted step-100.safetensors, checkpoint-100/ or "
            f"100.pt, one per step"
        )
    return in_order(found), others


AnyCheckpoint = TypeVar("AnyCheckpoint", bound=Checkpoint)


def in_order(checkpoints: Iterable[AnyCheckpoint]) -> list[AnyCheckpoint]:
    """Return checkpoints in the order of their steps.

    Raises:
        InputError: two of them are of one step.
    """
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.step)
    for one, other in pairwise(ordered):
        if one.step == other.step:
            raise InputError(f"{one.label} and {other.label} are both of step {one.step}; wanted one checkpoint a step")
    return ordered


def order_of_files(files: Sequence[Path], order: OrderRule = "model") -> tuple[Order, OrderRule]:
    """Return names and shapes of the tensors of a checkpoint in the order that ``measure`` reads them in, and its rule.

    Raises:
        WeightsError: a file is truncated, corrupt or holds no tensors.
        UnreachableError: a file cannot be read.
    """
    ordering = ordering_of(files[0], order)
    if len(files) == 1:
        return order_of(files[0], ordering), open_file(files[0], ordering=ordering).order_rule
    return order_in(files, ordering), SafetensorsShards(tuple(files), "", ordering=ordering).order_rule


@dataclass(frozen=True)
class OrderedFiles:
    """The tensors of a checkpoint in the order that the whole series is read in.

    Strings of 12 run over the borders of tensors, so the same tensors in another order have another BDM.
    """

    files: tuple[Path, ...]
    label: str
    order: Order
    order_rule: OrderRule = "model"

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors.

        Raises:
            WeightsError: truncated, corrupt, or other tensors or shapes than the order has.
            UnreachableError: a file cannot be read.
        """
        ordering = Ordering(self.order_rule)
        if len(self.files) == 1:
            yield from open_file(self.files[0], self.order, ordering).tensors()
        else:
            yield from SafetensorsShards(self.files, self.label, self.order, ordering).tensors()
