"""What timm offers, known without importing it: a table of every pretrained tag, shipped with the package.

``read()`` takes milliseconds and needs the standard library alone. ``generate()`` makes the cards from the installed
timm, and ``python -m complexity_lab.zoo.catalogue`` rewrites the shipped file with them. ``complete()`` makes the card
of one name that the table lacks: of a newer timm, or of an architecture without pretrained weights.
"""

import csv
import importlib.metadata
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from complexity_lab.errors import InputError, UnknownNameError, nearest_names
from complexity_lab.zoo.card import ModelCard

SHIPPED = Path(__file__).with_name("timm_catalogue.csv")
COLUMNS = ("id", "architecture", "tag", "default", "family", "parameters", "dataset", "licence", "source")
_VERSION = re.compile(r"# timm ([^\s;]+)")

# Parts of a pretraining tag that name data. What the name says is written, except where another name is usual.
_DATA = re.compile(
    r"in1k|in12k|in21k|in22k|inw21k|laion2b|laion400m|laiona|lvd142m|lvd1689m|sat493m|webli|datacomp1b|datacompxl"
    r"|dfn2b|dfn5b|dfndr2b|yfcc15m|yfcc100m|ig1b|jft|cc12m|merged2b|sa1b|bamboo|m30m|m38m|metaclip_400m"
    r"|metaclip_2pt5b|metaclip2_worldwide|openai|swag|seer"
)
_CALLED = {
    "jft": "jft300m",
    "metaclip2_worldwide": "metaclip2",
    "metaclip_2pt5b": "metaclip2.5b",
    "metaclip_400m": "metaclip400m",
    "openai": "wit",
    "seer": "ig",
    "swag": "ig3.6b",
}
# Tags that name a method, where its paper names the data.
_DATA_OF_METHOD = {
    "apple_mclip": "datacompdr1b",
    "apple_mclip_lt": "datacompdr1b",
    "dino": "in1k",
    "fb_dino": "in1k",
    "fcmae": "in1k",
    "mae": "in1k",
}


@dataclass(frozen=True)
class Catalogue:
    """The shipped table: one card per pretrained tag, sorted by id."""

    timm: str  # version that the table was made from
    cards: tuple[ModelCard, ...]
    defaults: Mapping[str, str]  # architecture -> id of the tag that timm takes when none is given

    @cached_property
    def by_id(self) -> Mapping[str, ModelCard]:
        """Cards by id."""
        return {card.id: card for card in self.cards}

    def find(self, name: str) -> ModelCard | None:
        """Return the card of an id, or of an architecture's default tag; None if that is not known for sure.

        The default tag of an architecture may change from one timm to the next, so a bare architecture is only
        answered when the installed timm is the one that the table was made from.
        """
        if name in self.by_id or name not in self.defaults:
            return self.by_id.get(name)
        return self.by_id[self.defaults[name]] if _installed() == self.timm else None


@cache
def read(path: Path = SHIPPED) -> Catalogue:
    """Return the table in ``path``.

    Raises:
        InputError: the file is missing or is not such a table.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"the catalogue {path} cannot be read: {error.strerror}; reinstall the package") from error
    heading, _, table = text.partition("\n")
    version = _VERSION.match(heading)
    rows = csv.DictReader(table.splitlines())
    if version is None or tuple(rows.fieldnames or ()) != COLUMNS:
        raise InputError(f"{path} is not a catalogue of timm; make it again with python -m {__name__}")
    listed = [(row["default"] == "yes", _card(row)) for row in rows]
    defaults = {card.architecture: card.id for is_default, card in listed if is_default}
    return Catalogue(version[1], tuple(card for _, card in listed), defaults)


def _card(row: Mapping[str, str]) -> ModelCard:
    """Return the card that one row of the table holds."""
    return ModelCard(
        id=row["id"],
        zoo="timm",
        architecture=row["architecture"],
        family=row["family"],
        tag=row["tag"],
        parameters=int(row["parameters"]),
        dataset=row["dataset"],
        licence=row["licence"],
        source=row["source"],
    )


@cache
def _installed() -> str:
    """Return the version of the installed timm, without importing it."""
    return importlib.metadata.version("timm")


def write(cards: Iterable[ModelCard], defaults: Mapping[str, str], path: Path = SHIPPED) -> None:
    """Write the table of ``cards``, sorted by id; ``defaults`` maps an architecture to the id of its default tag."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# timm {_installed()}; one row per pretrained tag; parameters are trainable ones\n")
        table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for card in sorted(cards, key=lambda card: card.id):
            table.writerow({**vars(card), "default": "yes" if defaults[card.architecture] == card.id else ""})


