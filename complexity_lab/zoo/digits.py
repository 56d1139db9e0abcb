"""The zoo that needs no network: small architectures trained here, for real, on scikit-learn's digits.

Every architecture is trained from several seeds on 1797 handwritten digits scaled to 3 x 32 x 32 pixels, the first
time that its trained weights are asked for, and cached (see ``digits_cache``). Listing needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.zoo.card import ModelCard, TrainedFacts
from complexity_lab.zoo.digits_networks import RECIPE_VERSION, DigitsNetwork, digits_networks

if TYPE_CHECKING:
    from complexity_lab.weights.from_module import ModuleWeights
    from complexity_lab.zoo.digits_training import TrainedNetwork


@dataclass(frozen=True)
class DigitsZoo:
    """The digits networks with the trained weights of some seeds.

    Args:
        cache_dir: where trained weights are kept; None for ``$COMPLEXITY_LAB_CACHE`` or the user's cache directory.
        seeds: the seeds of which trained weights exist: each decides initial weights, order and shifts of the images.

    Raises:
        InputError: a seed is negative or given twice.

    Example:
        >>> zoo = DigitsZoo()
        >>> zoo.card("resnet20_w16").parameters
        269722
    """

    cache_dir: Path | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    name = "digits"  # without annotation, so that it is no field

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise InputError(f"the seeds are {self.seeds}, but must be different integers of at least 0")

    def cards(self) -> Sequence[ModelCard]:
        """List every architecture, smallest first in each family."""
        return [_card(network) for network in digits_networks()]

    def card(self, model_id: str) -> ModelCard:
        """Return the card of one architecture.

        Raises:
            UnknownNameError: no such architecture; the message suggests the nearest names.
        """
        return _card(_network(model_id))

    def open(self, card: ModelCard) -> OpenDigits:
        """Open one architecture; nothing is built or trained yet.

        Raises:
            UnknownNameError: the card is not of this zoo.
        """
        return OpenDigits(_network(card.id), self.cache_dir, self.seeds)


class OpenDigits:
    """One architecture of the digits zoo, for reading weights of every seed."""

    trained_seeds: tuple[int | None, ...]
    initial_seeds: tuple[int, ...] | None = None

    def __init__(self, network: DigitsNetwork, cache_dir: Path | None, seeds: tuple[int, ...]) -> None:
        self.trained_seeds = seeds
        self._network = network
        self._cache_dir = cache_dir
        self._test_accuracy: dict[int, float] = {}

    def initial(self, seed: int) -> ModuleWeights:
        """Return the weights from which the training of ``seed`` starts; any seed can be drawn."""
        from complexity_lab.weights.from_module import ModuleWeights
        from complexity_lab.zoo.digits_training import build

        return ModuleWeights(build(self._network, seed), self._label(f"initial seed {seed}"))

    def trained(self, seed: int | None) -> ModuleWeights:
        """Return the trained weights of one of ``trained_seeds``: from the cache, or trained now and cached.

        Raises:
            InputError: not one of ``trained_seeds``.
            WeightsError: the training diverged.
            OutputError: the cache cannot be written.
        """
        from complexity_lab.weights.from_module import ModuleWeights

        if seed is None or seed not in self.trained_seeds:
            raise InputError(
                f"{self._network.architecture} has trained weights of the seeds {self.trained_seeds}, not of {seed}; "
                "name the seeds wanted in DigitsZoo(seeds=...)"
            )
        trained = trained_network(self._network, seed, self._cache_dir)
        self._test_accuracy[seed] = trained.test_accuracy
        return ModuleWeights(trained.module, self._label(f"trained seed {seed}"))

    def facts(self) -> TrainedFacts:
        """Return the recipe, and the test accuracy of each seed read with ``trained``, in the order of the seeds."""
        return TrainedFacts(
            revision=f"digits recipe v{RECIPE_VERSION} {self._network.hash}",
            test_accuracy=tuple(
                self._test_accuracy[seed] for seed in self.trained_seeds if seed in self._test_accuracy
            ),
        )

    def _label(self, state: str) -> str:
        return f"digits:{self._network.architecture} ({state})"


def trained_network(network: DigitsNetwork, seed: int, cache_dir: Path | None = None) -> TrainedNetwork:
    """Return a trained network from the cache; where it is missing or unusable, train and store it first.

    Processes that want the same network wait for the first of them.

    Raises:
        WeightsError: the training diverged.
        OutputError: the cache cannot be written.
    """
    from complexity_lab.zoo import digits_cache
    from complexity_lab.zoo.digits_training import train

    path = digits_cache.cache_path(cache_dir, network, seed)
    if (found := digits_cache.read(path, network, seed)) is not None:
        return found
    with digits_cache.exclusive(path):
        if (found := digits_cache.read(path, network, seed)) is not None:
            return found
        trained = train(network, seed)
        digits_cache.write(path, network, seed, trained)
    return trained


def _network(model_id: str) -> DigitsNetwork:
    known = {network.architecture: network for network in digits_networks()}
    if model_id not in known:
        raise UnknownNameError(f"the digits zoo has no model {model_id!r}{nearest_names(model_id, list(known))}")
    return known[model_id]


def _card(network: DigitsNetwork) -> ModelCard:
    return ModelCard(
        id=network.architecture,
        zoo=DigitsZoo.name,
        architecture=network.architecture,
        family=network.family,
        parameters=network.parameters,
        dataset="scikit-learn digits",
        licence="Apache-2.0",
        source=network.constructor,
    )
