"""Networks by name, freshly initialized."""

import pytest
import torch

from complexity_lab.errors import UnknownNameError
from complexity_lab.momos.networks import build_model


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("mlp", 32, 986_634),
        ("mlp5", 32, 1_052_426),
        ("resnet20", 32, 269_722),
        ("tiny_vit_5m", 224, 5_074_974),
        ("mobilevit_xxs", 32, 954_234),
    ],
)
def test_networks_are_as_large_as_published(name, size, parameters):
    model = build_model(name, num_classes=10, image_size=size)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_small_images_get_small_windows():
    model = build_model("tiny_vit_5m", num_classes=10, image_size=32)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_seed_decides_and_the_callers_numbers_stay():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second = (build_model("resnet20", num_classes=10, seed=1) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_an_unknown_network():
    with pytest.raises(UnknownNameError, match="did you mean"):
        build_model("resnet20x", num_classes=10)
