"""What a study of rounding will do, decided before anything is rounded: a pure value with a hash."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError, field_validator, model_validator

from complexity_lab.errors import InputError
from complexity_lab.quantization.suggestion import Rule
from complexity_lab.zoo.digits_recipes import RECIPES


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QuantizationPlan(_Strict):
    """Networks of the digits zoo, how they are rounded and by which references bits are suggested."""

    models: tuple[str, ...] = tuple(recipe.architecture for recipe in RECIPES)
    seeds: tuple[StrictInt, ...] = (0, 1, 2)
    bits: StrictInt = 8  # planes of a profile, and the most bits of a weight
    preset: str = "fixed"
    references: tuple[Literal["shuffle", "initial", "random"], ...] = ("shuffle", "initial", "random")
    shuffles: StrictInt = 20
    initializations: StrictInt = 10  # of the reference random; other seeds than those of the trained networks
    threshold: float = Rule().threshold
    visible: float = Rule().visible
    alpha: float = Rule().alpha
    margins: tuple[StrictInt, ...] = (0, 1, 2, 3)
    layer_bits: tuple[StrictInt, ...] = (1, 2, 3, 4)  # when one layer alone is rounded

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) else value

    @field_validator("models", "seeds", "references", "margins")
    @classmethod
    def _listed_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("empty, wanted at least one")
        if len(set(value)) < len(value):
            raise ValueError("has an entry twice")
        return value

    @model_validator(mode="after")
    def _in_range(self) -> QuantizationPlan:
        known = [recipe.architecture for recipe in RECIPES]
        unknown = [model for model in self.models if model not in known]
        if unknown:
            raise ValueError(f"models: {unknown[0]!r} is not in the digits zoo; there are {', '.join(known)}")
        if not 2 <= self.bits <= 8:
            raise ValueError(f"bits: {self.bits}, wanted 2 to 8")
        if any(not 1 <= number <= self.bits for number in self.layer_bits):
            raise ValueError(f"layer_bits: {self.layer_bits}, wanted 1 to {self.bits}")
        if min(self.shuffles, self.initializations) < 2:
            raise ValueError("shuffles and initializations: wanted 2 or more, one has no spread")
        for margin in self.margins:
            self.rule(margin)
        return self

    def rule(self, margin: int) -> Rule:
        """Return the rule with this margin.

        Raises:
            InputError: threshold, visible, alpha or margin out of range.
        """
        return Rule(self.threshold, self.visible, self.alpha, margin)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types, with the kind that directories are told apart by."""
        found: dict[str, Any] = {"kind": "quantization", **json.loads(self.model_dump_json())}
        return found

    def hash(self) -> str:
        """Return a short hash of all that decides the rows."""
        recipes = {recipe.architecture: recipe.hash for recipe in RECIPES if recipe.architecture in self.models}
        return hashlib.sha256(json.dumps([self.as_dict(), recipes], sort_keys=True).encode()).hexdigest()[:16]


class QuantizationStudy(_Strict):
    """Title, question and source of a study, and its plan."""

    title: str
    question: str
    source: str = ""
    quantization: QuantizationPlan


def read_quantization_study(file: Path) -> QuantizationStudy:
    """Read and check a study file.

    Raises:
        InputError: no TOML, or a key that is unknown, missing or of a wrong type (named).
    """
    try:
        return QuantizationStudy.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError(f"{file} is not a study: {'; '.join(problems).replace('Value error, ', '')}") from None
