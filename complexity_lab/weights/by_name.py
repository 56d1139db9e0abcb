"""Tensors of a source by their names, so that two sources can be read pairwise whatever their orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from complexity_lab.weights.order import OrderRule
from complexity_lab.weights.source import NamedTensor, Reader, SkippedTensor, WeightSource


@runtime_checkable
class ByName(Protocol):
    """A source whose tensors can be read in any order."""

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader, in the order of ``tensors``; an array is valid until the next tensor is read."""
        ...


def readers_of(source: WeightSource) -> dict[str, Reader]:
    """Return name -> reader of every tensor, in the source's own order.

    All sources of this folder read one tensor at a time. Another source, which can only be read from its beginning, is
    read once and copied into memory.
    """
    if isinstance(source, ByName):
        return source.readers()
    return {tensor.name: partial(_same, _kept(tensor)) for tensor in source.tensors()}


def _kept(tensor: NamedTensor | SkippedTensor) -> NamedTensor | SkippedTensor:
    if isinstance(tensor, SkippedTensor):
        return tensor
    return tensor._replace(values=tensor.values.copy())


def _same(tensor: NamedTensor | SkippedTensor) -> NamedTensor | SkippedTensor:
    return tensor


@dataclass(frozen=True)
class Selected:
    """Some tensors of a source in a given order, as a source of their own."""

    available: Mapping[str, Reader]
    names: Sequence[str]
    label: str
    order_rule: OrderRule

    def tensors(self) -> Iterator[NamedTensor | SkippedTensor]:
        """Yield the tensors of these names, in the order of the names."""
        for name in self.names:
            yield self.available[name]()

    def readers(self) -> dict[str, Reader]:
        """Return name -> reader, in the order of ``tensors``."""
        return {name: self.available[name] for name in self.names}
