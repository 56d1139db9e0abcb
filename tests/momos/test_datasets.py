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
from complexity_lab.momos.datasets import (
    _SOURCES,
    TestImages,
    TrainingImages,
    ValidationImages,
    _split,
    load_dataset,
)
from complexity_lab.momos.inputs import Inputs
from tests.cifar import write_cifar10


def cifar_as_stored(root):
    """Images and labels of CIFAR-10's training and test file."""
    folder = root / CIFAR10.base_folder
    stored = [pickle.loads((folder / name).read_bytes()) for name in ("data_batch_1", "test_batch")]
    return [dict(zip(map(bytes, part["data"]), part["labels"], strict=True)) for part in stored]


def labelled(images):
    found = dict(zip(map(bytes, images.pixels.numpy()), images.labels.tolist(), strict=True))
    assert len(found) == len(images)  # no image twice in a part
    return found


def assert_disjoint(data, sizes):
    """Return the three parts as labels by image."""
    whole = (data.training, data.validation, data.test)
    assert tuple(map(type, whole)) == (TrainingImages, ValidationImages, TestImages)
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
    training, validation = _split(50_000, share or _SOURCES["cifar10"].validation, 10)
    assert (len(training), len(validation)) == sizes
    assert torch.equal(torch.cat([training, validation]).sort().values, torch.arange(50_000))


def test_a_seed_decides_the_parts():
    first, again, other = (load_dataset("digits", split_seed=seed) for seed in (10, 10, 3))
    for name in ("training", "validation", "test"):
        assert torch.equal(getattr(first, name).pixels, getattr(again, name).pixels)
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


def test_mnist_is_one_channel_resized_to_32_around_a_half(tmp_path):
    data = load_dataset("mnist", data_dir=write_mnist(tmp_path))
    assert data.training.pixels.shape == (27, 1, 28, 28)
    pixels, labels = next(Inputs(data, 32).in_order(data.validation))
    assert pixels.shape == (3, 1, 32, 32)
    assert labels.equal(data.validation.labels)
    assert -1 <= float(pixels.min()) < 0 < float(pixels.max()) <= 1


def test_inputs_are_normalised_and_every_image_comes_once_an_epoch():
    data = load_dataset("digits")
    order = torch.randperm(len(data.training), generator=torch.Generator().manual_seed(0))
    batches = list(Inputs(data, 32).training(order, 100, torch.Generator().manual_seed(1)))
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.training.labels[order])
    pixels, _ = next(Inputs(data, 32).in_order(data.training))
    assert abs(float(pixels.mean())) < 0.1
    assert abs(float(pixels.std()) - 1) < 0.1


def test_batches_augmented_together_are_the_images_of_their_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("complexity_lab.momos.inputs.augment", lambda name, pixels, size, generator: pixels)
    data = load_dataset("cifar10", data_dir=write_cifar10(tmp_path, monkeypatch))
    order = torch.arange(36).flip(0)
    inputs = Inputs(data, 32)
    batches = list(inputs.training(order, 5, torch.Generator()))
    assert [len(labels) for _, labels in batches] == [5] * 7 + [1]
    plain = torch.cat([pixels for pixels, _ in inputs.in_order(data.training)])
    assert torch.equal(torch.cat([pixels for pixels, _ in batches]), plain[order])
