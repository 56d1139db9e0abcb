"""The order of tensors: natural by their names, a model's where it is known, and what is said of it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from torch import nn

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.weights.from_checkpoint import StateDict, TorchFile, open_file, order_of
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.from_safetensors import SafetensorsFile, SafetensorsShards
from complexity_lab.weights.order import ORDER_RULES, Ordering, checked_rule, in_model_order, natural_order

PARTS = st.sampled_from(
    ["layers", "blocks", "2", "10", "010", "norm", "head", "stem", "embed_tokens", "weight", "bias", "gamma", "é", ""]
) | st.text("ab01._-", max_size=5)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map(".".join)
DISTINCT = st.lists(NAMES, unique=True, max_size=12)

ORDERS = {
    "numbers": ["layers.0.w", "layers.2.w", "layers.10.w", "layers.100.w"],
    "numbers in words": ["layer1.w", "layer2.w", "layer10.w"],
    "vision transformer": [
        *("cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"),
        *("blocks.0.norm1.weight", "blocks.2.norm1.weight", "blocks.10.norm1.weight", "norm.weight", "head.weight"),
    ],
    "GPT-2": [
        *("transformer.wpe.weight", "transformer.wte.weight", "transformer.h.9.ln_1.weight"),
        *("transformer.h.11.ln_1.weight", "transformer.ln_f.weight", "transformer.ln_f.bias", "lm_head.weight"),
    ],
    "Llama": [
        *(
            "model.embed_tokens.weight",
            "model.layers.3.self_attn.q_proj.weight",
            "model.layers.21.input_layernorm.weight",
        ),
        *("model.norm.weight", "lm_head.weight"),
    ],
    "BERT": [
        *("bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight"),
        *("bert.encoder.layer.0.output.dense.weight", "bert.pooler.dense.weight", "cls.predictions.bias"),
    ],
    "GPT-NeoX": ["gpt_neox.embed_in.weight", "gpt_neox.layers.0.x.weight", "embed_out.weight"],
    "encoder and decoder": ["shared.weight", "encoder.block.0.w", "decoder.block.0.w", "lm_head.weight"],
    "residual network": ["conv1.weight", "layer1.0.bn1.weight", "layer1.10.bn1.weight", "fc.weight", "fc.bias"],
    "efficient network": ["bn1.weight", "conv_stem.weight", "blocks.0.0.w", "bn2.weight", "conv_head.weight"],
    "own parameters before modules": ["b", "a.weight", "a.bias", "a.sub.weight"],
    "a norm inside of a layer": ["layers.0.head.w", "layers.0.mlp.w", "layers.0.norm.w", "layers.0.z.w"],
}


@pytest.mark.parametrize("names", ORDERS.values(), ids=ORDERS)
def test_natural_order_of_known_families(names):
    assert natural_order(names[::-1]) == names
    assert natural_order(sorted(names)) == names


@given(DISTINCT, st.randoms())
def test_natural_order_does_not_depend_on_the_order_that_came_in(names, random):
    mixed = names[:]
    random.shuffle(mixed)
    assert natural_order(mixed) == natural_order(names)
    assert sorted(natural_order(names)) == sorted(names)


@given(st.lists(NAMES, unique=True, min_size=2, max_size=12))
def test_natural_order_is_total(names):
    """Of two names one comes first, the same one whatever else is there: comparisons of pairs make one chain."""
    ordered = natural_order(names)
    for one, other in pairwise(ordered):
        assert natural_order([other, one]) == [one, other]
    assert natural_order([ordered[-1], ordered[0]]) == [ordered[0], ordered[-1]]


@given(st.integers(0, 10**40), st.integers(0, 10**40), st.sampled_from(["blocks.{}.w", "layer{}.w", "w{}", "a.{}.b.c"]))
def test_numbers_are_compared_as_numbers(one, other, form):
    low, high = sorted((one, other))
    assert natural_order({form.format(high), form.format(low)}) == list(dict.fromkeys(map(form.format, (low, high))))


def test_a_number_of_more_digits_than_python_reads():
    names = ["w.9", f"w.1{'0' * 5000}", f"w.1{'0' * 4999}1"]
    assert natural_order(names[::-1]) == names


@given(DISTINCT.filter(bool), st.randoms(), st.sampled_from(["", "model.", "module.model."]))
def test_names_that_a_model_knows_come_in_its_order_under_any_shared_prefix(model, random, prefix):
    names = [f"{prefix}{name}" for name in model]
    random.shuffle(names)
    assert in_model_order(names, model) == [f"{prefix}{name}" for name in model]


def test_names_without_the_prefix_of_the_model():
    model = ["bert.embeddings.w", "bert.layer.0.w", "bert.layer.1.w", "cls.w"]
    assert in_model_order(["layer.1.w", "layer.0.w", "embeddings.w"], model) == [
        "embeddings.w",
        "layer.0.w",
        "layer.1.w",
    ]


def test_unknown_names_go_last_and_another_model_is_none():
    assert in_model_order(["x.10", "b", "x.9", "c", "a"], ["c", "b", "a", "d"]) == ["c", "b", "a", "x.9", "x.10"]
    assert in_model_order(["a", "x", "y"], ["a", "b"]) is None
    assert in_model_order(["a"], []) is None
    assert in_model_order([], ["a"]) is None


def test_the_rule_says_what_became_of_what_was_asked():
    names = ["b", "a"]
    assert Ordering("model", ("b", "a")).rule(names) == "model"
    assert Ordering("model", ("y", "x")).rule(names) == Ordering("model").rule(names) == "natural"
    assert Ordering("natural", ("b", "a")).rule(names) == "natural"
    assert Ordering("file", ("a", "b")).ordered(names) == names


def test_an_unknown_rule_is_refused():
    assert [checked_rule(rule) for rule in ORDER_RULES] == ["model", "natural", "file"]
    with pytest.raises(InputError, match="order 'alphabetical', wanted model, natural or file"):
        checked_rule("alphabetical")


TENSORS = {f"layers.{layer}.weight": np.full((layer + 1,), layer, np.float32) for layer in (2, 0, 10)}
NATURAL = ["layers.0.weight", "layers.2.weight", "layers.10.weight"]


def names_of(source):
    return [tensor.name for tensor in source.tensors()]


def test_safetensors_in_every_order(tmp_path):
    save_file(TENSORS, path := tmp_path / "w.safetensors")
    alphabetical, backwards = sorted(TENSORS), tuple(NATURAL[::-1])
    expected = [
        (Ordering(), "natural", NATURAL),
        (Ordering("natural", backwards), "natural", NATURAL),
        (Ordering("model", backwards), "model", list(backwards)),
        (Ordering("model", ("other",)), "natural", NATURAL),
        (Ordering("file"), "file", alphabetical),
    ]
    for ordering, rule, names in expected:
        for source in (SafetensorsFile(path, None, ordering), SafetensorsShards((path,), "model", None, ordering)):
            assert (source.order_rule, names_of(source)) == (rule, names)
        assert list(order_of(path, ordering)) == names
        assert order_of(path, ordering) == {name: values.shape for name, values in TENSORS.items()}
    given_order = {name: TENSORS[name].shape for name in backwards}
    assert names_of(open_file(path, given_order, Ordering("file"))) == list(backwards)
    assert open_file(path, given_order, Ordering("file")).order_rule == "file"


def test_shards_are_one_stream_whatever_file_holds_what(tmp_path):
    for part, names in enumerate((["layers.2.weight"], ["layers.10.weight", "layers.0.weight"])):
        save_file({name: TENSORS[name] for name in names}, tmp_path / f"{part}.safetensors")
    files = (tmp_path / "0.safetensors", tmp_path / "1.safetensors")
    assert names_of(SafetensorsShards(files, "model")) == NATURAL
    in_files = SafetensorsShards(files, "model", ordering=Ordering("file"))
    assert names_of(in_files) == ["layers.2.weight", "layers.0.weight", "layers.10.weight"]
    with pytest.raises(WeightsError, match="model lacks 1"):
        names_of(SafetensorsShards(files, "model", {"other": (1,)}))


def test_torch_files_state_dicts_and_modules_keep_the_order_of_the_model(tmp_path):
    state = {name: torch.from_numpy(values) for name, values in TENSORS.items()}
    torch.save(state, path := tmp_path / "w.pt")
    for rule, names in (("model", list(TENSORS)), ("file", list(TENSORS)), ("natural", NATURAL)):
        source = open_file(path, None, Ordering(rule))
        assert source == TorchFile(path, None, rule)
        assert (source.order_rule, names_of(source)) == (rule, names)
        assert names_of(StateDict(state, order_rule=rule)) == names
        assert list(order_of(path, Ordering(rule))) == names
    module = nn.ModuleDict({"head": nn.Linear(2, 2), "stem": nn.Linear(2, 2)})
    assert names_of(ModuleWeights(module, "m"))[0] == "head.weight"
    assert names_of(ModuleWeights(module, "m", "natural"))[0] == "stem.weight"
