"""What a survey will do, decided before anything is done: a pure value with a hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from complexity_lab.errors import InputError
from complexity_lab.estimators.estimator import estimator
from complexity_lab.estimators.presets import Preset
from complexity_lab.survey.controls import checked_controls
from complexity_lab.survey.planes import metrics_of, preset_of
from complexity_lab.zoo.card import ModelCard, Zoo
from complexity_lab.zoo.registry import open_zoo
from complexity_lab.zoo.selection import Selection, select

State = Literal["initial", "trained"]
STATES: tuple[State, ...] = get_args(State)
DEFAULT_METRICS = ("bdm", "gzip", "bz2", "lzma")
DEFAULT_SEEDS = (0, 1, 2)
LATER = ("preset", "bits", "controls")  # keys that plans of 0.1 lack


class SurveyPlan(BaseModel):
    """Zoo, models, states, seeds and metrics of a survey. Two equal plans give equal tables, timings aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zoo: str
    path: Path | None = None  # weights directory of timm, or the list or directory of the checkpoints zoo
    models: tuple[str, ...]
    states: tuple[State, ...] = STATES
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    metrics: tuple[str, ...] = DEFAULT_METRICS
    tensor_rows: bool = True
    preset: str | None = None  # rules of a publication, or ours; those of QuBD add bit planes to the metrics
    bits: int | None = None  # planes, instead of the preset's
    controls: tuple[str, ...] | None = None  # null models beside the iid null
    selection: dict[str, Any] = Field(default_factory=dict)  # how the models were chosen, for the record

    @field_validator("models", "states", "seeds", "metrics")
    @classmethod
    def _not_empty_and_unique(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("empty, wanted at least one")
        if len(set(value)) != len(value):
            raise ValueError("has an entry twice")
        return value

    @field_validator("states")
    @classmethod
    def _initial_first(cls, value: tuple[State, ...]) -> tuple[State, ...]:
        return tuple(state for state in STATES if state in value)  # a zoo loads trained weights into the same module

    @field_validator("seeds")
    @classmethod
    def _not_negative(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 0:
            raise ValueError(f"seed {min(value)}, wanted 0 or more")
        return value

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            estimator(name)
        return value

    @field_validator("controls")
    @classmethod
    def _known_controls(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return checked_controls(value) if value else None

    @model_validator(mode="after")
    def _planes_are_defined(self) -> SurveyPlan:
        self.rules()
        return self

    def rules(self) -> Preset | None:
        """Return the preset with its number of planes; None if none was chosen.

        Raises:
            InputError, UnknownNameError: no such preset, not 1 to 16 bits, or bits of one without planes.
        """
        return preset_of(self.preset, self.bits)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types; what was not asked for is left out, as in versions that had none."""
        found = self.model_dump(mode="json")
        return {key: value for key, value in found.items() if value is not None or key not in LATER}

    def hash(self) -> str:
        """Return a short hash of all that decides the rows (how the models were chosen does not)."""
        decisive = {key: value for key, value in self.as_dict().items() if key != "selection"}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def open_zoo(self) -> Zoo:
        """Return the plan's zoo."""
        return open_zoo(self.zoo, path=self.path)


def make_plan(
    zoo: str,
    *,
    selection: Selection | None = None,
    path: Path | None = None,
    states: tuple[str, ...] = STATES,
    seeds: tuple[int, ...] = DEFAULT_SEEDS,
    metrics: tuple[str, ...] | None = None,
    tensor_rows: bool = True,
    preset: str | None = None,
    bits: int | None = None,
    controls: tuple[str, ...] = (),
) -> SurveyPlan:
    """Choose the models and return the plan. Metrics are by default those of the preset, else DEFAULT_METRICS.

    Raises:
        UnknownNameError: unknown zoo, model or metric; the message suggests the nearest.
        InputError: nothing matches, or a value outside what is defined.
    """
    metrics = metrics_of(metrics, preset_of(preset, bits), DEFAULT_METRICS)
    for name in metrics:
        estimator(name)
    if controls:
        checked_controls(controls)
    for state in states:
        if state not in STATES:
            raise InputError(f"state {state!r}, wanted {' or '.join(STATES)}")
    selection = selection or Selection()
    cards = select(open_zoo(zoo, path=path), selection)
    try:
        return SurveyPlan(
            zoo=zoo,
            path=path,
            models=tuple(card.id for card in cards),
            states=states,  # type: ignore[arg-type]  # checked above and by pydantic
            seeds=seeds,
            metrics=metrics,
            tensor_rows=tensor_rows,
            preset=preset,
            bits=bits,
            controls=controls or None,
            selection=selection_as_dict(selection),
        )
    except ValidationError as error:
        raise InputError(f"not a survey plan: {problems_of(error)}") from None


def problems_of(error: ValidationError) -> str:
    """Return what pydantic found, in one line: where and what."""
    found = [(".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ")) for item in error.errors()]
    return "; ".join(f"{place}: {problem}" for place, problem in found)


def selection_as_dict(selection: Selection) -> dict[str, Any]:
    """Return the parts of a selection that differ from the default, as JSON types."""
    default = Selection()
    chosen = {key: value for key, value in vars(selection).items() if value != getattr(default, key)}
    if "models" in chosen:
        chosen["models"] = f"{len(selection.models)} named"
    return {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}


def cards_of(plan: SurveyPlan, zoo: Zoo) -> tuple[ModelCard, ...]:
    """Return the cards of a plan's models."""
    known = {card.id: card for card in zoo.cards()}
    return tuple(known[model] if model in known else zoo.card(model) for model in plan.models)
