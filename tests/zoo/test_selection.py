"""Selecting models of a zoo: explicit lists, conditions, samples, and what is said when nothing fits."""

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.zoo.card import ModelCard
from complexity_lab.zoo.selection import Selection, parse_count, read_list, select


def card(model_id, family, parameters):
    architecture, _, tag = model_id.partition(".")
    return ModelCard(id=model_id, zoo="toy", architecture=architecture, family=family, tag=tag, parameters=parameters)


CARDS = (
    card("vit_tiny.augreg_in21k", "vision_transformer", 5_700_000),
    card("resnet50.tv_in1k", "resnet", 25_557_032),
    card("resnet50.a1_in1k", "resnet", 25_557_032),
    card("resnet10t.c3_in1k", "resnet", 5_440_000),
    card("convnext_atto.d2_in1k", "convnext", 3_700_000),
    card("unmeasured.x", "other", None),
)


@dataclass(frozen=True)
class ToyZoo:
    listed: tuple[ModelCard, ...] = CARDS
    name = "toy"

    def cards(self):
        return self.listed

    def card(self, model_id):
        for known in self.listed:
            if model_id in (known.id, known.architecture):
                return known
        raise UnknownNameError(f"no {model_id}{nearest_names(model_id, [known.id for known in self.listed])}")

    def open(self, card):
        raise NotImplementedError


def ids(zoo=ToyZoo(), **conditions):
    return [chosen.id for chosen in select(zoo, Selection(**conditions))]


def test_everything_sorted_by_id():
    assert ids() == sorted(known.id for known in CARDS)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"filter": ("resnet50",)}, ["resnet50.a1_in1k", "resnet50.tv_in1k"]),
        ({"filter": ("resnet50.a*",)}, ["resnet50.a1_in1k"]),
        ({"filter": ("convnext*", "vit*")}, ["convnext_atto.d2_in1k", "vit_tiny.augreg_in21k"]),
        ({"filter": ("resnet*",), "exclude": ("*50*",)}, ["resnet10t.c3_in1k"]),
        ({"families": ("convnext", "vision_*")}, ["convnext_atto.d2_in1k", "vit_tiny.augreg_in21k"]),
        ({"tags": ("*in21k",)}, ["vit_tiny.augreg_in21k"]),
        ({"min_parameters": 25_557_032}, ["resnet50.a1_in1k", "resnet50.tv_in1k"]),
        ({"max_parameters": 3_700_000}, ["convnext_atto.d2_in1k"]),
        ({"min_parameters": 4_000_000, "max_parameters": 5_500_000}, ["resnet10t.c3_in1k"]),
        ({"models": ("vit_tiny", "resnet50.tv_in1k", "vit_tiny")}, ["resnet50.tv_in1k", "vit_tiny.augreg_in21k"]),
        ({"models": ("vit_tiny", "resnet50"), "families": ("resnet",)}, ["resnet50.tv_in1k"]),
    ],
)
def test_conditions(conditions, expected):
    assert ids(**conditions) == expected


def test_an_unknown_size_meets_no_bound():
    assert "unmeasured.x" not in ids(min_parameters=0)
    assert "unmeasured.x" not in ids(max_parameters=10**12)


def test_unknown_names_come_with_suggestions():
    with pytest.raises(UnknownNameError, match=r"did you mean .*resnet50\.a1_in1k"):
        ids(models=("resnet50.a1_in1",))


@given(st.integers(0, 2**32), st.integers(1, len(CARDS)), st.randoms(use_true_random=False))
def test_a_sample_depends_on_the_seed_and_not_on_the_order(seed, sample, rng):
    shuffled = list(CARDS)
    rng.shuffle(shuffled)
    drawn = ids(sample=sample, seed=seed)
    assert len(set(drawn)) == sample
    assert drawn == sorted(drawn)
    assert drawn == ids(ToyZoo(tuple(shuffled)), sample=sample, seed=seed)


def test_a_sample_is_that_of_the_standard_library():
    everything = sorted(known.id for known in CARDS)
    assert ids(sample=3, seed=7) == sorted(random.Random(7).sample(everything, 3))


