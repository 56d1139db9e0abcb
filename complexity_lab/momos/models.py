"""Networks that are trained from scratch: multilayer perceptrons and the residual networks made for CIFAR.

Modules only. Initialisation draws from torch's global generator, as ``torch.nn`` does: callers seed it.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from complexity_lab.errors import InputError


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name} is {size}, but must be at least 1")


class MLP(nn.Module):
    """A multilayer perceptron on flattened images: linear layers with ReLU between them, and no normalisation.

    Args:
        hidden: width of each hidden layer, in units; empty for a linear classifier.
        in_features: values in one flattened input; 3072 for 3 x 32 x 32 pixels.
        num_classes: length of the output.

    Raises:
        InputError: a width or size is below 1.

    Example:
        >>> import torch
        >>> mlp = MLP((64, 32), in_features=784)
        >>> tuple(mlp(torch.zeros(2, 1, 28, 28)).shape)
        (2, 10)
    """

    def __init__(self, hidden: Sequence[int], *, in_features: int = 3072, num_classes: int = 10) -> None:
        super().__init__()
        _require_positive(in_features=in_features, num_classes=num_classes, hidden=min(hidden, default=1))
        widths = (in_features, *hidden, num_classes)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))

    def forward(self, images: Tensor) -> Tensor:
        """Map images of shape ``(batch, ...)`` with ``in_features`` values each to logits ``(batch, num_classes)``."""
        signal = images.flatten(1)
        for index, layer in enumerate(self.layers):
            signal = layer(F.relu(signal) if index else signal)
        return signal


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut without parameters (option A of He et al. 2016, section 3.3).

    Where the block halves the resolution, the shortcut takes every second pixel and pads the new channels with zeros.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.new_channels = channels - in_channels

    def forward(self, signal: Tensor) -> Tensor:
        """Map ``(batch, in_channels, h, w)`` to ``(batch, channels, ceil(h / stride), ceil(w / stride))``."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(signal)))))
        shortcut = signal[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            before = self.new_channels // 2
            shortcut = F.pad(shortcut, (0, 0, 0, 0, before, self.new_channels - before))
        return F.relu(residual + shortcut)


class CifarResNet(nn.Module):
    """The residual network for 32 x 32 images of He et al. 2016, section 4.2: three stages of ``n`` blocks.

    The stages have ``width``, ``2 width`` and ``4 width`` channels; ``depth = 6 n + 2`` counts the layers with
    weights, so that depth 20 and width 16 are the paper's ResNet-20.

    Args:
        depth: 8, 14, 20, 32, ...: six times the blocks per stage, plus 2.
        width: channels of the first stage; 16 in the paper.
        in_channels: channels of the images.
        num_classes: length of the output.
        stem_stride: stride of the first convolution, in pixels. 1 in the paper; 2 makes every later layer four times
            cheaper and leaves the parameters as they are.

    Raises:
        InputError: the depth is not ``6 n + 2``, or a size is below 1.

    Example:
        >>> resnet20 = CifarResNet(20)
        >>> sum(parameter.numel() for parameter in resnet20.parameters())
        269722
    """

    def __init__(
        self, depth: int, width: int = 16, *, in_channels: int = 3, num_classes: int = 10, stem_stride: int = 1
    ) -> None:
        super().__init__()
        _require_positive(width=width, in_channels=in_channels, num_classes=num_classes, stem_stride=stem_stride)
        blocks, remainder = divmod(depth - 2, 6)
        if blocks < 1 or remainder:
            raise InputError(f"depth {depth} is not 6 n + 2; the depths of this family are 8, 14, 20, 32, 44, 56, 110")
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._stage(width, width, blocks, stride=1)
        self.layer2 = self._stage(width, 2 * width, blocks, stride=2)
        self.layer3 = self._stage(2 * width, 4 * width, blocks, stride=2)
        self.fc = nn.Linear(4 * width, num_classes)
        self._initialise()

    @staticmethod
    def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = ResidualBlock(in_channels, channels, stride)
        return nn.Sequential(first, *(ResidualBlock(channels, channels, 1) for _ in range(blocks - 1)))

    def _initialise(self) -> None:
        """Draw convolutions from He et al. 2015, equation 10 (zero mean, variance ``2 / fan_in``)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(batch, in_channels, h, w)`` to logits ``(batch, num_classes)``."""
        signal = F.relu(self.bn1(self.conv1(images)))
        signal = self.layer3(self.layer2(self.layer1(signal)))
        logits: Tensor = self.fc(signal.mean(dim=(2, 3)))
        return logits
