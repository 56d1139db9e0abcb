"""Your own models as a zoo: pairs of initial and trained weights in files.

A directory holds one subdirectory per model (``NAME/initial.safetensors``, ``NAME/trained.safetensors``), or files
``NAME.initial.safetensors`` and ``NAME.trained.safetensors``. Several seeds are ``initial-0``, ``initial-1``, ... and
``trained-0``, ... . A list names the files itself, relative to its own place::

    [[model]]                                     # TOML
    id = "lenet"
    initial = ["lenet_s0.pt", "lenet_s1.pt"]      # one or more
    trained = "lenet_trained.safetensors"
    family = "lenet"

A CSV has the columns id, initial, trained and, if you like, family, with one file in a cell. The rows of one id are its
seeds, in their order; a file that several of them name (or an empty cell) adds no seed::

    id,initial,trained
    lenet,lenet_s0.pt,lenet_trained.safetensors
    lenet,lenet_s1.pt,lenet_trained.safetensors
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.weights.from_checkpoint import SUFFIXES, open_file, order_of, require_exists
from complexity_lab.weights.order import Ordering, OrderRule, checked_rule
from complexity_lab.weights.source import Order, WeightSource
from complexity_lab.zoo.architecture import ordering_of
from complexity_lab.zoo.card import ModelCard, TrainedFacts

_STATE = re.compile(r"(?:(?P<name>.+)\.)?(?P<state>initial|trained)(?:-(?P<seed>\d+))?")
_KEYS = {"id", "initial", "trained", "family"}


@dataclass(frozen=True)
class Pair:
    """The files of one model: for either state, seed -> path."""

    id: str
    initial: Mapping[int, Path] = field(default_factory=dict)
    trained: Mapping[int, Path] = field(default_factory=dict)
    family: str = "checkpoints"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, initial ones first."""
        return (*self.initial.values(), *self.trained.values())


@dataclass(frozen=True)
class CheckpointZoo:
    """Models listed in a directory or a TOML or CSV file.

    The seeds of a model are those whose files exist, for initial weights as for trained ones: the seeds of a survey
    plan say which initial weights to draw, nothing is drawn here, and so they do not apply.

    All files of a model are read in one order of tensors. ``order`` is ``model`` (that of a torch file among them, or
    what a ``config.json`` beside the first file tells; natural where neither does), ``natural``, or ``file`` (as the
    torch file, or else the first one, names them).

    Raises (on listing):
        UnreachableError: the path does not exist.
        InputError: nothing in it is a pair, two files are of one model, state and seed, the list is malformed, or a
            name is not valid UTF-8 (no table can store it).
    """

    path: Path
    name: str = "checkpoints"
    order: OrderRule = "model"

    def __post_init__(self) -> None:
        checked_rule(self.order)

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
        return OpenPair(self._pairs[card.id], self.order)

    def files(self, card: ModelCard) -> tuple[Path, ...]:
        """Return the files of a model."""
        return self._pairs[card.id].files

    def only(self, card: ModelCard) -> OnePair:
        """Return the zoo of one model, which does not grow with the list."""
        return OnePair(card, self._pairs[card.id], self.order)

    def _card(self, pair: Pair) -> ModelCard:
        sizes = [size for size in map(_size, pair.files) if size is not None]
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
        _require_utf8(self.path)
        require_exists(self.path)
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


@dataclass(frozen=True)
class OnePair:
    """One model of a ``CheckpointZoo`` by itself."""

    only_card: ModelCard
    pair: Pair
    order: OrderRule = "model"
    name: str = "checkpoints"

    def cards(self) -> Sequence[ModelCard]:
        """List the one model."""
        return [self.only_card]

    def card(self, model_id: str) -> ModelCard:
        """Return its card."""
        if model_id != self.only_card.id:
            raise UnknownNameError(f"no checkpoints of {model_id!r} here, only of {self.only_card.id}")
        return self.only_card

    def open(self, card: ModelCard) -> OpenPair:
        """Return its readable files."""
        self.card(card.id)
        return OpenPair(self.pair, self.order)


@dataclass
class OpenPair:
    """Reads the files of one model, all in the order of the tensors of its first file, which must be in all."""

    pair: Pair
    order: OrderRule = "model"

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
        return self._opened(self.pair.initial[seed])

    def trained(self, seed: int | None) -> WeightSource:
        """Return the trained weights."""
        return self._opened(self.pair.trained[seed or 0])

    def facts(self) -> TrainedFacts:
        """Return the checksum of the (first) trained file."""
        first = next(iter(self.pair.trained.values()), None)
        if first is None:
            return TrainedFacts()
        with first.open("rb") as file:
            return TrainedFacts(revision=f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}")

    def _opened(self, path: Path) -> WeightSource:
        order, rule = self._order
        return open_file(path, order, Ordering(rule))

    @cached_property
    def _order(self) -> tuple[Order, OrderRule]:
        """Names and shapes that all files must have, and by what they are ordered.

        A torch file is in the model's own order, so it is asked first.
        """
        files = sorted(self.pair.files, key=lambda path: path.suffix == ".safetensors")
        for path in files:
            require_exists(path)
        ordering = ordering_of(files[0], self.order)
        return order_of(files[0], ordering), open_file(files[0], ordering=ordering).order_rule


