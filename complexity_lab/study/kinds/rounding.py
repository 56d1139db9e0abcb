"""Studies of rounding: what the planes of a network suggest, and what it gets right after every rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import StrictInt

from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import shape_name
from complexity_lab.estimators.qubd import Rules, suggested_bits
from complexity_lab.quantization.allocation import bits_by_error
from complexity_lab.quantization.references import (
    FIRST_RANDOM_SEED,
    OwnInitial,
    RandomWeights,
    Reference,
    ReferenceName,
    ShuffledSelf,
    plane_rules,
    plane_tensors,
    profiles_of,
)
from complexity_lab.quantization.rounding import relative_error, with_rounded_weights
from complexity_lab.quantization.suggestion import LayerSuggestion, Rule, suggest_bits, weighted_bits
from complexity_lab.study.fields import Seeds, SomeUnique
from complexity_lab.study.kind import Failure, Kind, RunOptions, Spec, Task, TaskContext
from complexity_lab.tables.rows import Network, RoundedLayer, Rounding, Row, Sensitivity
from complexity_lab.zoo.digits import DigitsZoo, OpenDigits
from complexity_lab.zoo.digits_networks import SPLIT, digits_networks

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.training.examples import Examples, Splits
    from complexity_lab.weights.from_module import ModuleWeights

FLOAT_BITS = 32
BATCH = 128  # images at a time


class RoundingSpec(Spec):
    """Networks of the digits zoo, how they are rounded and by which references bits are suggested."""

    models: SomeUnique[str] = tuple(each.architecture for each in digits_networks())
    seeds: Seeds = (0, 1, 2)
    bits: StrictInt = 8  # planes of a profile, and the most bits of a weight
    preset: str = "fixed"
    references: SomeUnique[ReferenceName] = ("shuffle", "initial", "random")
    shuffles: StrictInt = 20
    initializations: StrictInt = 10  # of the reference random; other seeds than those of the trained networks
    threshold: float = Rule().threshold
    visible: float = Rule().visible
    alpha: float = Rule().alpha
    margins: SomeUnique[StrictInt] = (0, 1, 2, 3)
    layer_bits: tuple[StrictInt, ...] = (1, 2, 3, 4)  # when one layer alone is rounded

    def refuse_impossible(self) -> None:
        """Check the networks, and that every number is in its range."""
        for model in self.models:
            DigitsZoo().card(model)
        for margin in self.margins:
            self.rule(margin)
        self.rules  # noqa: B018 - it checks preset and bits
        if any(not 1 <= number <= self.bits for number in self.layer_bits):
            raise InputError(f"layer_bits: {self.layer_bits}, wanted 1 to {self.bits}")
        if min(self.shuffles, self.initializations) < 2:
            raise InputError("shuffles and initializations: wanted 2 or more, one has no spread")

    @property
    def rules(self) -> Rules:
        """The rules of the planes."""
        return plane_rules(self.preset, self.bits)

    def rule(self, margin: int) -> Rule:
        """Return the rule with this margin.

        Raises:
            InputError: threshold, visible, alpha or margin out of range.
        """
        return Rule(self.threshold, self.visible, self.alpha, margin)

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows, with what identifies the training of each network in this version."""
        hashes = {each.architecture: each.hash for each in digits_networks() if each.architecture in self.models}
        return {**self.model_dump(mode="json"), "recipes": hashes}


@dataclass(frozen=True)
class RoundingTask:
    """One network; ``spec`` names no other."""

    model: str
    seed: int
    spec: RoundingSpec

    @property
    def key(self) -> str:
        """The key of the network in all tables."""
        return f"{self.model}-seed{self.seed}"


class RoundingKind(Kind[RoundingSpec]):
    """Networks whose weights are rounded after training."""

    name = "rounding"
    noun = "network"
    spec_type = RoundingSpec

    def tasks(self, spec: RoundingSpec, options: RunOptions) -> Sequence[Task]:
        """Return a task per network and seed, whose work is its parameters."""
        del options
        return [_task(model, seed, spec) for model in spec.models for seed in spec.seeds]

    def run(self, payload: RoundingTask, context: TaskContext) -> Sequence[Row]:
        """Round one network in every way; it is trained first if the cache has it not."""
        del context
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order can turn an image that is nearly a tie
        try:
            return list(_Study(payload).rows())
        finally:
            torch.set_num_threads(before)

    def failed(self, payload: RoundingTask, failure: Failure) -> Network:
        """Return the row of a network that could not be rounded."""
        return Network(**_columns(payload), status="failed", error_type=failure.error_type, error=failure.error)

    def announcement(self, spec: RoundingSpec, tasks: Sequence[Task]) -> str:
        """Return what is about to be rounded."""
        return f"{counted(len(tasks), 'network')} to 1 to {spec.bits} bits, by {', '.join(spec.references)}"


