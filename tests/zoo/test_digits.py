"""The digits zoo as the survey uses it, and its cache under every kind of damage."""

import logging
import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from complexity_lab.errors import InputError, OutputError, UnknownNameError
from complexity_lab.weights.source import NamedTensor, WeightSource
from complexity_lab.zoo import digits as digits_module
from complexity_lab.zoo import digits_training
from complexity_lab.zoo.card import OpenModel, Zoo
from complexity_lab.zoo.digits import DigitsZoo, trained_network
from complexity_lab.zoo.digits_cache import cache_path, exclusive
from complexity_lab.zoo.digits_networks import DigitsNetwork, digits_networks
from tests.zoo.quick import QUICK

HASHES = {
    "mlp_12": "9fc025277e10",
    "mlp_288x2": "cba5b1bd08f4",
    "mlp_1536_768": "c647ea051ab6",
    "resnet8_w6": "f2a5c4c86c75",
    "resnet20_w16": "a337affe4f7c",
    "densenet_k12": "8a41dc52fe5e",
    "convnext_16_128": "cd556d5e4d56",
    "convnext_40_320": "d0fcb4f08380",
    "mobilenetv3_small_050": "5c124237d333",
    "tinynet_e": "83a1979d0b92",
    "vit_d96x4": "97d835a8bd7d",
    "deit_tiny_patch16": "588d7a5d8f03",
    "mixer_d96x4": "2ab2d1980217",
    "poolformer_32_256": "844a0e899cde",
}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DigitsZoo:
    """A zoo of one network that trains at once."""
    monkeypatch.setattr(digits_module, "digits_networks", lambda: (QUICK,))
    return DigitsZoo(tmp_path, seeds=(3, 1))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were trained, in order."""
    seeds: list[int] = []
    original = digits_training.train

    def counting(network: DigitsNetwork, seed: int) -> digits_training.TrainedNetwork:
        seeds.append(seed)
        return original(network, seed)

    monkeypatch.setattr(digits_training, "train", counting)
    return seeds


def opened(zoo: DigitsZoo) -> OpenModel:
    return zoo.open(zoo.cards()[0])


def values(source: WeightSource) -> dict[str, np.ndarray]:
    tensors = list(source.tensors())
    assert all(isinstance(tensor, NamedTensor) for tensor in tensors)
    return {tensor.name: tensor.values.copy() for tensor in tensors if isinstance(tensor, NamedTensor)}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


def test_a_dozen_networks_of_many_families_from_ten_thousand_to_six_million() -> None:
    cards = DigitsZoo().cards()
    sizes = [card.parameters or 0 for card in cards]
    assert len({card.id for card in cards}) == len(cards) >= 12
    assert len({card.family for card in cards}) >= 6
    assert 10_000 <= min(sizes) <= 20_000
    assert 5_000_000 <= max(sizes) <= 6_000_000
    gaps = np.diff(np.log10(sorted(sizes)))
    assert gaps.max() < 0.6, "no gap of more than a factor of four in size"


def test_cards_say_where_weights_come_from() -> None:
    for card in DigitsZoo().cards():
        assert (card.zoo, card.id, card.dataset) == ("digits", card.architecture, "scikit-learn digits")
        assert card.licence
        assert card.source


def test_listing_imports_no_heavy_library() -> None:
    program = (
        "import sys; from complexity_lab.zoo.digits import DigitsZoo; DigitsZoo().cards();"
        "sys.exit(', '.join({'torch', 'timm', 'sklearn', 'safetensors'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_zoo_keeps_the_protocol_and_travels_to_workers(tmp_path: Path) -> None:
    zoo: Zoo = DigitsZoo(tmp_path, seeds=(0, 5))
    assert isinstance(zoo, Zoo)
    assert pickle.loads(pickle.dumps(zoo)) == zoo
    assert zoo.name == "digits"
    assert DigitsZoo().seeds == (0, 1, 2)


def test_an_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no model 'resnet20_w61' \(did you mean resnet20_w16"):
        DigitsZoo().card("resnet20_w61")
    with pytest.raises(UnknownNameError):
        DigitsZoo().open(replace(DigitsZoo().cards()[0], id="nothing"))


@pytest.mark.parametrize("seeds", [(0, 0), (-1,), (2, 1, 2)])
def test_seeds_are_different_and_not_negative(seeds: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="different integers of at least 0"):
        DigitsZoo(seeds=seeds)


def test_initial_weights_are_a_function_of_the_seed(zoo: DigitsZoo) -> None:
    model = opened(zoo)
    assert model.initial_seeds is None
    first = values(model.initial(11))
    assert same(first, values(opened(zoo).initial(11)))
    assert not same(first, values(model.initial(12)))
    assert list(first) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


def test_trained_weights_come_from_training_once_and_from_the_cache_afterwards(
    zoo: DigitsZoo, trainings: list[int]
) -> None:
    model = opened(zoo)
    assert model.trained_seeds == (3, 1)
    fresh = values(model.trained(1))
    assert same(fresh, values(model.trained(1)))
    assert same(fresh, values(opened(zoo).trained(1)))
    assert trainings == [1]
    assert not same(fresh, values(model.initial(1)))
    assert "trained seed 1" in model.trained(1).label


def test_facts_hold_the_accuracy_of_each_seed_in_order(zoo: DigitsZoo) -> None:
    model = opened(zoo)
    assert model.facts().test_accuracy == ()
    model.trained(1)
    model.trained(3)
    expected = tuple(trained_network(QUICK, seed, zoo.cache_dir).test_accuracy for seed in (3, 1))
    assert model.facts().test_accuracy == expected
    assert model.facts().revision == f"digits recipe v1 {QUICK.hash}"


@pytest.mark.parametrize("seed", [None, 0])
def test_a_seed_that_is_not_the_zoos_is_refused(zoo: DigitsZoo, seed: int | None) -> None:
    with pytest.raises(InputError, match=r"of the seeds \(3, 1\), not of"):
        opened(zoo).trained(seed)


def test_a_cached_file_tells_its_origin(zoo: DigitsZoo) -> None:
    network = trained_network(QUICK, 3, zoo.cache_dir)
    with safe_open(cache_path(zoo.cache_dir, QUICK, 3), framework="pt") as file:
        facts = file.metadata()
    assert float(facts["test_accuracy"]) == network.test_accuracy
    assert (facts["architecture"], facts["seed"], facts["recipe"]) == ("mlp_quick", "3", QUICK.hash)
    assert {"torch", "timm", "scikit-learn", "digest", "validation_accuracy"} <= set(facts)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_one_bit(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    payload[-7] ^= 1
    path.write_bytes(payload)


def take_from_another_seed(path: Path) -> None:
    path.write_bytes(path.with_name("mlp_quick-seed1.safetensors").read_bytes())


def drop_metadata(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(state, path)


def replace_metadata(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    save_file(state, path, facts | changes)


def store_other_values(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) + 1 for name in file.keys()}  # noqa: SIM118
        facts = file.metadata()
    save_file(state, path, facts)


def spoil_accuracy(path: Path) -> None:
    replace_metadata(path, test_accuracy="nan")


def store_other_tensors(path: Path) -> None:
    state = {"weight": torch.zeros(3, dtype=torch.bfloat16)}
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    save_file(state, path, facts)


DAMAGES = [
    truncate,
    empty,
    flip_one_bit,
    take_from_another_seed,
    drop_metadata,
    spoil_accuracy,
    store_other_tensors,
    store_other_values,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_or_foreign_file_is_trained_again(
    zoo: DigitsZoo, trainings: list[int], damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(damage)
    good = values(opened(zoo).trained(3))
    opened(zoo).trained(1)
    damage(cache_path(zoo.cache_dir, QUICK, 3))
    with caplog.at_level(logging.WARNING):
        assert same(good, values(opened(zoo).trained(3)))
    assert trainings == [3, 1, 3]
    assert "will be trained again" in caplog.text
    assert same(good, values(opened(zoo).trained(3)))
    assert trainings == [3, 1, 3]


def test_the_cache_moves_with_argument_variable_and_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLEXITY_LAB_CACHE", raising=False)
    assert "complexity-lab" in cache_path(None, QUICK, 0).parts
    monkeypatch.setenv("COMPLEXITY_LAB_CACHE", str(tmp_path / "variable"))
    tail = Path("digits") / QUICK.hash / "mlp_quick-seed0.safetensors"
    assert cache_path(None, QUICK, 0) == tmp_path / "variable" / tail
    assert cache_path(tmp_path / "argument", QUICK, 0) == tmp_path / "argument" / tail


def test_an_unwritable_cache_is_an_error_before_any_training(
    zoo: DigitsZoo, trainings: list[int], tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(OutputError, match=r"cannot be written .* set COMPLEXITY_LAB_CACHE"):
        opened(replace(zoo, cache_dir=in_the_way)).trained(3)
    assert trainings == []


def test_a_full_disk_leaves_nothing_behind(zoo: DigitsZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        opened(zoo).trained(3)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.part"))


def test_threads_that_want_one_network_train_it_once(zoo: DigitsZoo, trainings: list[int]) -> None:
    threads = [threading.Thread(target=trained_network, args=(QUICK, 3, zoo.cache_dir)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trainings == [3]


def test_a_second_process_waits_for_the_first(zoo: DigitsZoo) -> None:
    path = cache_path(zoo.cache_dir, QUICK, 3)
    program = (
        "import sys; from pathlib import Path; from complexity_lab.zoo.digits_cache import exclusive\n"
        "print('asking', flush=True)\n"
        "with exclusive(Path(sys.argv[1])): print('holding', flush=True)\n"
    )
    with exclusive(path):
        other = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "asking\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=0.5)
    assert other.communicate(timeout=30)[0] == "holding\n"


def test_networks_keep_the_names_that_version_1_gave_them_in_caches() -> None:
    """Computed by version 0.1.0, before recipes were files."""
    found = {network.architecture: network.hash for network in digits_networks()}
    assert found == HASHES


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"learning_rate": 2e-3},
        {"batch_size": 32},
        {"weight_decay": 0.1},
        {"shift": 0},
        {"warmup": 0.2},
        {"clip_norm": 2.0},
        {"optimizer": "adam"},
        {"decays": "all"},
        {"schedule": "constant"},
        {"last_batch": "keep"},
        {"augmentation": "none"},
        {"momentum": 0.9},
        {"image_size": 16},
        {"epochs": None, "steps": 10},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_changes_with_what_changes_the_weights(change: dict[str, Any]) -> None:
    assert replace(QUICK, recipe=replace(QUICK.recipe, **change)).hash != QUICK.hash


def test_the_hash_changes_with_what_is_built() -> None:
    assert replace(QUICK, options=(("hidden", (5,)),)).hash != QUICK.hash
    assert replace(QUICK, constructor="elsewhere:MLP").hash != QUICK.hash


def test_the_hash_stays_with_what_only_describes() -> None:
    assert replace(QUICK, family="perceptron", parameters=1).hash == QUICK.hash
    assert len({network.hash for network in digits_networks()}) == len(digits_networks())