def test_samples_of_other_seeds_differ():
    assert len({tuple(ids(sample=3, seed=seed)) for seed in range(10)}) > 3


def test_every_model_is_drawn_about_as_often():
    draws = [model for seed in range(600) for model in ids(sample=2, seed=seed)]
    assert all(150 < draws.count(known.id) < 250 for known in CARDS)  # 200 expected, standard deviation 11.5


def test_a_sample_that_is_too_large_says_how_many_there_are():
    with pytest.raises(InputError, match="sample asks for 3 models, but 2 match"):
        ids(filter=("resnet50",), sample=3)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"filter": ("nothing*",)}, r"'filter nothing\*' removed all 6 that 'the zoo toy' had left"),
        ({"filter": ("resnet*",), "exclude": ("res*",)}, r"'exclude res\*' removed all 3 that 'filter resnet\*' had"),
        ({"filter": ("vit*",), "families": ("resnet",)}, r"'families resnet' .*their families: vision_transformer"),
        ({"families": ("resnet",), "max_parameters": 1000}, r"'max_parameters 1,000' .*5,440,000 to 25,557,032"),
        ({"models": ("unmeasured",), "min_parameters": 1}, r"the list of models.*their parameters are not known"),
        ({"tags": ("in22k",)}, r"'tags in22k' removed all 6 .*such as convnext_atto\.d2_in1k"),
    ],
)
def test_nothing_left_names_the_condition(conditions, message):
    with pytest.raises(InputError, match=message):
        ids(**conditions)


def test_an_empty_zoo_says_so():
    with pytest.raises(InputError, match="lists no model"):
        ids(ToyZoo(()))


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"filter": "resnet*"}, "filter is the text 'resnet\\*'; it must be a tuple"),
        ({"models": "resnet50"}, "models is the text"),
        ({"sample": 0}, "sample is 0"),
        ({"max_parameters": -1}, "max_parameters is -1"),
        ({"min_parameters": 2000, "max_parameters": 1000}, "min_parameters 2,000 is above max_parameters 1,000"),
    ],
)
def test_selections_are_checked_when_made(conditions, message):
    with pytest.raises(InputError, match=message):
        Selection(**conditions)


def test_a_selection_is_frozen_and_hashable():
    selection = Selection(filter=("a*",))
    assert hash(selection) == hash(replace(selection))
    with pytest.raises(AttributeError):
        selection.seed = 3


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "models.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"resnet50\nvit_tiny.augreg_in21k\n",
        b"\xef\xbb\xbfresnet50\r\n\r\nvit_tiny.augreg_in21k",
        b"# my models\n\n  resnet50  # a baseline\nvit_tiny.augreg_in21k\nresnet50\n",
    ],
)
def test_lists(tmp_path, content):
    assert read_list(written(tmp_path, content)) == ("resnet50", "vit_tiny.augreg_in21k")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no model"),
        (b"# nothing\n\n", "names no model"),
        (b"\x80\x81\x82", "not text"),
        (b"resnet50\0\n", "not a list"),
        (b"\n" * 10_000_001, "not a list"),
        (b"resnet50\nresnet18 resnet34\n", "line 2 of .* has 2 words"),
    ],
)
def test_lists_that_are_none(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_list(written(tmp_path, content))


def test_missing_lists(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_list(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="directory"):
        read_list(tmp_path)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("100M", 10**8),
        ("30m", 3 * 10**7),
        ("1.5B", 15 * 10**8),
        ("250k", 250_000),
        ("12345", 12345),
        ("0", 0),
        (" 1_000 ", 1000),
        ("0.1M", 100_000),
        ("7.29M", 7_290_000),
    ],
)
def test_counts(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "M", "-5M", "1e6", "12 apples", "1.5", "0.0001k", "nan", "1,000", "5MB", "٣"])
def test_counts_that_are_none(text):
    with pytest.raises(InputError, match=r"count|whole number"):
        parse_count(text)


@given(st.integers(0, 10**12))
def test_written_counts_are_read_back(count):
    assert parse_count(str(count)) == count
    assert parse_count(f"{count}k") == 1000 * count
