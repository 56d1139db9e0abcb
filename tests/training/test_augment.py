"""Augmentation of batches, against torchvision's own, one image at a time."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import RandAugment, _apply_op

from complexity_lab.training.augment import augment, flipped, resized, shifted
from complexity_lab.training.randaugment import OPERATIONS_PER_IMAGE, _operations, randaugment

SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
UNSIGNED = ("Identity", "Posterize", "Solarize", "AutoContrast", "Equalize")
IN_ORDER = [(name, 1) for name in SIGNED] + [(name, -1) for name in SIGNED] + [(name, 1) for name in UNSIGNED] * 2


@pytest.fixture
def images():
    return torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_operations_are_those_of_randaugment_2x9_with_equal_shares():
    space = RandAugment(2, 9)._augmentation_space(31, (32, 32))
    assert {name for name, _ in IN_ORDER} == set(space)
    assert {name for name, (_, signed) in space.items() if signed} == set(SIGNED)
    assert len(_operations(32)) == len(IN_ORDER) == 2 * len(space)
    assert OPERATIONS_PER_IMAGE == 2


def torchvisions(image, name, sign):
    """The same operation by torchvision, on one image."""
    magnitudes, _ = RandAugment(2, 9)._augmentation_space(31, (32, 32))[name]
    magnitude = float(magnitudes[9]) * sign if magnitudes.ndim else 0.0
    return _apply_op(image, name, magnitude, InterpolationMode.NEAREST, None)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("index", range(len(IN_ORDER)))
def test_each_operation_is_torchvisions(images, index, channels):
    images = images[:, :channels]
    naive = torch.stack([torchvisions(image, *IN_ORDER[index]) for image in images])
    difference = (_operations(32)[index](images).int() - naive.int()).abs()
    assert int(difference.max()) <= 1  # versions 1 and 2 of torchvision round a blend differently
    assert float((difference > 0).float().mean()) < 0.03


def test_every_operation_is_drawn_and_equally_often(monkeypatch):
    """Of many copies of one image on which all operations differ, each shows which one it got."""
    monkeypatch.setattr("complexity_lab.training.randaugment.OPERATIONS_PER_IMAGE", 1)
    image = torch.randint(30, 220, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = {step: torchvisions(image, *step).float() for step in dict.fromkeys(IN_ORDER)}
    copies = randaugment(image.repeat(200 * len(IN_ORDER), 1, 1, 1), torch.Generator().manual_seed(1))
    results, counts = torch.unique(copies, dim=0, return_counts=True)
    found = dict.fromkeys(expected, 0)
    for result, count in zip(results.float(), counts.tolist(), strict=True):
        distances = {step: float((result - other).abs().mean()) for step, other in expected.items()}
        nearest = min(distances, key=distances.get)
        assert distances[nearest] < 0.05  # of 255: versions 1 and 2 of torchvision round a blend differently
        assert sum(distance < 0.25 for distance in distances.values()) == 1
        found[nearest] += count
    assert len(results) == len(expected)
    shares = {step: count / (200 * IN_ORDER.count(step)) for step, count in found.items()}
    assert all(0.75 < share < 1.25 for share in shares.values()), shares


def test_each_image_gets_the_operations_that_were_drawn_for_it(images):
    """The naive twin: one image at a time, with the same draws."""
    count = len(images)
    generator = torch.Generator().manual_seed(3)
    drawn = [torch.randint(28, (count,), generator=generator) for _ in range(2)]
    expected = images
    for indices in drawn:
        expected = torch.cat([_operations(32)[index](expected[i : i + 1]) for i, index in enumerate(indices.tolist())])
    assert torch.equal(randaugment(images, torch.Generator().manual_seed(3)), expected)


def test_a_shift_is_a_crop_of_the_padded_image(images):
    generator = torch.Generator().manual_seed(4)
    origin = torch.randint(0, 9, (2, len(images), 1), generator=generator).squeeze(2).tolist()
    padded = torch.nn.functional.pad(images, (4,) * 4)
    expected = [padded[i, :, y : y + 32, x : x + 32] for i, (y, x) in enumerate(zip(*origin, strict=True))]
    assert torch.equal(shifted(images, 4, torch.Generator().manual_seed(4)), torch.stack(expected))


def test_every_shift_occurs_none_beyond_and_the_ground_comes_in():
    images = torch.arange(1.0, 4).reshape(1, 1, 1, 3).expand(500, 1, 3, 3)
    found = shifted(images, 1, torch.Generator().manual_seed(0), -9.0)
    assert {tuple(row) for row in found[:, 0, 1].tolist()} == {(-9, 1, 2), (1, 2, 3), (2, 3, -9)}
    assert float(found.min()) == -9


def test_half_of_the_images_are_mirrored_and_the_others_are_left(images):
    many = images.repeat(100, 1, 1, 1)
    result = flipped(many, torch.Generator().manual_seed(1))
    same, mirrored = ((result == other).flatten(1).all(1) for other in (many, many.flip(-1)))
    assert bool((same ^ mirrored).all())
    assert 0.45 < float(mirrored.float().mean()) < 0.55


def test_augmentation_is_decided_by_its_generator(images):
    for name in ("none", "shift", "randaugment"):
        first, second, other = (augment(name, images, 32, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
        assert torch.equal(first, second)
        assert first.dtype == torch.uint8
        assert torch.equal(first, images) == torch.equal(first, other) == (name == "none")


def test_resizing_keeps_bytes(images):
    large = resized(images, 48)
    assert large.shape == (12, 3, 48, 48)
    assert large.dtype == torch.uint8
    assert abs(float(large.float().mean()) - float(images.float().mean())) < 1
