"""The networks against the numbers of He et al. 2016, section 4.2, and against their parts."""

import pytest
import torch
from torch import nn

from complexity_lab.errors import InputError
from complexity_lab.momos.models import MLP, CifarResNet, ResidualBlock


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("depth", "published_millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_parameters_are_those_of_table_6(depth: int, published_millions: float) -> None:
    assert parameters(CifarResNet(depth)) / 1e6 == pytest.approx(published_millions, rel=0.02)


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_depth_counts_the_layers_with_weights(depth: int) -> None:
    layers = [module for module in CifarResNet(depth).modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_stages_halve_the_resolution_and_double_the_width() -> None:
    net = CifarResNet(8, width=4).eval()
    signal = net.bn1(net.conv1(torch.zeros(1, 3, 32, 32)))
    shapes = []
    for stage in (net.layer1, net.layer2, net.layer3):
        signal = stage(signal)
        shapes.append(tuple(signal.shape[1:]))
    assert shapes == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]


def test_stem_stride_leaves_the_parameters() -> None:
    fine, coarse = CifarResNet(8, width=4), CifarResNet(8, width=4, stem_stride=2)
    assert parameters(fine) == parameters(coarse)
    assert coarse(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(("stride", "channels", "size"), [(1, 4, 6), (2, 8, 6), (2, 9, 7)])
def test_a_block_with_silent_convolutions_is_its_shortcut(stride: int, channels: int, size: int) -> None:
    block = ResidualBlock(4, channels, stride).eval()
    nn.init.zeros_(block.conv2.weight)
    signal = torch.rand(2, 4, size, size, generator=torch.Generator().manual_seed(0))
    result = block(signal).detach()
    before = (channels - 4) // 2
    assert torch.equal(result[:, before : before + 4], signal[:, :, ::stride, ::stride])
    assert float(result.sum()) == pytest.approx(float(signal[:, :, ::stride, ::stride].sum()), rel=1e-5)


def test_convolutions_start_with_he_variance() -> None:
    torch.manual_seed(0)
    weight = CifarResNet(8, width=64).state_dict()["layer3.0.conv2.weight"]
    assert float(weight.var()) == pytest.approx(2 / (9 * 256), rel=0.02)


def test_an_mlp_is_linear_layers_with_relu_between() -> None:
    mlp = MLP((5, 4), in_features=12, num_classes=3)
    images = torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    signal = images.reshape(7, 12).double()
    state = {name: tensor.double() for name, tensor in mlp.state_dict().items()}
    for index in range(3):
        signal = signal.clamp(min=0) if index else signal
        signal = signal @ state[f"layers.{index}.weight"].T + state[f"layers.{index}.bias"]
    torch.testing.assert_close(mlp(images), signal.float())


def test_an_mlp_without_hidden_layers_is_linear() -> None:
    assert parameters(MLP((), in_features=12, num_classes=3)) == 12 * 3 + 3


@pytest.mark.parametrize("depth", [2, 9, 18, -4])
def test_other_depths_are_refused(depth: int) -> None:
    with pytest.raises(InputError, match="not 6 n \\+ 2"):
        CifarResNet(depth)


@pytest.mark.parametrize("sizes", [{"width": 0}, {"num_classes": 0}, {"stem_stride": 0}, {"in_channels": -1}])
def test_sizes_below_one_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(sizes))} is "):
        CifarResNet(8, **sizes)


def test_an_empty_hidden_layer_is_refused() -> None:
    with pytest.raises(InputError, match="hidden is 0"):
        MLP((4, 0))