KIND = RoundingKind()


def _task(model: str, seed: int, spec: RoundingSpec) -> Task:
    task = RoundingTask(model, seed, spec.model_copy(update={"models": (model,), "seeds": (seed,)}))
    return Task(key=task.key, payload=task, work=float(DigitsZoo().card(model).parameters or 1))


def _columns(task: RoundingTask) -> dict[str, Any]:
    card = DigitsZoo().card(task.model)
    return {
        "model": task.key,
        "architecture": task.model,
        "family": card.family,
        "seed": task.seed,
        "parameters": card.parameters,
    }


@dataclass
class _Study:
    """One network under study."""

    task: RoundingTask

    @cached_property
    def opened(self) -> OpenDigits:
        zoo = DigitsZoo(seeds=(self.task.seed,))
        return zoo.open(zoo.card(self.task.model))

    @cached_property
    def weights(self) -> ModuleWeights:
        return self.opened.trained(self.task.seed)

    def rows(self) -> Iterator[Row]:
        """Yield the record, then the rows of every table."""
        from complexity_lab.training.digits import digits

        spec = self.task.spec
        planes = {name: _Suggested.of(self.weights, self._reference(name), spec) for name in spec.references}
        scored = _Scored.of(self.weights, digits(SPLIT), spec.bits)
        facts = _columns(self.task)
        yield Network(**facts)
        yield from (Rounding(**facts, **columns) for columns in _roundings(scored, planes, spec))
        whose = {name: facts[name] for name in ("model", "architecture", "seed")}
        for name, found in planes.items():
            yield from (RoundedLayer(**whose, reference=name, **columns) for columns in found.rows())
        yield from (Sensitivity(**whose, **columns) for columns in _sensitivities(scored, spec))

    def _reference(self, name: ReferenceName) -> Reference:
        spec, rules = self.task.spec, self.task.spec.rules
        own = ShuffledSelf(draws=spec.shuffles, seed=self.task.seed)
        if name == "shuffle":
            return own
        if name == "initial":
            return OwnInitial(profiles_of(self.opened.initial(self.task.seed), rules), own)
        seeds = range(FIRST_RANDOM_SEED, FIRST_RANDOM_SEED + spec.initializations)
        return RandomWeights([profiles_of(self.opened.initial(other), rules) for other in seeds])