def generate(names: Iterable[str] | None = None) -> Iterator[ModelCard]:
    """Yield the card of each pretrained tag of the installed timm (or of ``names``), building each once on ``meta``."""
    import timm

    for name in timm.list_pretrained() if names is None else names:
        yield _described(name)


def default_ids(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Return, for each architecture of ``cards``, the id of the tag that the installed timm takes by default."""
    return {architecture: _default_id(architecture) for architecture in {card.architecture for card in cards}}


def complete(name: str) -> ModelCard:
    """Return the card of a name that the shipped table lacks, from the installed timm.

    A bare architecture stands for its default tag, a name that timm has deprecated for its present one. An
    architecture without pretrained weights has a card with an empty tag and an empty source.

    Raises:
        UnknownNameError: the installed timm has no such model.
    """
    from timm.models import get_deprecated_models

    current = get_deprecated_models().get(name, name) or name
    _require_architecture(current)
    model_id = current if "." in current else _default_id(current)
    return read().by_id.get(model_id) or _described(model_id)


def _require_architecture(name: str) -> None:
    """Refuse a name whose architecture timm does not build (any more)."""
    from timm.models import get_deprecated_models, is_model

    architecture = name.partition(".")[0]
    if architecture in get_deprecated_models() or not is_model(architecture):
        known = sorted({*read().by_id, *read().defaults})
        raise UnknownNameError(f"timm {_installed()} has no model {name!r}{nearest_names(name, known)}")


def _default_id(architecture: str) -> str:
    """Return ``architecture.tag`` with timm's default tag, or the architecture where it has no pretrained weights."""
    import timm

    config = timm.get_pretrained_cfg(architecture)
    return f"{architecture}.{config.tag}" if config is not None and config.tag and _source(config) else architecture


def _described(model_id: str) -> ModelCard:
    """Return the card of one id of the installed timm."""
    from timm.models import model_entrypoint

    config = config_of(model_id)
    architecture, _, tag = model_id.partition(".")
    source = _source(config) if config else ""
    return ModelCard(
        id=model_id,
        zoo="timm",
        architecture=architecture,
        family=model_entrypoint(architecture).__module__.rpartition(".")[2],
        tag=tag,
        parameters=_parameters(model_id),
        dataset=dataset_of(tag),
        licence=(config.license or "") if source else "",
        source=source,
    )


def config_of(model_id: str) -> Any:
    """Return timm's ``PretrainedCfg`` of an id; None where an architecture has none.

    Raises:
        UnknownNameError: the installed timm has no such architecture, or not with this tag.
    """
    import timm
    from timm.models import list_models

    _require_architecture(model_id)
    try:
        return timm.get_pretrained_cfg(model_id)
    except RuntimeError as error:
        architecture, _, tag = model_id.partition(".")
        tags = ", ".join(known.partition(".")[2] for known in list_models(architecture, include_tags=True))
        raise UnknownNameError(f"{architecture} has no pretraining tag {tag!r} in timm; it has {tags}") from error


def _source(config: Any) -> str:
    """Return the hub id of pretrained weights, or their address where they are not on a hub."""
    return str(config.hf_hub_id or config.url or "")


def _parameters(model_id: str) -> int:
    """Count trainable parameters, with the classes and the image size of the tag."""
    import timm
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's own notes on options, such as deprecated layers
        try:
            with torch.device("meta"):
                model = timm.create_model(model_id)
        except (NotImplementedError, RuntimeError):  # a constructor reads values, which tensors on meta do not have
            with torch.random.fork_rng(devices=[]):
                model = timm.create_model(model_id)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def dataset_of(tag: str) -> str:
    """Return the data that a pretraining tag names, in order of use; empty where the tag does not tell.

    >>> dataset_of("augreg_in21k_ft_in1k"), dataset_of("openai_ft_in12k_in1k"), dataset_of("mae")
    ('in21k+in1k', 'wit+in12k+in1k', 'in1k')
    """
    if tag in _DATA_OF_METHOD:
        return _DATA_OF_METHOD[tag]
    return "+".join(dict.fromkeys(_CALLED.get(part, part) for part in _DATA.findall(tag)))


if __name__ == "__main__":
    found = tuple(generate())
    write(found, default_ids(found))
