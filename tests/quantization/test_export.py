"""The file of suggested bits: what torchao writes, torchao reads, and torchao does with it."""

import copy
import json
import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.quantization.export import document, left_to_convolutions, torchao_config, where_in_torchao
from complexity_lab.quantization.suggestion import LayerSuggestion, Rule


def layer(tensor, shape, bits, suggested=True, kind="matrix"):
    reason = None if suggested else "too small: 4 blocks"
    return LayerSuggestion(tensor, kind, shape, int(np.prod(shape)), bits, suggested, reason, None)


LAYERS = [
    layer("0.weight", (8, 16), 3),
    layer("2.weight", (4, 8), 1),
    layer("3.weight", (4, 4), 8, suggested=False),
    layer("4.weight", (6, 3, 3, 3), 5),
    layer("5.weight", (6, 1, 3, 3), 5),
    layer("6.in_proj_weight", (12, 4), 5),
    layer("7.weight", (6, 3, 3), 5),
]
ABOUT = {"source": "x", "preset": "fixed", "bits": 8, "reference": "shuffle, 20 draws"}


@pytest.fixture(scope="module")
def torchao():
    """torchao, which logs what it thinks of its own imports, and warns."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchao import quantization
            from torchao.core import config
            from torchao.quantization import granularity
    finally:
        logging.disable(logging.NOTSET)
    return quantization, config, granularity


CONVOLUTIONS = [layer(f"{i}.weight", (6, 3, 3, 3), 5) for i in range(3)]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (LAYERS[:3], None),
        (LAYERS, "torchao quantizes linear layers only; 1 convolution is listed in its own section, "),
        (CONVOLUTIONS, "only, and there is none to quantize; 3 convolutions are listed in their own section, "),
        (LAYERS[4:5], "nothing is left for torchao to quantize; torchao_reason of each layer says why"),
    ],
)
def test_what_torchao_is_not_given_is_told(layers, words):
    told = left_to_convolutions(layers)
    assert told is None if words is None else words in told
    content = document(layers, Rule(), **ABOUT)
    own = content["complexity_lab"]["torchao_convolutions"]["_data"]["fqn_to_config"]
    assert len(own) == sum(where_in_torchao(each)[0] == "torchao_convolutions" for each in layers)


def test_it_is_this_text():
    """As torchao 0.18 writes it, copied once: the tests below ask torchao itself, and take longer."""
    one = (
        '{"_type": "IntxWeightOnlyConfig", "_version": 2, "_data": {"weight_dtype": {"_type": "torch.dtype", '
        '"_data": "int3"}, "granularity": {"_type": "PerAxis", "_version": 1, "_data": {"axis": 0}}, "mapping_type": '
        '{"_type": "MappingType", "_data": "SYMMETRIC"}, "scale_dtype": null, "intx_packing_format": {"_type": '
        '"IntxPackingFormat", "_data": "UNPACKED_TO_INT8"}, "intx_choose_qparams_algorithm": {"_type": '
        '"IntxChooseQParamsAlgorithm", "_data": "AFFINE"}}}'
    )
    text = f'{{"_type": "FqnToConfig", "_version": 1, "_data": {{"fqn_to_config": {{"0": {one}}}, '
    text += f'"module_fqn_to_config": {{"0": {one}}}}}}}'
    assert torchao_config(LAYERS[:1], "torchao") == json.loads(text)


@pytest.mark.slow
def test_it_is_what_torchao_itself_writes(torchao):
    quantization, config, granularity = torchao
    per_channel = granularity.PerAxis(0)
    theirs = quantization.FqnToConfig(
        {
            name: quantization.IntxWeightOnlyConfig(weight_dtype=dtype, granularity=per_channel)
            for name, dtype in (("0", torch.int3), ("2", torch.int2))
        }
    )
    assert torchao_config(LAYERS, "torchao") == json.loads(json.dumps(config.config_to_dict(theirs)))


@pytest.mark.slow
def test_every_number_of_bits_is_as_torchao_writes_it(torchao):
    quantization, config, granularity = torchao
    for bits in range(2, 9):
        one = quantization.IntxWeightOnlyConfig(
            weight_dtype=getattr(torch, f"int{bits}"), granularity=granularity.PerAxis(0)
        )
        theirs = config.config_to_dict(quantization.FqnToConfig({"0": one}))
        assert torchao_config([layer("0.weight", (8, 16), bits)], "torchao") == json.loads(json.dumps(theirs))


@pytest.mark.slow
def test_torchao_reads_the_file_and_quantizes_a_model_with_it(torchao, tmp_path):
    quantization, config, _ = torchao
    file = tmp_path / "bits.json"
    file.write_text(json.dumps(document(LAYERS, Rule(), **ABOUT)))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 4))
    exact = copy.deepcopy(model)
    read = config.config_from_dict(json.loads(file.read_text()))
    quantization.quantize_(model, read, filter_fn=None)
    levels = [len(torch.unique(model[place].weight.qdata)) for place in (0, 2)]
    assert levels[0] <= 8
    assert levels[1] <= 4
    assert torch.equal(model[3].weight, exact[3].weight)  # no suggestion: left as it is
    inputs = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    assert model(inputs).shape == (5, 4)
    error = (model[0].weight.dequantize() - exact[0].weight).abs().max()
    assert 0 < error < exact[0].weight.abs().max() / 3


@pytest.mark.slow
def test_torchao_takes_the_convolutions_from_their_own_section(torchao):
    quantization, config, _ = torchao
    ours = document(LAYERS, Rule(), **ABOUT)["complexity_lab"]
    read = config.config_from_dict(ours["torchao_convolutions"])
    assert list(read.fqn_to_config) == ["4"]
    model = nn.Sequential(*(nn.Identity() for _ in range(4)), nn.Conv2d(3, 6, 3))
    quantization.quantize_(model, read, filter_fn=None)
    assert len(torch.unique(model[4].weight.qdata)) <= 32
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 6, 6, 6)


@pytest.mark.slow
def test_why_one_bit_is_not_written_torchao_sends_all_weights_to_zero(torchao):
    quantization, _, granularity = torchao
    model = nn.Sequential(nn.Linear(16, 8))
    one = quantization.IntxWeightOnlyConfig(weight_dtype=torch.int1, granularity=granularity.PerAxis(0))
    quantization.quantize_(model, quantization.FqnToConfig({"0": one}), filter_fn=None)
    assert not model[0].weight.dequantize().any()


def test_layers_say_where_they_went():
    told = {row["tensor"]: (row["torchao"], row["torchao_reason"]) for row in _ours()["layers"]}
    assert told["0.weight"] == ("torchao", None)
    assert told["2.weight"] == ("torchao", "1 bit, but torchao's symmetric grids need 2")
    assert told["3.weight"] == (None, "no suggestion")
    assert told["4.weight"] == ("torchao_convolutions", None)
    assert told["5.weight"][0] is None and "depthwise" in told["5.weight"][1]
    assert told["6.in_proj_weight"] == (None, "not the weight of a module")
    assert told["7.weight"] == (None, "3 axes, torchao rounds 2 or 4")
    assert where_in_torchao(layer("weight", (8, 8), 3)) == (None, "not the weight of a module")


def test_where_it_comes_from_is_in_the_file_and_it_is_json():
    ours = _ours()
    assert ours["rule"] == {"threshold": 99.0, "visible": 95.0, "alpha": 0.01, "margin": 3}
    assert ours["source"] == "x"
    assert ours["versions"]["complexity-lab"]
    assert ours["mean_bits"] == pytest.approx(
        sum(one.bits * one.weights for one in LAYERS) / sum(one.weights for one in LAYERS)
    )
    assert "NaN" not in json.dumps(document(LAYERS, Rule(), **ABOUT), allow_nan=False)


def _ours():
    return document(LAYERS, Rule(), **ABOUT)["complexity_lab"]
