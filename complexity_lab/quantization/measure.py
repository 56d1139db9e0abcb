"""One digits network to rows: what its planes suggest, and what it gets right after every rounding."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from complexity_lab.estimators.presets import preset
from complexity_lab.estimators.qubd import Rules, suggested_bits
from complexity_lab.quantization.networks import bits_by_error, same_bits, score, with_rounded_weights
from complexity_lab.quantization.plan import QuantizationPlan
from complexity_lab.quantization.references import (
    OwnInitial,
    RandomWeights,
    Reference,
    ReferenceName,
    ShuffledSelf,
    ShufflePlanes,
    plane_tensors,
    profiles_of,
)
from complexity_lab.quantization.rounding import relative_error
from complexity_lab.quantization.suggestion import LayerSuggestion, suggest_bits, weighted_bits
from complexity_lab.tables.quantization import QuantizationTable
from complexity_lab.zoo.digits import DigitsZoo, OpenDigits

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.weights.from_module import ModuleWeights
    from complexity_lab.zoo.digits_data import Digits, Images

Row = dict[str, Any]
Rows = dict[QuantizationTable, list[Row]]
FIRST_RANDOM_SEED = 1000  # of the reference random: no network is trained from it
FLOAT_BITS = 32


def network_key(model: str, seed: int) -> str:
    """Return the key of a network in all tables."""
    return f"{model}-seed{seed}"


def measure_network(model: str, seed: int, plan: QuantizationPlan, shuffle: ShufflePlanes) -> Rows:
    """Return the rows of one network in every table; the network is trained first if the cache has it not.

    Args:
        model: architecture of the digits zoo.
        seed: of its training.
        plan: what to do with it.
        shuffle: ``controls.level_shuffle.shuffled_planes``.

    Raises:
        WeightsError: its training diverged, or its weights cannot be scored.
        OutputError: the cache of trained networks cannot be written.
    """
    from complexity_lab.zoo.digits_data import digits

    started = time.perf_counter()
    zoo = DigitsZoo(seeds=plan.seeds)
    card = zoo.card(model)
    opened = zoo.open(card)
    trained = opened.trained(seed)
    facts = {"network": network_key(model, seed), "model": model, "seed": seed}
    planes = {name: _Compared.of(opened, trained, seed, name, plan, shuffle) for name in plan.references}
    study = _Network(trained.module, digits(), _sizes(trained), _errors(trained, plan.bits))
    accuracies = [facts | row for row in _accuracies(study, planes, plan)]
    rows: Rows = {
        "layers": [facts | row for name, found in planes.items() for row in found.rows(name)],
        "sensitivities": [facts | row for row in _sensitivities(study, plan)],
        "accuracies": accuracies,
    }
    common = {"family": card.family, "parameters": card.parameters, "seconds": time.perf_counter() - started}
    for row in accuracies:
        row |= common | {"status": "ok"}
    return rows


def failed_row(model: str, seed: int, error: Exception) -> Row:
    """Return the one row of a network that failed."""
    text = " ".join(str(error).split()) or type(error).__name__
    card = DigitsZoo().card(model)
    return {
        **{"network": network_key(model, seed), "model": model, "seed": seed},
        **{"family": card.family, "parameters": card.parameters},
        **{"status": "failed", "error_type": type(error).__name__, "error": text},
    }


@dataclass(frozen=True)
class _Compared:
    """What one reference says of every layer of a network."""

    layers: list[LayerSuggestion]
    profiles: dict[str, tuple[float, ...]]  # bits per plane, of the tensors that were scored
    bare: dict[str, int]  # bits by the threshold alone

    @classmethod
    def of(
        cls,
        opened: OpenDigits,
        trained: ModuleWeights,
        seed: int,
        name: ReferenceName,
        plan: QuantizationPlan,
        shuffle: ShufflePlanes,
    ) -> _Compared:
        rules = _rules(plan)
        layers = suggest_bits(trained, reference_of(opened, seed, name, plan, shuffle), rules, plan.rule(0))
        own = {tensor: tuple(map(float, planes)) for tensor, (_, planes) in profiles_of(trained, rules).items()}
        bare = {
            layer.tensor: suggested_bits(layer.evidence.percent, [100.0] * plan.bits, plan.threshold)
            for layer in layers
            if layer.evidence is not None and np.isfinite(layer.evidence.percent).all()
        }
        return cls(layers, own, bare)

    def bits(self, margin: int, most: int) -> dict[str, int]:
        """Return bits by tensor by the rule with another margin."""
        return {layer.tensor: min(most, layer.bits + margin) for layer in self.layers}

    def flat_bits(self, margin: int, most: int) -> dict[str, int]:
        """Return bits by tensor by the margin alone, as if no plane had shown structure."""
        return {layer.tensor: min(most, 1 + margin) if layer.suggested else most for layer in self.layers}

    def bare_bits(self, margin: int, most: int) -> dict[str, int]:
        """Return bits by tensor by the threshold alone; the highest where a tensor was not scored."""
        return {layer.tensor: min(most, self.bare.get(layer.tensor, most) + margin) for layer in self.layers}

    def rows(self, reference: str) -> Iterator[Row]:
        """Yield the rows of table ``layers``."""
        for place, layer in enumerate(self.layers):
            seen = layer.evidence
            yield {
                "tensor": layer.tensor,
                "place": place,
                "kind": layer.kind,
                "shape": "x".join(map(str, layer.shape)),
                "weights": layer.weights,
                "reference": reference,
                "profile": self.profiles.get(layer.tensor),
                "percent": None if seen is None else seen.percent,
                "t": None if seen is None else seen.t,
                "shown": seen.shown if seen is not None and layer.suggested else None,
                "suggested": layer.suggested,
                "reason": layer.reason,
                "bare_bits": self.bare.get(layer.tensor),
            }


def reference_of(
    opened: OpenDigits, seed: int, name: ReferenceName, plan: QuantizationPlan, shuffle: ShufflePlanes
) -> Reference:
    """Return a reference of one network."""
    rules, own = _rules(plan), ShuffledSelf(shuffle, draws=plan.shuffles, seed=seed)
    if name == "shuffle":
        return own
    if name == "initial":
        return OwnInitial(profiles_of(opened.initial(seed), rules), own)
    seeds = range(FIRST_RANDOM_SEED, FIRST_RANDOM_SEED + plan.initializations)
    return RandomWeights([profiles_of(opened.initial(other), rules) for other in seeds])


def _rules(plan: QuantizationPlan) -> Rules:
    from dataclasses import replace

    from complexity_lab.errors import InputError

    rules = preset(plan.preset).rules
    if rules is None:
        raise InputError(f"preset {plan.preset} has no bit planes; wanted fixed or qubd-paper")
    return replace(rules, bits=plan.bits)


def _sizes(weights: ModuleWeights) -> dict[str, int]:
    return {tensor.name: int(tensor.values.size) for tensor in plane_tensors(weights)}


def _errors(weights: ModuleWeights, most: int) -> dict[str, np.ndarray]:
    """Return the relative squared error of every tensor with 1, 2, ... bits, float64 ``[most]``."""
    return {
        tensor.name: np.array([relative_error(tensor.values, bits) for bits in range(1, most + 1)])
        for tensor in plane_tensors(weights)
    }


@dataclass
class _Network:
    """A network, the images it is scored on and what is known of its tensors; equal roundings are scored once."""

    module: nn.Module
    data: Digits
    sizes: dict[str, int]
    errors: dict[str, np.ndarray]
    known: dict[tuple[tuple[str, int], ...], Row] = field(default_factory=dict)

    def scores(self, bits: Mapping[str, int]) -> Row:
        """Return accuracy and loss on validation and test images after rounding."""
        key = tuple(sorted(bits.items()))
        if key not in self.known:
            with with_rounded_weights(self.module, bits):
                self.known[key] = self._now()
        return self.known[key]

    def _now(self) -> Row:
        return self._on("validation", self.data.validation) | self._on("test", self.data.test)

    def alone(self, name: str, bits: int) -> Row:
        """Return accuracy and loss on validation images with one tensor rounded."""
        with with_rounded_weights(self.module, {name: bits}):
            return self._on("validation", self.data.validation)

    def _on(self, part: str, images: Images) -> Row:
        found = score(self.module, images)
        return {f"{part}_accuracy": found.accuracy, f"{part}_loss": found.loss, f"{part}_images": found.images}

    def row(self, method: str, each: Mapping[str, int], **more: Any) -> Row:
        """Return a row of table ``accuracies``; ``each`` tensor and its bits, empty for unrounded weights."""
        pairs = [(number, self.sizes[name]) for name, number in each.items()]
        mean = weighted_bits(pairs) if each else float(FLOAT_BITS)
        facts = {"method": method, "mean_bits": mean, "tensors": len(self.sizes), "weights": sum(self.sizes.values())}
        return facts | more | self.scores(each)


def _accuracies(study: _Network, planes: Mapping[ReferenceName, _Compared], plan: QuantizationPlan) -> Iterator[Row]:
    yield study.row("float", {})
    names = list(study.sizes)
    for bits in range(1, plan.bits + 1):
        yield study.row("uniform", same_bits(names, bits), bits=bits)
    for reference, found in planes.items():
        told = sum(layer.weights for layer in found.layers if layer.suggested)
        for margin in plan.margins:
            about = {"reference": reference, "margin": margin, "suggested_weights": told}
            chosen = found.bits(margin, plan.bits)
            yield study.row("suggested", chosen, **about)
            budget = sum(number * study.sizes[name] for name, number in chosen.items())
            yield study.row("by_error", bits_by_error(study.errors, study.sizes, budget), **about)
            yield study.row("flat", found.flat_bits(margin, plan.bits), **about)
            yield study.row("bare", found.bare_bits(margin, plan.bits), **about)


def _sensitivities(study: _Network, plan: QuantizationPlan) -> Iterator[Row]:
    """Yield a row per tensor and bits; the network is scored at ``layer_bits``, errors are known at all."""
    kept = ("validation_accuracy", "validation_loss")
    for name, errors in study.errors.items():
        for bits, error in enumerate(errors, start=1):
            row = {"tensor": name, "weights": study.sizes[name], "bits": bits, "relative_error": float(error)}
            scores = study.alone(name, bits) if bits in plan.layer_bits else {}
            yield row | {key: scores.get(key) for key in kept}
