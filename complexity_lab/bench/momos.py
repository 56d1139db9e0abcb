"""One MoMos projection against the published method, against its arithmetic in small pieces, and against training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from complexity_lab.bench.comparison import Comparison, of_pairs, timed
from complexity_lab.bench.memory import peak_against

if TYPE_CHECKING:
    from torch import Tensor, nn

    from complexity_lab.momos.projection import MoMos

PUBLISHED_PIECE, SMALL_PIECE = 4 << 30, 4 << 20  # bytes of distances held at the same time
TARGETS = {2: (500.0, 100.0), 4: (300.0, 25.0), 8: (100.0, 10.0)}  # by block size: published, in small pieces
MEMORY = 10**9  # bytes, of the whole process, torch included
CHILD = """
from complexity_lab import MoMos
from complexity_lab.momos.models import MLP
from complexity_lab.tables.provenance import peak_memory
MoMos(s=2, capacity=0.1)(MLP((256,) * 4))
print(peak_memory())
"""
SAMPLE_SECONDS = 4.0  # a slower peer is timed on a share of the blocks


def comparisons(repeats: int) -> Iterator[Comparison]:
    """Yield the comparisons: searching, a large network, and what projecting adds to a training step."""
    for s in TARGETS:
        yield from _against_published(s, repeats)
    yield peak_against("MoMos, MLP, s = 2, 10 %", (CHILD,), limit=MEMORY, name="1 GB")
    yield _large(repeats)
    yield from _beside_training(repeats)


def _against_published(s: int, repeats: int) -> Iterator[Comparison]:
    """Compare the whole projection of the paper's MLP at capacity 10 % with two ways to do its arithmetic."""
    from complexity_lab.momos.models import MLP
    from complexity_lab.momos.projection import MoMos

    momos = MoMos(s=s, capacity=0.1)
    _project(momos, MLP((256,) * 4))
    ours = [_project(momos, MLP((256,) * 4)) for _ in range(repeats)]
    model = MLP((256,) * 4)
    tensors = [parameter.detach() for parameter in model.parameters()]
    blocks = momos.layout(tensors).gather(tensors)
    motifs = momos.choice(blocks, momos.motifs_for(momos.layout(tensors)), force_zero=True, generator=None)
    for target, piece, name in zip(
        TARGETS[s], (PUBLISHED_PIECE, SMALL_PIECE), ("published method", "its arithmetic, 4 MB"), strict=True
    ):
        seconds, share = _published_seconds(blocks, motifs, piece)
        note = (
            "whole projection" if share == 1 else f"whole projection; peer timed on {100 * share:.0f} % of the blocks"
        )
        if piece == SMALL_PIECE:
            note += f"; {_not_nearest(blocks, motifs)} get a motif that is not the nearest"
        yield _speed_up(f"MoMos, MLP, s = {s}, 10 %", ours, seconds, name, target, note)


def _speed_up(what: str, ours: list[float], peer: float, name: str, target: float, note: str) -> Comparison:
    ratios = sorted(peer / seconds for seconds in ours)
    middle = ratios[len(ratios) // 2]
    return Comparison(what, peer / middle, peer, name, middle, ratios[0], ratios[-1], target, at_least=True, note=note)


def published_search(blocks: Tensor, motifs: Tensor, piece: int) -> Tensor:
    """Return the motif of each block as the paper's program finds it: float32 squares expanded, all distances held.

    Written from its description (arXiv 2602.14896): ``|b|^2 + |z|^2 - 2 b z``, in pieces of so many bytes.
    """
    import torch

    rows = max(1, piece // (4 * len(motifs)))
    norms = motifs.square().sum(1)
    found = []
    for start in range(0, len(blocks), rows):
        part = blocks[start : start + rows]
        distances = part.square().sum(1, keepdim=True) + norms - 2 * part @ motifs.T
        found.append(distances.argmin(1))
    return torch.cat(found)


def _published_seconds(blocks: Tensor, motifs: Tensor, piece: int) -> tuple[float, float]:
    """Return the seconds of the published search, and the share of the blocks that it was timed on.

    The share is a whole number of full pieces where possible, so that memory is touched as in the whole.
    """
    rows = max(1, piece // (4 * len(motifs)))
    first = min(rows, len(blocks))
    seconds = timed(lambda: published_search(blocks[:first], motifs, piece))
    pieces = max(1, int(SAMPLE_SECONDS / max(seconds, 1e-9)))
    sample = min(len(blocks), pieces * rows)
    if sample > first:
        seconds = timed(lambda: published_search(blocks[:sample], motifs, piece))
    return seconds * len(blocks) / sample, sample / len(blocks)


def _not_nearest(blocks: Tensor, motifs: Tensor, sample: int = 20_000) -> str:
    """Return how many of a sample of blocks the published arithmetic gives a motif that is not the nearest."""
    from complexity_lab.momos.nearest import nearest

    part = blocks[:: max(1, len(blocks) // sample)]
    theirs, ours = published_search(part, motifs, SMALL_PIECE), nearest(part, motifs)

    def distance(chosen: Tensor) -> Tensor:
        return (part.double() - motifs[chosen].double()).square().sum(1)

    return f"{int((distance(theirs) > distance(ours)).sum())} of {len(part):,} sampled"


def _large(repeats: int) -> Comparison:
    """Project Tiny-ViT at s = 4 and 10 %; the peer is a second."""
    from complexity_lab.momos.networks import build_model
    from complexity_lab.momos.projection import MoMos

    model = build_model("tiny_vit_5m", num_classes=10, image_size=224)
    seconds = [_project(MoMos(s=4, capacity=0.1), model) for _ in range(max(2, repeats // 2))]
    return of_pairs("MoMos, Tiny-ViT, s = 4, 10 %", [(each, 1.0) for each in seconds], "one second", target=1.0)


def _beside_training(repeats: int) -> Iterator[Comparison]:
    """Compare a projection with a training step of 128 images of CIFAR's size."""
    from complexity_lab.momos.models import MLP, CifarResNet
    from complexity_lab.momos.projection import MoMos

    networks: tuple[tuple[str, Callable[[], nn.Module], float, tuple[int, ...], float], ...] = (
        ("ResNet20", lambda: CifarResNet(20), 0.1, (2, 4), 0.25),
        ("MLP", lambda: MLP((256,) * 4), 0.01, (2, 4), 10.0),
    )
    for name, make, capacity, sizes, target in networks:
        step = _training_step(make())
        step()
        for s in sizes:
            momos, model = MoMos(s=s, capacity=capacity), make()
            _project(momos, model)
            pairs = [(_project(momos, make()), timed(step)) for _ in range(repeats)]
            note = "352 steps are an epoch of CIFAR-10, with one projection or with 352"
            what = f"MoMos, {name}, s = {s}, {100 * capacity:g} %"
            yield of_pairs(what, pairs, "training step", target=target, note=note)


def _training_step(model: nn.Module) -> Callable[[], object]:
    import torch
    from torch.nn import functional as F

    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(128, 3, 32, 32), torch.randint(0, 10, (128,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(F.cross_entropy(model(images), labels))
        optimizer.step()

    return step


def _project(momos: MoMos, model: nn.Module) -> float:
    start = time.perf_counter()
    momos(model)
    return time.perf_counter() - start
