"""Couplings of a real network: found in one run, verified, never guessed.

``channel_graph`` proposes sets of axes. A proposal counts only if the network computes the same after its units were
permuted. That is tried on a copy in float64 whose parameters are random: trained or freshly initialized ones may hide a
wrong proposal behind a factor of zero (residual branches start at zero in many networks). There a right permutation
changes outputs by rounding alone: at most 7e-15 of the largest in 25 architectures of timm, where wrong ones change
them by 8e-3 and more. And every set of axes must matter at all (by gradients), or nothing would have been tested.

What is not found is not permuted: the spread over permutations then says less than it could, never something else.
Not proposed: units inside attention heads, outputs that are cut and joined again, recurrent layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from complexity_lab.controls.channel_graph import Candidate, called, candidates_of, tensor_names
from complexity_lab.controls.permutation import Axis, Coupling, check_couplings, places_of
from complexity_lab.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

TOLERANCE = 1e-8  # largest change of an output, of the largest output, that counts as rounding
MATTERS = 1e-6  # smallest change, to first order, that exchanging units must make where they are made
SIDES = (64, 128)  # pixels that a network is tried with before the size that it names
RUNS = 64  # of the network at most, to tell right proposals from wrong ones
UNSTABLE = "its outputs are not finite numbers for random weights, so nothing can be verified"


def couplings_of(module: nn.Module, example: Any = None, *, seed: int = 0) -> tuple[Coupling, ...]:
    """Return the verified couplings of a network, possibly none. The module itself is neither run nor changed.

    Args:
        module: any network that runs in evaluation mode on the CPU.
        example: an input, a tensor or a dict of keyword arguments; None to guess one from the first layer.
        seed: of the random weights, inputs and permutations that proposals are tried with.

    Raises:
        InputError: no input is known, or outputs for random weights are not finite.

    >>> from torch import nn
    >>> [coupling.size for coupling in couplings_of(nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2)))]
    [9]
    """
    import torch

    example = example_of(module) if example is None else example
    copy = deepcopy(module).to(device="cpu", dtype=torch.float64).eval()
    rng = np.random.default_rng(seed)
    _randomize(copy, rng)
    trial = _Trial(copy, _prepared(example), rng)
    return trial.verified(candidates_of(copy, trial.example))


def example_of(module: nn.Module) -> torch.Tensor:
    """Return a random input of the size that a network names, or that its first layer suggests, ``[1, ...]``.

    Networks that name 224 pixels are asked for 64 and 128 first: many run on less, and the graph is the same.

    Raises:
        InputError: the network names no size, and has neither linear layers, convolutions nor embeddings.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    examples = [
        torch.randint(0, size[0], size[1:], generator=generator)
        if kind == "ids"
        else torch.randn((1, *size), generator=generator)
        for kind, size in _sizes(module)
    ]
    if not examples:
        raise InputError(f"no input size is known for {type(module).__name__}; give an example")
    return next((example for example in examples[:-1] if _runs(module, example)), examples[-1])


def _sizes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """Return what a network may take, smallest first: sizes of values, or a number of ids and their shape."""
    from torch import nn

    named = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    size = named.get("input_size") if isinstance(named, dict) else getattr(named, "input_size", None)
    if size is not None:
        told = (getattr(each, "img_size", None) for each in module.modules())  # what it was built for, if not named
        sides = [
            *(each for each in told if isinstance(each, tuple)),
            *((side, side) for side in SIDES if side < min(size[1:])),
            tuple(size[1:]),
        ]
        return [("values", (size[0], *side)) for side in sides]
    first = next((each for each in module.modules() if isinstance(each, (nn.Conv2d, nn.Linear, nn.Embedding))), None)
    if isinstance(first, nn.Conv2d):
        return [("values", (first.in_channels, side, side)) for side in (32, *SIDES, 224)]
    if isinstance(first, nn.Linear):
        return [("values", (first.in_features,))]
    if isinstance(first, nn.Embedding):
        return [("ids", (first.num_embeddings, 1, length)) for length in (2, 16)]
    return []


@contextmanager
def permuted(module: nn.Module, couplings: Sequence[Coupling], rng: np.random.Generator) -> Iterator[None]:
    """Permute the units of every coupling in place; put back what was there, bit by bit, at the end.

    Raises:
        InputError: couplings that do not fit the module.
    """
    tensors = dict(tensor_names(module).values())
    shapes = {name: np.broadcast_to(np.int8(0), tuple(tensor.shape)) for name, tensor in tensors.items()}
    check_couplings(shapes, couplings)
    named = {axis[0] for coupling in couplings for axis in (*coupling.outputs, *coupling.inputs)}
    before = {name: tensors[name].detach().clone() for name in sorted(named)}
    try:
        for coupling in couplings:
            _exchange(tensors, (*coupling.outputs, *coupling.inputs), _order(coupling.size, rng))
        yield
    finally:
        for name, values in before.items():
            tensors[name].detach().copy_(values)


