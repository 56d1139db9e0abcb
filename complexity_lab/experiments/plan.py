"""What a training experiment will do, decided before anything is trained: a pure value with a hash."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

from complexity_lab.errors import InputError
from complexity_lab.experiments.probe import WeightProbe
from complexity_lab.momos.method import Method
from complexity_lab.momos.recipes import Recipe, recipe_for

Preset = Literal["paper", "reference", "quick"]
TABLE_BITS = (16, 8, 4)
TABLE_BLOCKS = (2, 4)
TABLE_CAPACITIES = (0.1, 0.05, 0.01, 0.005)
MODELS = {"table1": ("mlp", "resnet20", "tiny_vit_5m"), "table2": ("mobilevit_xxs",)}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingPlan(_Strict):
    """Models, methods and seeds of an experiment; every combination is one run."""

    dataset: str = "digits"
    models: tuple[str, ...]
    baseline: bool = True
    bits: tuple[StrictInt, ...] = ()  # of quantization-aware training
    s: tuple[StrictInt, ...] = ()  # values in a block; each with every capacity
    capacity: tuple[float, ...] = ()  # motifs as shares of the blocks
    every: Literal["step", "epoch"] | StrictInt | None = None  # None: as the preset says
    choice: str = "random"
    force_zero: bool | None = None  # None: as the preset says, the paper's zero motif or the reference's none
    seeds: tuple[StrictInt, ...] = (0, 1, 2)
    preset: Preset = "paper"
    epochs: StrictInt | None = None  # instead of the recipe's
    metrics: tuple[str, ...] = ("bdm",)  # watched at every epoch
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) else value

    @field_validator("models", "seeds")
    @classmethod
    def _not_empty(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("empty, wanted at least one")
        return value

    @field_validator("models", "bits", "s", "capacity", "seeds", "metrics")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = sorted({str(item) for item in value if value.count(item) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice, wanted each once")
        return value

    @model_validator(mode="after")
    def _some_method(self) -> TrainingPlan:
        if bool(self.s) != bool(self.capacity):
            raise ValueError("s and capacity belong together, give both or neither")
        if not self.methods():
            raise ValueError("no method: set baseline, bits, or s and capacity")
        WeightProbe(self.metrics)
        return self

    def methods(self) -> tuple[Method, ...]:
        """Return every method, the baseline first."""
        every = self.every or ("epoch" if self.preset == "reference" else "step")
        force_zero = self.preset != "reference" if self.force_zero is None else self.force_zero
        common = {"every": every, "choice": self.choice, "force_zero": force_zero}
        return (
            *((Method(),) if self.baseline else ()),
            *(Method(bits=bits) for bits in self.bits),
            *(Method(s=s, capacity=capacity, **common) for s in self.s for capacity in self.capacity),  # type: ignore[arg-type]
        )

    def recipes(self) -> dict[str, Recipe]:
        """Return the hyper-parameters of each model.

        Raises:
            UnknownNameError: a model has no recipe.
        """
        found = {model: recipe_for(model, self.dataset, self.preset) for model in self.models}
        if self.epochs is None:
            return found
        return {model: replace(recipe, epochs=self.epochs) for model, recipe in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types, with the recipes that its preset stands for in this version."""
        recipes = {model: asdict(recipe) for model, recipe in self.recipes().items()}
        found: dict[str, Any] = json.loads(json.dumps({**self.model_dump(mode="json"), "recipes": recipes}))
        return found

    def hash(self) -> str:
        """Return a short hash of all that decides the rows."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]


def table_plan(
    table: Literal["table1", "table2"],
    *,
    dataset: str = "digits",
    seeds: tuple[int, ...] = (0, 1, 2),
    preset: Preset = "paper",
    epochs: int | None = None,
    models: tuple[str, ...] = (),
    precision: str = "float32",
    compile: bool = False,  # noqa: A002 - the name of the option
) -> TrainingPlan:
    """Return the plan of a table of the paper: every model with the baseline, QAT and MoMos at two block sizes.

    Raises:
        InputError: unknown table, or an argument out of its range.
    """
    if table not in MODELS:
        raise InputError(f"table {table!r}, wanted {' or '.join(MODELS)}")
    return checked_plan(
        dataset=dataset,
        models=models or MODELS[table],
        bits=TABLE_BITS,
        s=TABLE_BLOCKS,
        capacity=TABLE_CAPACITIES,
        seeds=seeds,
        preset=preset,
        epochs=epochs,
        precision=precision,
        compile=compile,
    )


def checked_plan(**choices: Any) -> TrainingPlan:
    """Return a plan; what is wrong with it is one sentence.

    Raises:
        InputError: a value out of its range.
    """
    try:
        return TrainingPlan(**choices)
    except ValidationError as error:
        raise InputError(f"the experiment cannot be planned: {_problems(error)}") from None


class TrainingStudy(_Strict):
    """Title, question and source of a training study, its plan, and which table of the paper it stands beside."""

    title: str
    question: str
    source: str = ""
    table: Literal["table1", "table2"] | None = None
    figures: tuple[str, ...] = ()
    training: TrainingPlan = Field()


def read_training_study(file: Path) -> TrainingStudy:
    """Read and check a study file.

    Raises:
        InputError: no TOML, or a key that is unknown, missing or of a wrong type (named).
    """
    try:
        return TrainingStudy.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        raise InputError(f"{file} is not a study: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    """Return what pydantic found, key by key, in one line."""
    found = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {text}" if where else text)
    return "; ".join(found)
