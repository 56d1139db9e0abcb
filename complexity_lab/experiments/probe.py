"""What a training run watches its weights with: estimators of the registry on the whole parameter stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from complexity_lab.binary.counting import StreamCounter
from complexity_lab.errors import InputError
from complexity_lab.estimators.compressors import PayloadStream, compress
from complexity_lab.estimators.estimator import CompressorEstimator, CountEstimator, estimator
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.source import NamedTensor

if TYPE_CHECKING:
    from torch import nn

PROBED = ("bdm", "gzip", "bz2", "lzma", "zstd", "gzip:float32")  # columns of the epochs table


@dataclass(frozen=True)
class WeightProbe:
    """Computes metrics of a module's trainable parameters, in model order; what ``train`` takes as ``probe``.

    Raises:
        InputError: a metric that the table of epochs has no column for.
        UnknownNameError: no such metric.
    """

    metrics: tuple[str, ...] = ("bdm",)

    def __post_init__(self) -> None:
        for name in self.metrics:
            estimator(name)
            if name not in PROBED:
                raise InputError(f"metric {name} cannot be watched during training, wanted {', '.join(PROBED)}")

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        """Return a number per metric."""
        chosen = [estimator(name) for name in self.metrics]
        stream = StreamCounter()
        kinds = {item.payload for item in chosen if isinstance(item, CompressorEstimator)}
        payloads = {kind: PayloadStream(kind) for kind in kinds}
        for tensor in ModuleWeights(model, "the network in training").tensors():
            if isinstance(tensor, NamedTensor):
                stream.add(tensor.values)
                for payload in payloads.values():
                    payload.add(tensor.values)
        counts = stream.result()
        found = {}
        for item in chosen:
            if isinstance(item, CountEstimator):
                found[item.name] = item.value(counts)
            elif isinstance(item, CompressorEstimator):
                found[item.name] = compress(payloads[item.payload].payload(), item.compressor).rate
        return found
