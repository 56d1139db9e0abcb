"""One battery for every zoo: cards at once, initial weights by seed, a small zoo for a worker, names that help."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.weights.source import NamedTensor
from complexity_lab.zoo.card import HasFiles, Zoo
from complexity_lab.zoo.registry import ZOOS, open_zoo

MODELS = {"digits": "mlp_12", "timm": "test_vit.r160_in1k", "checkpoints": "one"}


def checkpoints(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        for seed, state in ((0, "initial"), (1, "trained")):
            values = np.random.default_rng(seed).standard_normal((8, 12)).astype(np.float32)
            save_file({"layer.weight": values}, folder / name / f"{state}.safetensors")
    return open_zoo("checkpoints", path=folder)


@pytest.fixture(params=ZOOS)
def zoo(request, tmp_path):
    return checkpoints(tmp_path) if request.param == "checkpoints" else open_zoo(request.param)


def values(source):
    return {tensor.name: tensor.values.copy() for tensor in source.tensors() if isinstance(tensor, NamedTensor)}


def test_cards_are_listed_at_once_and_named_once(zoo):
    cards = zoo.cards()
    assert isinstance(zoo, Zoo) and cards
    assert len({card.id for card in cards}) == len(cards)
    assert {card.zoo for card in cards} == {zoo.name}
    assert all(card.family and card.architecture for card in cards)
    assert zoo.card(cards[0].id) == cards[0]


def test_an_unknown_name_suggests_the_nearest(zoo):
    model = MODELS[zoo.name]
    with pytest.raises(UnknownNameError, match=model.split(".")[0]):
        zoo.card(f"{model}x")


def test_initial_weights_follow_from_the_seed(zoo):
    card = zoo.card(MODELS[zoo.name])
    opened = zoo.open(card)
    first, again = values(opened.initial(0)), values(zoo.open(card).initial(0))
    assert first.keys() == again.keys() and first
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    if opened.initial_seeds is None:
        other = values(zoo.open(card).initial(1))
        assert any(not np.array_equal(array, other[name]) for name, array in first.items())
    if card.parameters is not None:
        assert sum(array.size for array in first.values()) == card.parameters


def test_what_a_worker_gets_is_small(zoo):
    card = zoo.card(MODELS[zoo.name])
    small = zoo.only(card) if isinstance(zoo, HasFiles) else zoo
    assert len(pickle.dumps((small, card))) < 2048
    sent = pickle.loads(pickle.dumps(small))
    assert values(sent.open(card).initial(0)).keys() == values(zoo.open(card).initial(0)).keys()


def test_files_of_the_user_are_told(zoo, tmp_path):
    card = zoo.card(MODELS[zoo.name])
    files = zoo.files(card) if isinstance(zoo, HasFiles) else ()
    assert all(file.exists() for file in files)
    assert bool(files) == (zoo.name == "checkpoints")


def test_a_card_of_another_zoo_is_refused(zoo):
    card = replace(zoo.card(MODELS[zoo.name]), id="no-such-model", architecture="no-such-model")
    with pytest.raises((UnknownNameError, KeyError)):
        zoo.open(card)


def test_every_zoo_is_known_by_name(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean digits"):
        open_zoo("digit")
    with pytest.raises(InputError):
        open_zoo("checkpoints")
