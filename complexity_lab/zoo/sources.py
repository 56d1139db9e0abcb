"""Anything a person may name as a source of weights: a file, a directory, a model of a zoo, a hub repository."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from complexity_lab.errors import (
    ComplexityLabError,
    InputError,
    UnknownNameError,
    UnreachableError,
    WeightsError,
)
from complexity_lab.weights.from_checkpoint import SUFFIXES, StateDict, open_file
from complexity_lab.weights.from_module import ModuleWeights
from complexity_lab.weights.from_safetensors import SafetensorsFile, SafetensorsShards
from complexity_lab.weights.order import OrderRule, checked_rule
from complexity_lab.weights.source import WeightSource
from complexity_lab.zoo.architecture import CONFIG, ordering_of
from complexity_lab.zoo.registry import ZOOS, open_zoo

State = Literal["initial", "trained"]
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def resolve(
    source: Any, state: State = "trained", seed: int | None = None, *, order: OrderRule = "model"
) -> WeightSource:
    """Return the weights of a module, a state dict, a path, a zoo id or a hub id.

    Args:
        source: ``nn.Module``; mapping of names to tensors; path of a file or directory; ``ZOO:NAME`` or a timm name;
            or a hub repository ``owner/name`` with safetensors.
        state: for models of a zoo, which weights.
        seed: for models of a zoo, the seed of the initial weights (default 0) or of the training.
        order: of the tensors. ``model``: the model's, which modules, state dicts and torch files keep and a
            ``config.json`` beside safetensors may tell; natural where nothing tells it. ``natural``: by their names,
            see ``weights.order``. ``file``: as the file names them; what is no file stays in the model's order. The
            source says in ``order_rule`` which it is.

    Raises:
        InputError: an unknown order, a source of another type, or a directory of several models.
        UnreachableError: no such file, one whose place cannot be looked at, or the hub does not answer.
        UnknownNameError: no such model.
        WeightsError: nothing readable there.
    """
    rule = checked_rule(order)
    if hasattr(source, "named_parameters"):
        return _of_module(ModuleWeights(source, type(source).__name__), rule)
    if isinstance(source, Mapping):
        return StateDict(source, order_rule=_without_file(rule))
    if not isinstance(source, (str, Path)):
        raise InputError(f"a {type(source).__name__}, wanted a module, a state dict, a path, a zoo id or a hub id")
    path = Path(source)
    with _looking_at(path):
        if path.is_dir():
            return in_directory(path, order=rule)
        if path.exists() or path.suffix in SUFFIXES or isinstance(source, Path):
            return open_file(path, ordering=ordering_of(path, rule))
    return _by_name(str(source), state, seed, rule)


def _without_file(rule: OrderRule) -> OrderRule:
    return "model" if rule == "file" else rule


def _of_module(source: WeightSource, rule: OrderRule) -> WeightSource:
    """Return the weights of a module by a rule; a source that is none stays as it is."""
    return replace(source, order_rule=_without_file(rule)) if isinstance(source, ModuleWeights) else source


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    """Turn what the file system says of a path that it cannot look at (too long, not permitted) into a sentence."""
    try:
        yield
    except ComplexityLabError:
        raise
    except OSError as error:
        text = str(path)
        shown = text if len(text) <= 100 else f"{text[:60]}... ({len(text)} characters)"
        way_out = "name a file, a directory, a model of a zoo or a hub repository"
        raise UnreachableError(f"{shown} cannot be looked up: {error.strerror}; {way_out}") from None


def in_directory(directory: Path, *, order: OrderRule = "model") -> WeightSource:
    """Return the one model that a directory holds: a single weights file, or the shards of one."""
    files = weight_files(directory)
    ordering = ordering_of(files[0], order)
    if len(files) == 1 and not (directory / INDEX).exists():
        return open_file(files[0], ordering=ordering)
    return SafetensorsShards(files, str(directory), ordering=ordering)


def weight_files(directory: Path) -> tuple[Path, ...]:
    """Return the file, or the shards, of the one model that a directory holds.

    Raises:
        UnreachableError: there are no weights.
        WeightsError: the index of the shards is damaged.
        InputError: there are several models.
    """
    if (directory / INDEX).exists():
        return _indexed(directory)
    shards = tuple(sorted(directory.glob("*.safetensors")))
    files = shards or tuple(path for path in sorted(directory.iterdir()) if path.suffix in SUFFIXES)
    if not files:
        raise UnreachableError(f"{directory} holds no weights; wanted a file ending in {', '.join(SUFFIXES)}")
    if len(files) == 1 or (shards and all("-of-" in file.stem for file in shards)):
        return files
    names = ", ".join(file.name for file in files[:3])
    raise InputError(f"{directory} holds {len(files)} models ({names}, ...); name one file, or use survey for pairs")


def _indexed(directory: Path) -> tuple[Path, ...]:
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
        files = tuple(directory / name for name in names)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise WeightsError(f"{directory / INDEX} is damaged; fetch it again") from None
    if not files:
        raise WeightsError(f"{directory / INDEX} names no file; fetch it again")
    return files


def _by_name(name: str, state: State, seed: int | None, order: OrderRule) -> WeightSource:
    zoo_name, colon, model = name.partition(":")
    if colon:
        if zoo_name not in ZOOS:
            raise UnknownNameError(f"unknown zoo {zoo_name!r} in {name!r}; there are {', '.join(ZOOS)}")
        return _of_module(_in_zoo(zoo_name, model, state, seed), order)
    if "/" in name and not name.startswith("timm/"):
        return _from_hub(name, order)
    try:
        return _of_module(_in_zoo("timm", name.removeprefix("timm/"), state, seed), order)
    except UnknownNameError as error:
        raise UnknownNameError(f"{name!r} is no file, and {error}") from None


def _in_zoo(zoo_name: str, model: str, state: State, seed: int | None) -> WeightSource:
    zoo = open_zoo(zoo_name)
    opened = zoo.open(zoo.card(model))
    if state == "initial":
        return opened.initial(seed or 0)
    if not opened.trained_seeds:
        raise WeightsError(f"{model} has no trained weights; ask for --state initial")
    return opened.trained(opened.trained_seeds[0] if seed is None else seed)


def _from_hub(repository: str, order: OrderRule) -> WeightSource:
    """Download safetensors and configuration of a hub repository (``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` apply)."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        found = snapshot_download(repository, allow_patterns=["*.safetensors", INDEX, CONFIG])
    except HFValidationError:
        raise UnknownNameError(f"{repository!r} is no file and no hub id of the form owner/name") from None
    except GatedRepoError:
        raise UnreachableError(f"hub repository {repository} is gated; accept its terms and log in") from None
    except RepositoryNotFoundError:
        raise UnknownNameError(f"{repository!r} is no file, and the hub has no repository of that name") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        way_out = "check the network, HF_ENDPOINT and HF_HUB_OFFLINE"
        raise UnreachableError(f"hub repository {repository} cannot be fetched ({reason}); {way_out}") from None
    directory = Path(found)
    if (directory / SINGLE).exists():
        return SafetensorsFile(directory / SINGLE, ordering=ordering_of(directory / SINGLE, order))
    return in_directory(directory, order=order)