def _size(path: Path) -> int | None:
    """Return bytes on disk; None for a file that cannot be looked at, which reading it will explain."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def _read_directory(directory: Path) -> list[Pair]:
    found: dict[str, dict[str, dict[int, Path]]] = {}
    for path in sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES):
        match = _STATE.fullmatch(path.stem)
        if match is None:
            continue
        _require_utf8(path)
        parent = path.parent.relative_to(directory).as_posix()
        name = "/".join(part for part in (parent if parent != "." else "", match["name"] or "") if part)
        states = found.setdefault(name or directory.absolute().name, {"initial": {}, "trained": {}})
        _add(states[match["state"]], int(match["seed"] or 0), path)
    return [Pair(name, _by_seed(states["initial"]), _by_seed(states["trained"])) for name, states in found.items()]


def _add(files: dict[int, Path], seed: int, path: Path) -> None:
    if seed in files:
        raise InputError(f"{files[seed]} and {path} are of one model, state and seed ({seed}); remove or rename one")
    files[seed] = path


def _by_seed(files: dict[int, Path]) -> dict[int, Path]:
    return dict(sorted(files.items()))


def _require_utf8(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"the name {str(path)!r} is not valid UTF-8 and no table can store it; rename it") from None


def _read_toml(path: Path) -> list[Pair]:
    try:
        content = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    entries = content.get("model", [])
    others = sorted(set(content) - {"model"})
    if others or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = f"the key {others[0]}" if others else "a model that is no [[model]] table"
        raise InputError(f"{path} has {found}, wanted only tables that begin with [[model]], one for each model")
    pairs = [_pair(entry, path) for entry in entries]
    _require_unique([pair.id for pair in pairs], "id", path)
    return pairs


def _read_csv(path: Path) -> list[Pair]:
    try:
        reader = csv.DictReader(io.StringIO(_text(path)))
        rows, columns = list(reader), reader.fieldnames or ()
    except csv.Error as error:
        raise InputError(f"{path} is not valid CSV: {error}") from None
    _require_unique(columns, "column", path)
    entries: dict[str, dict[str, Any]] = {}
    for row in ({key: value for key, value in row.items() if value} for row in rows):
        if row:  # a spreadsheet may save empty rows
            _require_keys(row, path)
            _merge(entries.setdefault(row["id"], {"id": row["id"], "initial": [], "trained": []}), row, path)
    return [_pair(entry, path) for entry in entries.values()]


def _merge(entry: dict[str, Any], row: Mapping[str, str], path: Path) -> None:
    """Add one row of a CSV to the model that it is of."""
    for state in ("initial", "trained"):
        if state in row and row[state] not in entry[state]:
            entry[state].append(row[state])
    family = row.get("family")
    if family and entry.setdefault("family", family) != family:
        raise InputError(f"{row['id']} in {path} is of family {entry['family']} and of {family}; wanted one")


def _text(path: Path) -> str:
    """Return the content of a list; spreadsheets begin a file with a byte order mark."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.object[error.start]:#x} at position {error.start}"
        raise InputError(f"{path} is not UTF-8 ({place}); save it in that encoding") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from None


def _pair(entry: Mapping[str, Any], path: Path) -> Pair:
    _require_keys(entry, path)
    initial, trained = (_files(entry, state, path) for state in ("initial", "trained"))
    if not initial and not trained:
        raise InputError(f"{entry['id']} in {path} names neither initial nor trained weights")
    return Pair(str(entry["id"]), initial, trained, str(entry.get("family", "checkpoints")))


def _require_keys(entry: Mapping[Any, Any], path: Path) -> None:
    unknown = sorted(map(str, set(entry) - _KEYS - {None}))
    if unknown or None in entry or entry.get("id", "") == "":
        problem = f"has unknown keys {', '.join(unknown)}" if unknown else "has no id"
        problem = "has more cells than columns" if None in entry else problem  # as csv marks them
        raise InputError(f"an entry of {path} {problem}; wanted id, initial, trained and, if you like, family")


def _files(entry: Mapping[str, Any], state: str, path: Path) -> dict[int, Path]:
    names = entry.get(state, [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{state} of {entry['id']} in {path} is no file name or list of them")
    _require_unique(names, f"{state} file of {entry['id']}", path)
    return {seed: path.parent / name for seed, name in enumerate(names)}


def _require_unique(names: Iterable[str], what: str, path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path} has the {what} {name} twice; wanted each once")
        seen.add(name)
