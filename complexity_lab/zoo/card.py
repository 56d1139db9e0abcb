"""What a zoo is: cards that can be listed at once, and models that can be opened for their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from complexity_lab.weights.source import WeightSource


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Facts about one model of a zoo, known without building it."""

    id: str  # unique in its zoo: "resnet18.a1_in1k"
    zoo: str  # "timm", "digits", "checkpoints"
    architecture: str  # "resnet18"
    family: str  # colours in the figures: "resnet", "vit", ...
    tag: str = ""  # pretraining tag: "a1_in1k"
    parameters: int | None = None  # trainable parameters; None where only opening tells
    dataset: str = ""  # what it was trained on
    licence: str = ""  # of the weights, as the publisher names it
    source: str = ""  # hub id, path or generator
    size_bytes: int | None = None  # of the weights on disk, where the parameters are not known


@dataclass(frozen=True, kw_only=True)
class TrainedFacts:
    """What opening a model told about its trained weights."""

    revision: str = ""  # commit of the hub repository, checksum of the file, or version of the recipe
    test_accuracy: tuple[float, ...] = ()  # fraction in 0..1, one per trained seed


class OpenModel(Protocol):
    """A model whose weights can be read. Initial weights first: a zoo may load trained ones into the same module."""

    @property
    def trained_seeds(self) -> tuple[int | None, ...]:
        """Seeds of the trained weights: ``(None,)`` where there is one set, ``()`` where there is none."""
        ...

    @property
    def initial_seeds(self) -> tuple[int, ...] | None:
        """Seeds whose initial weights exist; None if any seed can be drawn."""
        ...

    def initial(self, seed: int) -> WeightSource:
        """Return the initial weights of ``seed``."""
        ...

    def trained(self, seed: int | None) -> WeightSource:
        """Return the trained weights."""
        ...

    def facts(self) -> TrainedFacts:
        """Return what is known once trained weights were read; called last."""
        ...


@runtime_checkable
class HasFiles(Protocol):
    """A zoo whose weights may be files of the user's, which may be replaced under the same names."""

    def only(self, card: ModelCard) -> Zoo:
        """Return a zoo with this model, small enough to be sent to a worker."""
        ...

    def files(self, card: ModelCard) -> tuple[Path, ...]:
        """Return the files of one model; some may not exist."""
        ...


@runtime_checkable
class Zoo(Protocol):
    """A collection of models. Instances are small, frozen and picklable: workers receive them."""

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    def cards(self) -> Sequence[ModelCard]:
        """List every model, without network and without importing torch."""
        ...

    def card(self, model_id: str) -> ModelCard:
        """Return one card, completing facts that are not in the list.

        Raises:
            UnknownNameError: no such model; the message suggests the nearest names.
        """
        ...

    def open(self, card: ModelCard) -> OpenModel:
        """Open a model for reading. Heavy imports happen here."""
        ...
