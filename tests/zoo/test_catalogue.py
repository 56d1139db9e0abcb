"""The shipped catalogue of timm: complete, true to the models, and read without importing anything heavy."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.zoo import catalogue
from complexity_lab.zoo.catalogue import SHIPPED, complete, dataset_of, default_ids, generate, read, write
from complexity_lab.zoo.from_timm import TimmZoo
from complexity_lab.zoo.selection import Selection, select

timm = pytest.importorskip("timm")

made_from_this_timm = pytest.mark.skipif(
    read().timm != timm.__version__, reason="the catalogue was made from another timm"
)


def parameters_of(name):
    """Trainable parameters of a model that is really built."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model = timm.create_model(name)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@made_from_this_timm
def test_every_pretrained_tag_is_listed():
    assert {card.id for card in read().cards} == set(timm.list_pretrained())


@made_from_this_timm
def test_default_tags_are_those_of_timm():
    assert read().defaults == {name: f"{name}.{timm.get_pretrained_cfg(name).tag}" for name in read().defaults}
    assert len(read().defaults) == len({card.architecture for card in read().cards})


def test_the_file_is_small_and_sorted():
    assert SHIPPED.stat().st_size < 300_000
    ids = [card.id for card in read().cards]
    assert ids == sorted(set(ids))


def test_facts_are_filled_in():
    for card in read().cards:
        assert card.id == f"{card.architecture}.{card.tag}"
        assert card.zoo == "timm"
        assert card.family
        assert card.source
        assert card.parameters > 100_000


@pytest.mark.parametrize(
    ("model_id", "parameters", "family"),
    [
        ("resnet50.a1_in1k", 25_557_032, "resnet"),  # as published by torchvision
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", 86_567_656, "vision_transformer"),
        ("convnext_tiny.fb_in1k", 28_589_128, "convnext"),
        ("efficientnet_b0.ra_in1k", 5_288_548, "efficientnet"),
    ],
)
def test_published_sizes(model_id, parameters, family):
    card = read().by_id[model_id]
    assert (card.parameters, card.family) == (parameters, family)


@made_from_this_timm
def test_sizes_of_small_models_are_those_of_a_real_build():
    small = [card for card in read().cards if card.parameters < 8_000_000]
    for card in random.Random(0).sample(small, 6):
        assert card.parameters == parameters_of(card.id), card.id


@made_from_this_timm
@pytest.mark.slow
def test_sizes_are_those_of_a_real_build():
    small = [card for card in read().cards if card.parameters < 150_000_000]
    for card in random.Random(1).sample(small, 30):
        assert card.parameters == parameters_of(card.id), card.id


@pytest.mark.parametrize(
    ("tag", "dataset"),
    [
        ("a1_in1k", "in1k"),
        ("augreg_in21k_ft_in1k", "in21k+in1k"),
        ("clip_laion2b_augreg_ft_in12k_in1k_384", "laion2b+in12k+in1k"),
        ("lvd142m", "lvd142m"),
        ("openai", "wit"),
        ("fcmae_ft_in22k_in1k", "in22k+in1k"),
        ("mae_in1k_ft_in1k", "in1k"),
        ("ns_jft_in1k", "jft300m+in1k"),
        ("dino", "in1k"),
        ("metaclip2_worldwide", "metaclip2"),
        ("some_new_tag", ""),
        ("", ""),
    ],
)
def test_datasets_of_tags(tag, dataset):
    assert dataset_of(tag) == dataset


def test_most_tags_tell_their_data():
    assert sum(not card.dataset for card in read().cards) < 0.1 * len(read().cards)


def test_generated_cards_survive_the_file(tmp_path):
    cards = tuple(generate(["test_vit.r160_in1k", "resnet10t.c3_in1k"]))
    write(cards, default_ids(cards), tmp_path / "table.csv")
    again = read(tmp_path / "table.csv")
    assert again.cards == tuple(sorted(cards, key=lambda card: card.id))
    assert again.defaults == {"test_vit": "test_vit.r160_in1k", "resnet10t": "resnet10t.c3_in1k"}
    assert again.timm == timm.__version__