@dataclass(frozen=True)
class _Suggested:
    """What one reference says of every layer of a network."""

    layers: list[LayerSuggestion]
    profiles: dict[str, tuple[float, ...]]  # bits per plane, of the tensors that were scored
    bare: dict[str, int]  # bits by the threshold alone
    most: int

    @classmethod
    def of(cls, weights: ModuleWeights, reference: Reference, spec: RoundingSpec) -> _Suggested:
        layers = suggest_bits(weights, reference, spec.rules, spec.rule(0))
        own = {tensor: tuple(map(float, planes)) for tensor, (_, planes) in profiles_of(weights, spec.rules).items()}
        bare = {
            layer.tensor: suggested_bits(layer.evidence.percent, [100.0] * spec.bits, spec.threshold)
            for layer in layers
            if layer.evidence is not None and np.isfinite(layer.evidence.percent).all()
        }
        return cls(layers, own, bare, spec.bits)

    def bits(self, margin: int) -> dict[str, int]:
        """Return bits by tensor by the rule with another margin."""
        return {layer.tensor: min(self.most, layer.bits + margin) for layer in self.layers}

    def flat_bits(self, margin: int) -> dict[str, int]:
        """Return bits by tensor by the margin alone, as if no plane had shown structure."""
        return {layer.tensor: min(self.most, 1 + margin) if layer.suggested else self.most for layer in self.layers}

    def bare_bits(self, margin: int) -> dict[str, int]:
        """Return bits by tensor by the threshold alone; the highest where a tensor was not scored."""
        return {layer.tensor: min(self.most, self.bare.get(layer.tensor, self.most) + margin) for layer in self.layers}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the columns of table ``layers`` that are of one layer."""
        for place, layer in enumerate(self.layers):
            seen = layer.evidence
            yield {
                "tensor": layer.tensor,
                "place": place,
                "kind": layer.kind,
                "shape": shape_name(layer.shape),
                "weights": layer.weights,
                "profile": self.profiles.get(layer.tensor),
                "percent": None if seen is None else seen.percent,
                "t": None if seen is None else seen.t,
                "shown": seen.shown if seen is not None and layer.suggested else None,
                "suggested": layer.suggested,
                "reason": layer.reason,
                "bare_bits": self.bare.get(layer.tensor),
            }


@dataclass
class _Scored:
    """A network, the images it is scored on and what is known of its tensors; equal roundings are scored once."""

    module: nn.Module
    data: Splits
    sizes: dict[str, int]
    errors: dict[str, np.ndarray]  # relative squared error of every tensor with 1, 2, ... bits, float64 [most]
    known: dict[tuple[tuple[str, int], ...], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: ModuleWeights, data: Splits, most: int) -> _Scored:
        tensors = list(plane_tensors(weights))
        sizes = {tensor.name: int(tensor.values.size) for tensor in tensors}
        errors = {
            tensor.name: np.array([relative_error(tensor.values, bits) for bits in range(1, most + 1)])
            for tensor in tensors
        }
        return cls(weights.module, data, sizes, errors)

    def scores(self, bits: Mapping[str, int]) -> dict[str, Any]:
        """Return accuracy and loss on validation and test images after rounding."""
        key = tuple(sorted(bits.items()))
        if key not in self.known:
            with with_rounded_weights(self.module, bits):
                self.known[key] = self._on("validation", self.data.validation) | self._on("test", self.data.test)
        return self.known[key]

    def scores_of_one(self, name: str, bits: int) -> dict[str, Any]:
        """Return accuracy and loss on validation images with one tensor rounded."""
        with with_rounded_weights(self.module, {name: bits}):
            found = self._on("validation", self.data.validation)
        return {key: value for key, value in found.items() if key != "validation_images"}

    def _on(self, part: str, images: Examples) -> dict[str, Any]:
        from complexity_lab.training.batches import batches_of
        from complexity_lab.training.scores import evaluate

        self.module.eval()
        found = evaluate(self.module, batches_of(images, BATCH))
        return {f"{part}_accuracy": found.accuracy, f"{part}_loss": found.loss, f"{part}_images": len(images)}

    def row(self, method: str, each: Mapping[str, int], **more: Any) -> dict[str, Any]:
        """Return columns of table ``roundings``; ``each`` tensor and its bits, empty for unrounded weights."""
        pairs = [(number, self.sizes[name]) for name, number in each.items()]
        mean = weighted_bits(pairs) if each else float(FLOAT_BITS)
        facts = {"method": method, "mean_bits": mean, "tensors": len(self.sizes), "weights": sum(self.sizes.values())}
        return facts | more | self.scores(each)


def _roundings(
    scored: _Scored, planes: Mapping[ReferenceName, _Suggested], spec: RoundingSpec
) -> Iterator[dict[str, Any]]:
    yield scored.row("float", {})
    for bits in range(1, spec.bits + 1):
        yield scored.row("uniform", dict.fromkeys(scored.sizes, bits), bits=bits)
    for reference, found in planes.items():
        told = sum(layer.weights for layer in found.layers if layer.suggested)
        for margin in spec.margins:
            about = {"reference": reference, "margin": margin, "suggested_weights": told}
            chosen = found.bits(margin)
            yield scored.row("suggested", chosen, **about)
            budget = sum(number * scored.sizes[name] for name, number in chosen.items())
            yield scored.row("by_error", bits_by_error(scored.errors, scored.sizes, budget), **about)
            yield scored.row("flat", found.flat_bits(margin), **about)
            yield scored.row("bare", found.bare_bits(margin), **about)


def _sensitivities(scored: _Scored, spec: RoundingSpec) -> Iterator[dict[str, Any]]:
    """Yield columns per tensor and bits; the network is scored at ``layer_bits``, errors are known at all."""
    for name, errors in scored.errors.items():
        for bits, error in enumerate(errors, start=1):
            row = {"tensor": name, "weights": scored.sizes[name], "bits": bits, "relative_error": float(error)}
            yield row | (scored.scores_of_one(name, bits) if bits in spec.layer_bits else {})
