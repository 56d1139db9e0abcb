"""Data sets through torchvision: where they come from, how they are divided, and what a batch of them is."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError
from complexity_lab.training.batches import Batches
from complexity_lab.training.datasets import VALIDATION, load_dataset, split_in_two
from complexity_lab.training.digits import digits, split_indices
from complexity_lab.training.examples import TestExamples, TrainingExamples, ValidationExamples
from complexity_lab.training.recipe import DigitsSplit, Recipe
from complexity_lab.training.streams import Streams
from tests.cifar import write_cifar10


def cifar_as_stored(root):
    """Images and labels of CIFAR-10's training and test file."""
    folder = root / CIFAR10.base_folder
    stored = [pickle.loads((folder / name).read_bytes()) for name in ("data_batch_1", "test_batch")]
    return [dict(zip(map(bytes, part["data"]), part["labels"], strict=True)) for part in stored]


def labelled(images):
    found = dict(zip(map(bytes, images.inputs.numpy()), images.labels.tolist(), strict=True))
    assert len(found) == len(images)  # no image twice in a part
    return found


def assert_disjoint(data, sizes):
    """Return the three parts as labels by image."""
    whole = (data.training, data.validation, data.test)
    assert tuple(map(type, whole)) == (TrainingExamples, ValidationExamples, TestExamples)
    assert tuple(map(len, whole)) == sizes
    training, validation, test = map(labelled, whole)
    assert not training.keys() & validation.keys()
    assert not training.keys() & test.keys()
    assert not validation.keys() & test.keys()
    return training, validation, test


@pytest.mark.parametrize(("validation", "sizes"), [(None, (1257, 180, 360)), (0.05, (1365, 72, 360))])
def test_digits_are_three_disjoint_parts_that_hold_every_image(validation, sizes):
    """1,797 different images in all, so none of scikit-learn's is missing; their classes are as many as there."""
    parts = assert_disjoint(load_dataset("digits", validation=validation), sizes)
    assert sum(sizes) == len(load_digits().target) == 1797
    labels = [label for part in parts for label in part.values()]
    assert np.array_equal(np.bincount(labels), np.bincount(load_digits().target))


@pytest.mark.parametrize(("validation", "sizes"), [(None, (36, 4, 20)), (0.05, (38, 2, 20))])  # paper, reference
def test_cifar_is_three_disjoint_parts_that_hold_every_image(tmp_path, monkeypatch, validation, sizes):
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch), validation=validation)
    training, held_out, test = assert_disjoint(data, sizes)
    stored, stored_for_the_test = cifar_as_stored(tmp_path)
    assert training | held_out == stored
    assert test == stored_for_the_test


def test_mnist_is_three_disjoint_parts(tmp_path):
    assert_disjoint(load_dataset("mnist", data_dir=write_mnist(tmp_path)), (27, 3, 30))


@pytest.mark.parametrize(("share", "sizes"), [(None, (45_000, 5_000)), (0.05, (47_500, 2_500))])
def test_the_papers_and_the_references_sizes_of_cifar(share, sizes):
    training, validation = split_in_two(50_000, share or VALIDATION, 10)
    assert (len(training), len(validation)) == sizes
    assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(50_000))


def test_a_seed_decides_the_parts():
    first, again, other = (load_dataset("digits", split_seed=seed) for seed in (10, 10, 3))
    for name in ("training", "validation", "test"):
        assert torch.equal(getattr(first, name).inputs, getattr(again, name).inputs)
        assert labelled(getattr(first, name)).keys() != labelled(getattr(other, name)).keys()


