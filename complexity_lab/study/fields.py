"""Types of the fields that the specs of several kinds have: lists without repetition, and seeds."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, StrictInt

Item = TypeVar("Item")
Items = TypeVar("Items", bound=tuple[Any, ...])


def _at_least_one(items: Items) -> Items:
    if not items:
        raise ValueError("empty, wanted at least one")
    return items


def _each_once(items: Items) -> Items:
    twice = sorted({str(item) for item in items if items.count(item) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice, wanted each once")
    return items


def _counted_from_zero(seeds: Any) -> Any:
    return tuple(range(seeds)) if type(seeds) is int else seeds  # true is no number


Unique = Annotated[tuple[Item, ...], AfterValidator(_each_once)]
"""Items without repetition."""

SomeUnique = Annotated[tuple[Item, ...], AfterValidator(_at_least_one), AfterValidator(_each_once)]
"""At least one item, without repetition."""

Seeds = Annotated[SomeUnique[StrictInt], BeforeValidator(_counted_from_zero)]
"""Seeds as a list, or how many of them: 3 is 0, 1 and 2."""
