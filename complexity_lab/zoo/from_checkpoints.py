"""Your own models as a zoo: pairs of initial and trained weights in files.

A directory holds one subdirectory per model (``NAME/initial.safetensors``, ``NAME/trained.safetensors``), or files
``NAME.initial.safetensors`` and ``NAME.trained.safetensors``. Several seeds are ``initial-0``, ``initial-1``, ... and
``trained-0``, ... . A list names the files itself, relative to its own place::

    [[model]]                                     # TOML; a CSV has the columns id, initial, trained, family
    id = "lenet"
    initial = ["lenet_s0.pt", "lenet_s1.pt"]      # one or more
    trained = "lenet_trained.safetensors"
    family = "lenet"
"""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from complexity_lab.errors import InputError, UnknownNameError, UnreachableError, nearest_names
from complexity_lab.weights.from_checkpoint import SUFFIXES, names_in, open_file
from complexity_lab.weights.source import WeightSource
from complexity_lab.zoo.card import ModelCard, TrainedFacts

_STATE = re.compile(r"(?:(?P<name>.+)\.)?(?P<state>initial|trained)(?:-(?P<seed>\d+))?")


@dataclass(frozen=True)
class Pair:
    """The files of one model: state -> seed -> path."""

    id: str
    initial: dict[int, Path] = field(default_factory=dict)
    trained: dict[int, Path] = field(default_factory=dict)
    family: str = "checkpoints"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, initial ones first."""
        return (*self.initial.values(), *self.trained.values())


@dataclass(frozen=True)
class CheckpointZoo:
    """Models listed in a directory or a TOML or CSV file.

    Raises (on listing):
        UnreachableError: the path does not exist.
        InputError: nothing in it is a pair, or the list is malformed.
    """

    path: Path
    name: str = "checkpoints"

    def cards(self) -> Sequence[ModelCard]:
        """List the models; files are looked at but not opened."""
        return [self._card(pair) for pair in self._pairs.values()]

    def card(self, model_id: str) -> ModelCard:
        """Return one card."""
        if model_id not in self._pairs:
            hint = nearest_names(model_id, tuple(self._pairs))
            raise UnknownNameError(f"no checkpoints of {model_id!r} in {self.path}{hint}")
        return self._card(self._pairs[model_id])

    def open(self, card: ModelCard) -> OpenPair:
        """Return the readable files of a model."""
        return OpenPair(self._pairs[card.id])

    def _card(self, pair: Pair) -> ModelCard:
        sizes = [path.stat().st_size for path in pair.files if path.exists()]
        return ModelCard(
            id=pair.id,
            zoo=self.name,
            architecture=pair.id,
            family=pair.family,
            source=str(self.path),
            size_bytes=max(sizes, default=None),
        )

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        if not self.path.exists():
            raise UnreachableError(f"{self.path} does not exist; name a directory or a TOML or CSV list")
        readers = {".toml": _read_toml, ".csv": _read_csv}
        if self.path.is_dir():
            pairs = _read_directory(self.path)
        elif self.path.suffix in readers:
            pairs = readers[self.path.suffix](self.path)
        else:
            raise InputError(f"{self.path} is neither a directory nor a .toml or .csv list of checkpoints")
        if not pairs:
            raise InputError(f"{self.path} names no checkpoints; wanted NAME/initial.safetensors and the like")
        return {pair.id: pair for pair in sorted(pairs, key=lambda pair: pair.id)}


@dataclass
class OpenPair:
    """Reads the files of one model, all in the order of names of its first file."""

    pair: Pair

    @property
    def initial_seeds(self) -> tuple[int, ...] | None:
        """Seeds for which a file of initial weights exists."""
        return tuple(self.pair.initial)

    @property
    def trained_seeds(self) -> tuple[int | None, ...]:
        """Seeds of the trained files; None where there is just one."""
        return (None,) if set(self.pair.trained) == {0} else tuple(self.pair.trained)

    def initial(self, seed: int) -> WeightSource:
        """Return the initial weights of a seed."""
        return open_file(self.pair.initial[seed], self._order)

    def trained(self, seed: int | None) -> WeightSource:
        """Return the trained weights."""
        return open_file(self.pair.trained[seed or 0], self._order)

    def facts(self) -> TrainedFacts:
        """Return the checksum of the (first) trained file."""
        first = next(iter(self.pair.trained.values()), None)
        if first is None:
            return TrainedFacts()
        with first.open("rb") as file:
            return TrainedFacts(revision=f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}")

    @cached_property
    def _order(self) -> tuple[str, ...]:
        """The order of a torch file is the model's own, so such a file is asked first."""
        files = sorted(self.pair.files, key=lambda path: path.suffix == ".safetensors")
        for path in files:
            if not path.exists():
                raise UnreachableError(f"{path} does not exist; check the path")
        return names_in(files[0])


def _read_directory(directory: Path) -> list[Pair]:
    pairs: dict[str, Pair] = {}
    files = [path for path in sorted(directory.rglob("*")) if path.suffix in SUFFIXES]
    for path in files:
        match = _STATE.fullmatch(path.stem)
        if match is None:
            continue
        parent = path.parent.relative_to(directory).as_posix()
        name = "/".join(part for part in (parent if parent != "." else "", match["name"] or "") if part)
        pair = pairs.setdefault(name or directory.name, Pair(name or directory.name))
        (pair.initial if match["state"] == "initial" else pair.trained)[int(match["seed"] or 0)] = path
    return list(pairs.values())


def _read_toml(path: Path) -> list[Pair]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    return [_pair(entry, path) for entry in content.get("model", [])]


def _read_csv(path: Path) -> list[Pair]:
    with path.open(encoding="utf-8", newline="") as file:
        return [_pair({key: value for key, value in row.items() if value}, path) for row in csv.DictReader(file)]


def _pair(entry: dict[str, object], path: Path) -> Pair:
    unknown = set(entry) - {"id", "initial", "trained", "family"}
    if unknown or "id" not in entry:
        problem = f"has unknown keys {', '.join(map(str, unknown))}" if unknown else "has no id"
        raise InputError(f"an entry of {path} {problem}; wanted id, initial, trained and, if you like, family")
    files = {}
    for state in ("initial", "trained"):
        names = entry.get(state, [])
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{state} of {entry['id']} in {path} is no file name or list of them")
        files[state] = {seed: path.parent / name for seed, name in enumerate(names)}
    if not files["initial"] and not files["trained"]:
        raise InputError(f"{entry['id']} in {path} names neither initial nor trained weights")
    return Pair(str(entry["id"]), files["initial"], files["trained"], str(entry.get("family", "checkpoints")))
