"""The neurons of a network in another order, its function kept and verified, see ``controls.couplings``.

The sd over permutations is the resolution of a metric: what it makes of an order that means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from complexity_lab.controls.couplings import couplings_of, permuted_scores, touched_share
from complexity_lab.controls.null import NetworkDraws, NetworkNull
from complexity_lab.controls.permutation import Coupling
from complexity_lab.errors import InputError

if TYPE_CHECKING:
    from torch import nn

LARGEST = 100_000_000  # weights of a network whose permutations are verified: in float64 it takes 2.4 GB
_KNOWN: dict[tuple[str, str], tuple[Coupling, ...]] = {}  # of the model whose states are being measured


def _scores(
    module: nn.Module, score: Callable[[], list[float]], *, repetitions: int, seed: int, model: str
) -> NetworkDraws:
    weights = sum(parameter.numel() for parameter in module.parameters())
    if weights > LARGEST:
        raise InputError(f"{weights} weights, and which units can be exchanged is verified up to {LARGEST}")
    couplings = _couplings(module, model)
    if not couplings:
        raise InputError("no units were found whose exchange provably keeps the function")
    scores = permuted_scores(module, couplings, score, n=repetitions, seed=seed)
    moved = round(weights * touched_share(module, couplings))
    return NetworkDraws(scores, moved, weights - moved)


def _couplings(module: nn.Module, model: str) -> tuple[Coupling, ...]:
    """Return the couplings of a network; the states of one model, known by its name and layers, share them."""
    key = (model, repr(module))
    if not model or key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = couplings_of(module)
    return _KNOWN[key]


NULL = NetworkNull(
    name="permutation",
    label="neurons permuted",
    description="neurons in another order, the function kept",
    keeps="function",
    rank=30,
    scores=_scores,
    draws=5,
)