def test_missing_files_without_network(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(UnreachableError, match="does not hold cifar10, and it cannot be downloaded"):
        load_dataset("cifar10", data_dir=tmp_path)


def test_damaged_files_are_named(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / CIFAR10.base_folder / "data_batch_1").write_bytes(b"not a pickle")
    with pytest.raises(InputError, match="holds cifar10, but it cannot be read"):
        load_dataset("cifar10", data_dir=tmp_path)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(UnknownNameError, match="known: digits, cifar10"):
        load_dataset("imagenet")


def write_mnist(root, count=30):
    """Write MNIST's four files with a few images."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images = struct.pack(">IIII", 0x803, count, 28, 28) + pixels.tobytes()
        for name, content in (
            ("images-idx3", images),
            ("labels-idx1", struct.pack(">II", 0x801, count) + bytes(labels)),
        ):
            (folder / f"{part}-{name}-ubyte").write_bytes(content)
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
    return root


def recipe(**changes):
    given = {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0, "batch_size": 100, "epochs": 1}
    return Recipe(**(given | changes))


def streams(seed=0):
    return Streams.of_seed(seed)


def test_mnist_is_one_channel_resized_to_32_around_a_half(tmp_path):
    data = load_dataset("mnist", data_dir=write_mnist(tmp_path))
    assert data.training.inputs.shape == (27, 1, 28, 28)
    pixels, labels = next(Batches(data, recipe(image_size=32)).in_order(data.validation))
    assert pixels.shape == (3, 1, 32, 32)
    assert labels.equal(data.validation.labels)
    assert -1 <= float(pixels.min()) < 0 < float(pixels.max()) <= 1


def test_inputs_are_normalised_and_every_image_comes_once_an_epoch():
    data = load_dataset("digits")
    batches = Batches(data, recipe())
    order = torch.randperm(len(data.training), generator=streams().order)
    labels = torch.cat([labels for _, labels in batches.epoch(streams())])
    assert torch.equal(labels, data.training.labels[order])
    pixels = torch.cat([pixels for pixels, _ in batches.in_order(data.training)])
    assert abs(float(pixels.mean())) < 0.01
    assert abs(float(pixels.std()) - 1) < 0.01


def test_batches_augmented_together_are_the_images_of_their_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("complexity_lab.training.batches.augment", lambda name, pixels, *_, **__: pixels)
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch))
    batches = Batches(data, recipe(batch_size=5))
    order = torch.randperm(36, generator=streams().order)
    found = list(batches.epoch(streams()))
    assert [len(labels) for _, labels in found] == [5] * 7 + [1]
    plain = torch.cat([pixels for pixels, _ in batches.in_order(data.training)])
    assert torch.equal(torch.cat([pixels for pixels, _ in found]), plain[order])


def naive_bilinear(image, size):
    """Scale a square image pixel by pixel, with pixel centres at half integers and clamped edges."""
    side = len(image)
    result = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            y, x = (min(max((i + 0.5) * side / size - 0.5, 0), side - 1) for i in (row, column))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, side - 1), min(left + 1, side - 1)
            down, across = y - top, x - left
            upper = (1 - across) * image[top, left] + across * image[top, right]
            lower = (1 - across) * image[bottom, left] + across * image[bottom, right]
            result[row, column] = (1 - down) * upper + down * lower
    return result


def parts_of(split):
    labels = torch.as_tensor(load_digits().target)
    return split_indices(labels, split.seed, split.test, split.validation / (1 - split.test))


def test_the_three_parts_of_the_zoos_digits_are_all_of_them_once():
    labels, parts = load_digits().target, parts_of(DigitsSplit())
    assert [len(part) for part in parts] == [1257, 180, 360]
    assert sorted(index for part in parts for index in part) == list(range(1797))
    for part in parts:
        shares = np.bincount(labels[part]) / len(part)
        np.testing.assert_allclose(shares, np.bincount(labels) / 1797, atol=0.01)


@pytest.mark.parametrize("split", [DigitsSplit(), DigitsSplit(size=12, channels=1, seed=3, validation=0.2)])
def test_digits_are_scaled_copies_of_the_originals_standardised_by_those_to_train_on(split):
    original, data = load_digits(), digits(split)
    training, _, test = parts_of(split)
    scaled = np.stack([naive_bilinear(original.images[index], split.size) for index in (training[0], test[0])])
    ours = torch.stack([data.training.inputs[0], data.test.inputs[0]]).numpy()
    slope, offset = np.polyfit(scaled.ravel(), ours[:, 0].ravel(), 1)
    np.testing.assert_allclose(scaled * slope + offset, ours[:, 0], atol=1e-5)
    assert ours.shape == (2, split.channels, split.size, split.size)
    assert (ours == ours[:, :1]).all()
    assert int(data.test.labels[0]) == original.target[test[0]]
    assert float(data.training.inputs.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.training.inputs.std()) == pytest.approx(1, abs=1e-4)
    assert float(data.test.inputs.mean()) != pytest.approx(0, abs=1e-5)
    assert data.ground == float(data.training.inputs.min())
