"""What the planes of a tensor are compared with: the same architecture, or the same values, without what was learned.

``shuffle``   the tensor's own values in random order: all that one checkpoint allows, and it shows arrangement alone
``initial``   the weights that the training started from, where the zoo knows them
``random``    random initializations of several seeds

Each gives a mean and a spread per plane. Without the spread a threshold means nothing: a plane of 500 random weights
varies by a percent, one of a million by 0.03 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from complexity_lab.binary.planes import Quantized, quantize
from complexity_lab.controls.level_shuffle import shuffled_planes
from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import ctm_table
from complexity_lab.estimators.presets import preset as preset_named
from complexity_lab.estimators.qubd import Rules
from complexity_lab.weights.source import NamedTensor, WeightSource

ReferenceName = Literal["shuffle", "initial", "random"]
SHUFFLES = 20
FIRST_RANDOM_SEED = 1000  # of the reference random: no network of a zoo is trained from it


@dataclass(frozen=True, eq=False)
class PlaneReference:
    """What the planes of one tensor would score without what was learned.

    Attributes:
        mean: bits, float64 ``[planes]``, least significant first.
        sd: spread of one draw, bits, float64 ``[planes]``.
        draws: how many draws the mean is of.
        freedom: degrees of freedom of ``sd``.
    """

    mean: np.ndarray
    sd: np.ndarray
    draws: int
    freedom: int

    @classmethod
    def of(cls, profiles: np.ndarray) -> PlaneReference:
        """Return mean and sample sd of profiles ``[draws, planes]``, bits.

        Raises:
            InputError: fewer than two draws.
        """
        if len(profiles) < 2:
            raise InputError(f"{counted(len(profiles), 'draw')} of the reference, wanted 2 or more: one has no spread")
        return cls(profiles.mean(axis=0), profiles.std(axis=0, ddof=1), len(profiles), len(profiles) - 1)


class Reference(Protocol):
    """Anything that knows a tensor's planes without what was learned."""

    @property
    def name(self) -> ReferenceName:
        """The name on the command line."""
        ...

    def planes(self, place: int, tensor: NamedTensor, rules: Rules) -> PlaneReference | None:
        """Return the reference of the tensor at this place of the model; None if it has none of its name and shape."""
        ...


@dataclass(frozen=True)
class ShuffledSelf:
    """The values of the tensor permuted.

    Attributes:
        draws: permutations, 2 or more.
        seed: of the permutations; a tensor's place in the model names its own stream.
        threads: permutations side by side; no number depends on it.
    """

    draws: int = SHUFFLES
    seed: int = 0
    threads: int = 1
    name: ReferenceName = "shuffle"

    def planes(self, place: int, tensor: NamedTensor, rules: Rules) -> PlaneReference:
        """Draw the permutations of one tensor."""
        profiles = shuffled_planes(
            quantized(tensor.values, rules),
            ctm_table,
            boundary=rules.boundary,
            repetitions=self.draws,
            seed=(self.seed, place),
            threads=self.threads,
        )
        return PlaneReference.of(profiles)


@dataclass(frozen=True)
class OwnInitial:
    """The initial weights of the same training: one draw, whose spread is that of the tensor's own permutations.

    Attributes:
        weights: profile in bits of each tensor of the initial weights with its shape, see ``profiles_of``.
        spread: where the spread comes from.
    """

    weights: Mapping[str, tuple[tuple[int, ...], np.ndarray]]
    spread: ShuffledSelf
    name: ReferenceName = "initial"

    def planes(self, place: int, tensor: NamedTensor, rules: Rules) -> PlaneReference | None:
        """Return the profile of the initial tensor with the spread of permutations."""
        shape, profile = self.weights.get(tensor.name, ((), np.empty(0)))
        if shape != tensor.values.shape:
            return None
        drawn = self.spread.planes(place, tensor, rules)
        return PlaneReference(profile, drawn.sd, 1, drawn.freedom)


@dataclass(frozen=True)
class RandomWeights:
    """Random initializations of the same architecture, each as ``profiles_of`` gives it."""

    draws: Sequence[Mapping[str, tuple[tuple[int, ...], np.ndarray]]]
    name: ReferenceName = "random"

    def planes(self, place: int, tensor: NamedTensor, rules: Rules) -> PlaneReference | None:  # noqa: ARG002
        """Return mean and spread over the initializations."""
        found = [draw.get(tensor.name, ((), np.empty(0))) for draw in self.draws]
        if any(shape != tensor.values.shape for shape, _ in found):
            return None
        return PlaneReference.of(np.array([profile for _, profile in found]))


def profiles_of(source: WeightSource, rules: Rules) -> dict[str, tuple[tuple[int, ...], np.ndarray]]:
    """Return shape and profile (bits, least significant plane first) of every tensor that the rules score."""
    return {
        tensor.name: (tensor.values.shape, np.array(rules.score(tensor.values).planes))
        for tensor in plane_tensors(source)
        if rules.why_not(tensor.values.shape, tensor.name) is None
    }


def plane_tensors(source: WeightSource) -> Iterable[NamedTensor]:
    """Yield the tensors that are rounded: floating, trainable, two axes or more."""
    return (tensor for tensor in source.tensors() if isinstance(tensor, NamedTensor) and np.ndim(tensor.values) >= 2)


def plane_rules(preset: str, bits: int) -> Rules:
    """Return the rules of a preset with so many planes.

    Raises:
        InputError: not 2 to 8 planes, which weights are rounded to, or a preset without any.
        UnknownNameError: no such preset.
    """
    if not 2 <= bits <= 8:
        raise InputError(f"{counted(bits, 'bit')}, wanted 2 to 8")
    rules = preset_named(preset).rules
    if rules is None:
        raise InputError(f"preset {preset} has no bit planes; wanted fixed or qubd-paper")
    return replace(rules, bits=bits)


def quantized(values: np.ndarray, rules: Rules) -> Quantized:
    """Return a tensor on the grid of levels that these rules give it."""
    return quantize(values, rules.bits, clip=rules.clip, smallest_span=rules.smallest_span)
