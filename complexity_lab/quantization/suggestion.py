"""Bits per layer from its plane profile.

The rule (ours; the paper of QuBD gives none). Rounding to k bits drops the planes below the k most significant. A plane
may be dropped only if it was *seen to be random*:

1. It is **structured** if its BDM is below ``threshold`` percent of the reference *and* that would come about by chance
   in fewer than ``alpha`` of the tensors without structure: a one-sided t-test of one number against the draws of the
   reference, Bonferroni over the planes of the tensor. Both are needed: small tensors miss the threshold by chance,
   and large ones are significant by a thousandth.
2. It is **unresolved** if the spread of the reference is so wide that a drop to ``visible`` percent could have been
   chance, or if nearly all blocks occur, when BDM hardly moves. What cannot be seen is not dropped.
3. ``shown`` is the number of most significant planes down to the last that is structured or unresolved.
4. The suggestion is ``max(1, shown) + margin`` planes. Dropping planes adds noise: uniform over a step of the last kept
   plane, 1/12 of its square, against 1/4 that a balanced plane contributes. So ``margin`` planes more leave noise
   ``4.8 + 6.0 * margin`` decibels below the least of the structure; without margin it is a third as strong as that. The
   first plane counts even where it looks random: a random projection is all random, and its signs still matter.
5. A tensor too small to tell (its least significant plane is unresolved) gets **no suggestion** and keeps the highest
   bits, with the reason. Such tensors are many and hold few of the weights.

What the rule cannot know is how much the output depends on a layer. ``complexity-lab study run
studies/ptq_digits.toml`` measures what that costs, and whether the planes tell more than the margin alone. On small
networks they hardly do: as many bits spent by the rounding error of the weights, without planes, lost less there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.qubd import QuBD, Rules, plane_ratios
from complexity_lab.quantization.references import PlaneReference, Reference, plane_tensors
from complexity_lab.weights.source import Kind, NamedTensor, WeightSource

THRESHOLD = 99.0
VISIBLE = 95.0  # planes of trained layers with structure are seldom above; some 500 weights are enough to tell
MARGIN = 3
SATURATED = 0.999 * 65536  # distinct 4x4 blocks; from 6.9 million weights on in random planes


@dataclass(frozen=True)
class Rule:
    """What counts as structure, and how many planes are kept below it.

    Attributes:
        threshold: percent of the reference below which a drop matters, above 0 and below 100.
        visible: percent of the reference; where a drop to it could be chance, a plane is not called random; at most
            ``threshold``.
        alpha: share of tensors without structure that may be taken for structured, above 0 and below 1.
        margin: planes kept below the last structured one, 0 or more.
    """

    threshold: float = THRESHOLD
    visible: float = VISIBLE
    alpha: float = 0.01
    margin: int = MARGIN

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 100:
            raise InputError(f"threshold {self.threshold}, wanted percent of the reference, above 0 and below 100")
        if not 0 < self.visible <= self.threshold:
            raise InputError(f"visible {self.visible}, wanted percent, above 0 and at most the threshold")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha {self.alpha}, wanted a share above 0 and below 1")
        if self.margin < 0:
            raise InputError(f"margin {self.margin}, wanted planes, 0 or more")


@dataclass(frozen=True)
class Evidence:
    """What a comparison of a tensor's planes shows; least significant plane first.

    Attributes:
        percent: ``100 * C_l / C_l(reference)``.
        t: distance from the mean of the reference, in standard errors of one more draw.
        structured: whether the plane is simpler than the reference, by the rule.
        unresolved: whether nothing can be said of it.
    """

    percent: tuple[float, ...]
    t: tuple[float, ...]
    structured: tuple[bool, ...]
    unresolved: tuple[bool, ...]

    @property
    def shown(self) -> int:
        """Most significant planes that include every structured and every unresolved one; 0 if there is none."""
        kept = [s or u for s, u in zip(self.structured, self.unresolved, strict=True)]
        return len(kept) - kept.index(True) if any(kept) else 0


@dataclass(frozen=True)
class LayerSuggestion:
    """What one tensor gets.

    Attributes:
        tensor: dotted name.
        kind: kind of parameter.
        shape: of the tensor.
        weights: values in it.
        bits: suggested; the highest where there is no suggestion.
        suggested: whether the planes told.
        reason: why they did not; None if they did.
        evidence: plane by plane; None if the tensor was not scored.
    """

    tensor: str
    kind: Kind
    shape: tuple[int, ...]
    weights: int
    bits: int
    suggested: bool
    reason: str | None
    evidence: Evidence | None


def evidence(profile: QuBD, reference: PlaneReference, rule: Rule) -> Evidence:
    """Compare a tensor's planes with a reference, see the module.

    Raises:
        InputError: different numbers of planes.

    >>> flat = QuBD((100.0, 60.0), (9, 9), (8, 8), 4, 64, 0, 0.0, 1.0, 1.0)
    >>> found = evidence(flat, PlaneReference(np.full(2, 100.0), np.full(2, 0.1), 20, 19), Rule())
    >>> found.structured, found.unresolved, found.shown
    ((False, True), (False, False), 1)
    """
    percent = plane_ratios(profile, tuple(reference.mean))
    error = reference.sd * np.sqrt(1 + 1 / reference.draws)  # of one more draw against the mean of the others
    gap = np.array(profile.planes) - reference.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(gap) < 1e-9 * reference.mean, 0.0, gap / error)
    limit = critical_t(rule.alpha / profile.bits, reference.freedom)
    structured = (t < -limit) & (percent < rule.threshold)
    hidden = 100 * limit * error / reference.mean > 100 - rule.visible
    unresolved = (hidden & ~structured) | (np.array(profile.distinct) >= SATURATED)
    return Evidence(_floats(percent), _floats(t), tuple(map(bool, structured)), tuple(map(bool, unresolved)))


def critical_t(alpha: float, freedom: int) -> float:
    """Return the t that chance exceeds in a share ``alpha`` of draws, with so many degrees of freedom.

    >>> round(critical_t(0.01 / 8, 19), 2)
    3.48
    """
    from scipy import stats

    return float(stats.t.isf(alpha, freedom))


def suggest_bits(source: WeightSource, reference: Reference, rules: Rules, rule: Rule) -> list[LayerSuggestion]:
    """Return what every tensor of two or more axes gets, in model order. Others are not rounded and not listed.

    Raises:
        WeightsError: NaN or infinite weights; the message names the tensor.
        InputError: more planes than can be rounded to.
    """
    if not 1 <= rules.bits <= 8:
        raise InputError(f"{rules.bits} bits, wanted 1 to 8: weights are not rounded to more")
    found = []
    for place, tensor in enumerate(plane_tensors(source)):
        try:
            found.append(suggest_layer(place, tensor, reference, rules, rule))
        except WeightsError as error:
            raise WeightsError(f"tensor {tensor.name} of {source.label}: {error}") from None
    return found


def suggest_layer(place: int, tensor: NamedTensor, reference: Reference, rules: Rules, rule: Rule) -> LayerSuggestion:
    """Return what the tensor at this place of the model gets.

    Raises:
        WeightsError: NaN or infinite weights.
    """
    reason = rules.why_not(tensor.values.shape, tensor.name)
    if reason is not None:
        return _layer(tensor, rules.bits, reason, None)
    profile = rules.score(tensor.values)
    compared = reference.planes(place, tensor, rules)
    if compared is None:
        return _layer(tensor, rules.bits, "the reference has no tensor of this name and shape", None)
    seen = evidence(profile, compared, rule)
    reason = why_none(profile, seen, rule)
    return _layer(tensor, rules.bits if reason else min(rules.bits, max(1, seen.shown) + rule.margin), reason, seen)


def why_none(profile: QuBD, seen: Evidence, rule: Rule) -> str | None:
    """Say why planes give no suggestion, or return None if they do."""
    if profile.delta == 0:
        return "all its values have one level"
    if seen.shown == profile.bits and any(seen.unresolved):
        if max(profile.distinct) >= SATURATED:
            return "too large: nearly every block of 4x4 bits occurs, and BDM hardly moves"
        return f"too small: {counted(profile.blocks, 'block')} cannot show a drop to {rule.visible:g} % beyond chance"
    return None


def mean_bits(layers: Iterable[LayerSuggestion]) -> float:
    """Return the mean bits per weight of the listed tensors, weighted by their sizes; NaN for none."""
    return weighted_bits([(layer.bits, layer.weights) for layer in layers])


def weighted_bits(pairs: Sequence[tuple[int, int]]) -> float:
    """Return the mean of bits weighted by weights; NaN for none.

    >>> weighted_bits([(8, 100), (2, 300)])
    3.5
    """
    weights = sum(size for _, size in pairs)
    return sum(bits * size for bits, size in pairs) / weights if weights else float("nan")


def _layer(tensor: NamedTensor, bits: int, reason: str | None, seen: Evidence | None) -> LayerSuggestion:
    shape = tuple(map(int, tensor.values.shape))
    return LayerSuggestion(tensor.name, tensor.kind, shape, int(tensor.values.size), bits, reason is None, reason, seen)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
