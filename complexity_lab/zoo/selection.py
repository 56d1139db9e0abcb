"""Which models of a zoo are surveyed: explicit names, globs, families, tags, sizes and a seeded sample.

>>> parse_count("1.5M")
1500000
>>> Selection(filter=("resnet*",), max_parameters=parse_count("30M")).sample is None
True
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.zoo.card import ModelCard, Zoo

_COUNT = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*([kmb]?)", re.IGNORECASE)
_SCALE = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_LONGEST_LIST = 10_000_000  # bytes; all names of the largest zoos take less than 1 % of this


@dataclass(frozen=True)
class Selection:
    """What to take from a zoo. Every condition that is given must hold; within one, any of its globs suffices.

    The steps run in this order: ``models`` or the whole zoo, ``filter``, ``exclude``, ``families``, ``tags``,
    ``min_parameters``, ``max_parameters``, ``sample``.

    ``sample`` draws models, not architectures: a zoo that lists one architecture under several pretraining tags
    (``resnet50.a1_in1k``, ``resnet50.tv_in1k``) may have more than one of them drawn, as in a plain random sample of
    timm's pretrained names. The draw depends on the seed and on the set of ids alone, not on their order.
    A model whose number of parameters is not known never meets a bound on it.
    """

    filter: tuple[str, ...] = ()  # globs; one of them matches the id or the architecture
    exclude: tuple[str, ...] = ()  # globs; none of them matches the id or the architecture
    families: tuple[str, ...] = ()  # globs on the family
    tags: tuple[str, ...] = ()  # globs on the pretraining tag
    min_parameters: int | None = None  # trainable parameters, inclusive
    max_parameters: int | None = None  # trainable parameters, inclusive
    sample: int | None = None  # number of models to draw; None takes all
    seed: int = 0  # of the draw
    models: tuple[str, ...] = ()  # explicit names instead of the whole zoo

    def __post_init__(self) -> None:
        for name in ("filter", "exclude", "families", "tags", "models"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} is the text {getattr(self, name)!r}; it must be a tuple of texts")
        for name in ("min_parameters", "max_parameters"):
            bound = getattr(self, name)
            if bound is not None and bound < 0:
                raise InputError(f"{name} is {bound}; it must be 0 or more")
        if self.sample is not None and self.sample < 1:
            raise InputError(f"sample is {self.sample}; it must be 1 or more models")
        low, high = self.min_parameters, self.max_parameters
        if low is not None and high is not None and low > high:
            raise InputError(f"min_parameters {low:,} is above max_parameters {high:,}, so no model can match")


def select(zoo: Zoo, selection: Selection) -> tuple[ModelCard, ...]:
    """Return the chosen cards, each once, sorted by id.

    Raises:
        UnknownNameError: an explicit name is not in the zoo; the message suggests the nearest ones.
        InputError: no model is left (the message says which condition removed the last ones), or fewer are left
            than ``sample`` asks for.
    """
    cards = _candidates(zoo, selection.models)
    if not cards:
        raise InputError(f"the zoo {zoo.name} lists no model, so there is nothing to select")
    passed = f"the zoo {zoo.name}" if not selection.models else "the list of models"
    for condition, keeps in _conditions(selection):
        kept = [card for card in cards if keeps(card)]
        if not kept:
            raise InputError(_nothing_left(condition, cards, passed))
        cards, passed = kept, condition
    return _drawn(cards, selection)


def _candidates(zoo: Zoo, models: Sequence[str]) -> list[ModelCard]:
    """Return the named cards, or all, without repeats and sorted by id."""
    cards = [zoo.card(name) for name in models] if models else zoo.cards()
    unique = {card.id: card for card in cards}
    return [unique[model_id] for model_id in sorted(unique)]


def _conditions(selection: Selection) -> Iterable[tuple[str, Callable[[ModelCard], bool]]]:
    """Yield each condition that was given: how to name it in a message, and what it keeps."""
    low, high = selection.min_parameters, selection.max_parameters
    if selection.filter:
        yield _worded("filter", selection.filter), lambda card: _named(card, selection.filter)
    if selection.exclude:
        yield _worded("exclude", selection.exclude), lambda card: not _named(card, selection.exclude)
    if selection.families:
        yield _worded("families", selection.families), lambda card: _matches(card.family, selection.families)
    if selection.tags:
        yield _worded("tags", selection.tags), lambda card: _matches(card.tag, selection.tags)
    if low is not None:
        yield f"min_parameters {low:,}", lambda card: card.parameters is not None and card.parameters >= low
    if high is not None:
        yield f"max_parameters {high:,}", lambda card: card.parameters is not None and card.parameters <= high


def _worded(name: str, globs: Sequence[str]) -> str:
    return f"{name} {', '.join(globs)}"


def _named(card: ModelCard, globs: Sequence[str]) -> bool:
    return _matches(card.id, globs) or _matches(card.architecture, globs)


def _matches(text: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(text, glob) for glob in globs)


def _nothing_left(condition: str, cards: Sequence[ModelCard], passed: str) -> str:
    """Say which condition removed the last models, and what those were like."""
    message = f"no model is left: '{condition}' removed all {len(cards):,} that '{passed}' had left"
    if condition.startswith(("min_parameters", "max_parameters")):
        known = [card.parameters for card in cards if card.parameters is not None]
        span = f"they have {min(known):,} to {max(known):,} parameters" if known else "their parameters are not known"
        return f"{message} ({span})"
    if condition.startswith("families"):
        families = sorted({card.family for card in cards})
        return f"{message} (their families: {', '.join(families[:8])}{', ...' if len(families) > 8 else ''})"
    examples = ", ".join(card.id for card in cards[:3])
    return f"{message} (such as {examples})"


def _drawn(cards: list[ModelCard], selection: Selection) -> tuple[ModelCard, ...]:
    """Draw ``selection.sample`` of the cards (sorted by id) without replacement."""
    if selection.sample is None:
        return tuple(cards)
    if selection.sample > len(cards):
        raise InputError(
            f"sample asks for {counted(selection.sample, 'model')}, but {len(cards):,} match; ask for fewer"
        )
    drawn = random.Random(selection.seed).sample(cards, selection.sample)
    return tuple(sorted(drawn, key=lambda card: card.id))


def read_list(path: Path | str) -> tuple[str, ...]:
    """Read model names, one per line; blank lines and what follows ``#`` are ignored, repeats are dropped.

    Raises:
        InputError: the file is missing, is not text, holds no name, or has a line of several words.
    """
    names: dict[str, None] = {}
    for number, line in enumerate(_text(Path(path)).splitlines(), start=1):
        words = line.partition("#")[0].split()
        if len(words) > 1:
            raise InputError(f"line {number} of {path} has {len(words)} words; a list of models has one name per line")
        names.update(dict.fromkeys(words))
    if not names:
        raise InputError(f"{path} names no model; write one name per line")
    return tuple(names)


def _text(path: Path) -> str:
    """Return a small text file's content."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_LIST + 1)
    except OSError as error:
        raise InputError(f"the list of models {path} cannot be read: {error.strerror or error}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text; a list of models is a text file with one name per line") from error
    if "\0" in text or len(raw) > _LONGEST_LIST:
        raise InputError(f"{path} is not a list of models; it must be a text file with one name per line")
    return text


def parse_count(text: str) -> int:
    """Return the whole number that ``text`` writes, with k, M or B for thousand, million or billion.

    >>> [parse_count(text) for text in ("100M", "30m", "1.5B", "250k", "12345")]
    [100000000, 30000000, 1500000000, 250000, 12345]

    Raises:
        InputError: it is not such a number, or not a whole one.
    """
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} is not a count; write digits with an optional k, M or B, such as 100M or 1.5B")
    value = Decimal(match[1]) * _SCALE[match[2].lower()]
    if value != int(value):
        raise InputError(f"{text!r} is {value}, which is not a whole number of parameters")
    return int(value)
