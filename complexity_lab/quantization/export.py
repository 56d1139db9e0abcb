"""Suggested bits as a file that torchao reads: its own JSON, with one key of ours beside its three.

The file is what ``torchao.core.config.config_to_dict`` of torchao 0.18 writes for a ``FqnToConfig`` of
``IntxWeightOnlyConfig(weight_dtype=torch.intN, granularity=PerAxis(0))`` per module, written without importing torchao.
Its reader ignores keys that it does not know, so ours lie in ``complexity_lab``::

    import json
    from torchao.core.config import config_from_dict
    from torchao.quantization import quantize_

    quantize_(model, config_from_dict(json.load(open("bits.json"))), filter_fn=None)

What torchao cannot do as suggested is not in its part, and the table of layers says so (``torchao_reason``):

- A layer without suggestion is left as it is.
- Its symmetric one-bit grid has the levels -1 and 0 and sends every weight to zero, so 1 bit is written as 2.
- It rounds parameters called ``weight`` of two axes (linear layers, embeddings). Of convolutions with four axes it
  scales every kernel position by itself, so that their scales take more room and rounding is finer than suggested: they
  have a configuration of their own in ``complexity_lab.torchao_convolutions``, to be applied by a second call.
- Depthwise convolutions would get a scale for every weight; they, and tensors of other shapes, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from complexity_lab.counted import counted
from complexity_lab.quantization.suggestion import LayerSuggestion, Rule, mean_bits
from complexity_lab.tables.provenance import versions

FORMAT = "complexity-lab suggested bits, version 1"
LEAST_BITS = 2  # of torchao's symmetric grids, see the module
Section = Literal["torchao", "torchao_convolutions"]


def document(
    layers: Sequence[LayerSuggestion], rule: Rule, *, source: str, preset: str, bits: int, reference: str
) -> dict[str, Any]:
    """Return the content of the file: torchao's configuration, and in ``complexity_lab`` where it comes from.

    Args:
        layers: of one model.
        rule: by which they were suggested.
        source: what the person named.
        preset: name of the rules of the planes.
        bits: planes.
        reference: name and size of the reference, in words.
    """
    ours = {
        "format": FORMAT,
        "source": source,
        "preset": preset,
        "bits": bits,
        "reference": reference,
        "rule": asdict(rule),
        "mean_bits": mean_bits(layers),
        "versions": versions(),
        "layers": [layer_row(layer) for layer in layers],
        "torchao_convolutions": torchao_config(layers, "torchao_convolutions"),
    }
    return {**torchao_config(layers, "torchao"), "complexity_lab": ours}


def layer_row(layer: LayerSuggestion) -> dict[str, Any]:
    """Return a layer as plain JSON; planes are listed from the least significant."""
    seen = layer.evidence
    section, why = where_in_torchao(layer)
    return {
        "tensor": layer.tensor,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "weights": layer.weights,
        "bits": layer.bits,
        "suggested": layer.suggested,
        "reason": layer.reason,
        "planes_shown": None if seen is None else seen.shown,
        "percent": None if seen is None else _finite(seen.percent),
        "t": None if seen is None else _finite(seen.t),
        "torchao": section,
        "torchao_reason": why,
    }


def torchao_config(layers: Sequence[LayerSuggestion], section: Section) -> dict[str, Any]:
    """Return ``config_to_dict(FqnToConfig(...))`` of torchao 0.18 for the layers that belong to a section."""
    modules = {
        layer.tensor.rpartition(".")[0]: _weight_only(max(layer.bits, LEAST_BITS))
        for layer in layers
        if where_in_torchao(layer)[0] == section
    }
    # torchao repeats the modules under the name that this class had before
    data = {"fqn_to_config": modules, "module_fqn_to_config": modules}
    return {"_type": "FqnToConfig", "_version": 1, "_data": data}


def where_in_torchao(layer: LayerSuggestion) -> tuple[Section | None, str | None]:
    """Return the section of a layer, and why it has none or other bits there."""
    if not layer.suggested:
        return None, "no suggestion"
    if layer.tensor.rpartition(".")[2] != "weight" or "." not in layer.tensor:
        return None, "not the weight of a module"
    if len(layer.shape) not in (2, 4):
        return None, f"{len(layer.shape)} axes, torchao rounds 2 or 4"
    if len(layer.shape) == 4 and layer.shape[1] == 1:
        return None, "depthwise: torchao would keep a scale for every weight"
    few = f"{layer.bits} bit, but torchao's symmetric grids need {LEAST_BITS}" if layer.bits < LEAST_BITS else None
    return ("torchao" if len(layer.shape) == 2 else "torchao_convolutions"), few


def left_to_convolutions(layers: Sequence[LayerSuggestion]) -> str | None:
    """Say that torchao's own configuration leaves out convolutions, or everything; None if it leaves out neither.

    The call that reads it quantizes linear layers and embeddings only, and takes an empty configuration without a word.
    """
    sections = [where_in_torchao(layer)[0] for layer in layers]
    convolutions = sections.count("torchao_convolutions")
    empty = "torchao" not in sections
    if convolutions:
        listed = "is listed in its own section" if convolutions == 1 else "are listed in their own section"
        told = "torchao quantizes linear layers only" + (", and there is none to quantize" if empty else "")
        return f"{told}; {counted(convolutions, 'convolution')} {listed}, complexity_lab.torchao_convolutions"
    if empty:
        return "nothing is left for torchao to quantize; torchao_reason of each layer says why"
    return None


def _weight_only(bits: int) -> dict[str, Any]:
    """Return ``IntxWeightOnlyConfig(weight_dtype=torch.intN, granularity=PerAxis(0))`` as torchao writes it."""
    return {
        "_type": "IntxWeightOnlyConfig",
        "_version": 2,
        "_data": {
            "weight_dtype": {"_type": "torch.dtype", "_data": f"int{bits}"},
            "granularity": {"_type": "PerAxis", "_version": 1, "_data": {"axis": 0}},
            "mapping_type": {"_type": "MappingType", "_data": "SYMMETRIC"},
            "scale_dtype": None,
            "intx_packing_format": {"_type": "IntxPackingFormat", "_data": "UNPACKED_TO_INT8"},
            "intx_choose_qparams_algorithm": {"_type": "IntxChooseQParamsAlgorithm", "_data": "AFFINE"},
        },
    }


def _finite(values: Sequence[float]) -> list[float | None]:
    """Return numbers as JSON can hold them: None for what is not finite."""
    return [value if abs(value) < float("inf") else None for value in values]