def permuted_scores(
    module: nn.Module,
    couplings: Sequence[Coupling],
    score: Callable[[], Sequence[float] | float],
    *,
    n: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """Return what a score gives for ``n`` seeded permutations of a network, float64 ``[n, scores]``.

    Args:
        module: its weights are permuted in place while ``score`` is called, and are as they were afterwards.
        couplings: of this network, see ``couplings_of``.
        score: reads the weights and returns one number or several.
        n: permutations; permutation i is the same whatever ``n`` is.
        seed: of the random stream.

    Raises:
        InputError: no permutation, couplings that do not fit, or a score that is NaN or infinite.
    """
    if n < 1:
        raise InputError(f"{n} permutations, wanted 1 or more")
    rows = []
    for rng in map(np.random.default_rng, np.random.SeedSequence(seed).spawn(n)):
        with permuted(module, couplings, rng):
            rows.append(np.atleast_1d(np.asarray(score(), dtype=np.float64)))
    scores = np.array(rows)
    if not np.isfinite(scores).all():
        raise InputError(f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size} scores are NaN or infinite")
    return scores


def touched_share(module: nn.Module, couplings: Sequence[Coupling]) -> float:
    """Return the share of the parameters that lie in tensors with a permuted axis."""
    named = {axis[0] for coupling in couplings for axis in (*coupling.outputs, *coupling.inputs)}
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    return sum(size for name, size in sizes.items() if name in named) / max(1, sum(sizes.values()))


class _Trial:
    """A random network, and what it gives for an example."""

    def __init__(self, module: nn.Module, example: Any, rng: np.random.Generator) -> None:
        self.module, self.example, self.rng = module, example, rng
        self.tensors = dict(tensor_names(module).values())
        self.left = RUNS
        self.expected = self._outputs()
        if not self.expected.size or not np.isfinite(self.expected).all():
            raise InputError(f"{type(module).__name__}: {UNSTABLE}")

    def verified(self, candidates: Sequence[Candidate]) -> tuple[Coupling, ...]:
        """Return for every candidate its first option that keeps the outputs, if it has one."""
        gradients = self._gradients()
        waiting = [each.options for each in candidates if self._matters(each.options[0], gradients)]
        found: list[Coupling] = []
        while waiting:
            right = self._right([options[0] for options in waiting])
            found += right
            waiting = [options[1:] for options in waiting if options[0] not in right and len(options) > 1]
        self.left = max(self.left, 1)
        return tuple(found) if self._keeps(found) else ()

    def _right(self, couplings: list[Coupling]) -> list[Coupling]:
        """Return those that keep the outputs: all at once, else each half by itself."""
        if not couplings or self.left <= 0:
            return []
        if self._keeps(couplings):
            return couplings
        if len(couplings) == 1:
            return []
        middle = len(couplings) // 2
        return self._right(couplings[:middle]) + self._right(couplings[middle:])

    def _keeps(self, couplings: Sequence[Coupling]) -> bool:
        self.left -= 1
        with permuted(self.module, couplings, self.rng):
            found = self._outputs()
        return bool(np.abs(found - self.expected).max() <= TOLERANCE * np.abs(self.expected).max())

    def _outputs(self) -> np.ndarray:
        import torch

        with torch.no_grad():
            found = [tensor.reshape(-1).numpy() for tensor in called(self.module, self.example)]
        return np.concatenate(found) if found else np.zeros(0)

    def _gradients(self) -> dict[str, torch.Tensor]:
        """Return the gradients of a random sum of the outputs, whose size is about that of the largest output."""
        import torch

        self.module.zero_grad()
        outputs = torch.cat([tensor.reshape(-1) for tensor in called(self.module, self.example)])
        signs = torch.from_numpy(self.rng.choice([-1.0, 1.0], outputs.numel()))
        (outputs @ signs / np.sqrt(outputs.numel())).backward()
        return {name: each.grad for name, each in self.tensors.items() if each.grad is not None}

    def _matters(self, coupling: Coupling, gradients: dict[str, torch.Tensor]) -> bool:
        """Tell whether the outputs see these units: exchanging them only where they are made changes the outputs."""
        total, size = 0.0, float(np.abs(self.expected).max())
        order = _order(coupling.size, self.rng)
        for name, axis, *parts in coupling.outputs:
            if name in gradients:
                places = places_of(order, self.tensors[name].shape[axis], *parts)
                values = self.tensors[name].detach()
                change = values.index_select(axis, _indices(places)) - values
                total += abs(float((gradients[name] * change).sum()))
        return total > MATTERS * size


def _exchange(tensors: dict[str, torch.Tensor], axes: Sequence[Axis], order: np.ndarray) -> None:
    for name, axis, *parts in axes:
        values = tensors[name].detach()
        places = places_of(order, values.shape[axis], *parts)
        values.copy_(values.index_select(axis, _indices(places).to(values.device)))


def _indices(places: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(places)


def _order(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random order that is not the given one: nothing could be seen from it."""
    while True:
        order = rng.permutation(size)
        if size < 2 or (order != np.arange(size)).any():
            return order


def _randomize(module: nn.Module, rng: np.random.Generator) -> None:
    """Fill a network with numbers that hide nothing: no zeros, no equal units, signals of about the same size."""
    import torch

    for parameter in module.parameters():
        shape = tuple(parameter.shape)
        if parameter.ndim < 2:
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = rng.standard_normal(shape) / np.sqrt(max(1, prod(shape[1:])))
        parameter.requires_grad_(True).detach().copy_(torch.from_numpy(np.asarray(values)))
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.from_numpy(0.1 * rng.standard_normal(tuple(buffer.shape))))
        elif name.endswith("running_var"):
            buffer.copy_(torch.from_numpy(rng.uniform(0.5, 2, tuple(buffer.shape))))


def _prepared(example: Any) -> Any:
    """Return an example in the precision of the trial, whose floating-point parts can be told from constants."""
    if isinstance(example, dict):
        return {name: _prepared(value) for name, value in example.items()}
    if hasattr(example, "is_floating_point") and example.is_floating_point():
        return example.detach().double().cpu().requires_grad_(True)
    return example


def _runs(module: nn.Module, example: torch.Tensor) -> bool:
    """Tell whether a network takes inputs of this size; what it raises otherwise is its own affair."""
    import torch

    training = {each: each.training for each in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            module(example.to(next(module.parameters()).dtype) if example.is_floating_point() else example)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError):  # this size does not fit; the next may
        return False
    finally:
        for each, mode in training.items():
            each.training = mode
    return True