@made_from_this_timm
def test_generated_cards_are_the_shipped_ones():
    names = ("test_vit.r160_in1k", "resnet10t.c3_in1k", "convnextv2_atto.fcmae", "tf_efficientnet_lite0.in1k")
    assert list(generate(names)) == [read().by_id[name] for name in names]


@pytest.mark.parametrize("content", ["", "id,architecture\n", "# timm 1.0\nid,tag\na,b\n", "# other 2\n"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match="not a catalogue"):
        read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv cannot be read"):
        read(tmp_path / "absent.csv")


@made_from_this_timm
def test_a_bare_architecture_is_its_default_tag():
    assert TimmZoo().card("resnet50").id == "resnet50.a1_in1k"
    assert complete("resnet50") == read().by_id["resnet50.a1_in1k"]


def test_bare_architectures_of_another_timm_are_asked_of_the_installed_one(monkeypatch):
    monkeypatch.setattr(catalogue, "_installed", lambda: "99.0")
    assert read().find("resnet50") is None
    assert read().find("resnet50.a1_in1k") is not None
    assert TimmZoo().card("resnet50").architecture == "resnet50"


def test_an_architecture_without_weights_has_a_card():
    card = complete("efficientnet_b6")
    assert (card.tag, card.source, card.dataset, card.licence) == ("", "", "", "")
    assert card.id == card.architecture
    assert card.parameters == parameters_of(card.id)


def test_a_tag_that_the_table_lacks_is_completed(monkeypatch):
    empty = catalogue.Catalogue(timm.__version__, (), {})
    monkeypatch.setattr(catalogue, "read", lambda: empty)
    card = complete("test_vit.r160_in1k")
    assert card.source == "timm/test_vit.r160_in1k"
    assert card.parameters == parameters_of("test_vit.r160_in1k")


def test_deprecated_names_stand_for_present_ones():
    assert complete("convnext_tiny_in22ft1k").id == "convnext_tiny.fb_in22k_ft_in1k"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5O", "no model 'resnet5O' .did you mean .*resnet50"),
        ("resnet50.a1_in2k", "resnet50 has no pretraining tag 'a1_in2k' in timm; it has .*a1_in1k"),
        ("", "no model ''"),
        ("timm/resnet50.a1_in1k", "did you mean .*resnet50.a1_in1k"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownNameError, match=message):
        TimmZoo().card(name)


PROGRAM = """
import sys, time
started = time.perf_counter()
from complexity_lab.zoo.from_timm import TimmZoo
from complexity_lab.zoo.selection import Selection, select
zoo = TimmZoo()
cards = select(zoo, Selection(filter=("resnet*",), max_parameters=100_000_000))
if zoo.card("resnet50.a1_in1k") not in cards:
    raise SystemExit("resnet50 is not there")
heavy = {"torch", "timm", "huggingface_hub", "pandas", "scipy"} & set(sys.modules)
if heavy:
    raise SystemExit(f"{heavy} were imported")
sys.stdout.write(f"{len(cards)} {time.perf_counter() - started}")
"""


def test_listing_imports_nothing_heavy():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=root)
    count, seconds = done.stdout.split()
    assert int(count) > 50
    assert float(seconds) < 2  # 0.2 seconds on an idle core


def test_reading_takes_milliseconds():
    read.cache_clear()
    started = time.perf_counter()
    read()
    assert time.perf_counter() - started < 0.5  # 0.02 seconds on an idle core


def test_the_hundred_architectures_of_a_published_study():
    """Bare architecture names, as studies list them, give one pretrained card each."""
    names = ("resnet18", "rexnet_100", "deit_tiny_distilled_patch16_224", "regnetx_002", "hgnetv2_b0")
    cards = select(TimmZoo(), Selection(models=names))
    assert sorted(card.architecture for card in cards) == sorted(names)
    assert all(card.tag and card.source for card in cards)
