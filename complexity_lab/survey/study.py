"""A study: one TOML file that says what is asked, what is surveyed and what is shown."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from complexity_lab.errors import InputError
from complexity_lab.survey.plan import STATES, State, SurveyPlan, make_plan, problems_of
from complexity_lab.zoo.selection import Selection, parse_count, read_list


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudySelection(_Strict):
    """Which models, as in the options of ``survey``; ``list`` is a file relative to the study."""

    models: tuple[str, ...] = ()
    list: Path | None = None
    filter: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    min_parameters: str | int | None = None
    max_parameters: str | int | None = None
    sample: int | None = None
    seed: int = 0


class StudySurvey(_Strict):
    """What is measured."""

    zoo: str
    weights: Path | None = None
    states: tuple[State, ...] = STATES
    seeds: StrictInt | tuple[StrictInt, ...] = 3
    metrics: tuple[str, ...] | None = None
    tensor_rows: bool = True
    preset: str | None = None
    bits: StrictInt | None = None
    controls: tuple[str, ...] = ()
    selection: StudySelection = Field(default_factory=StudySelection)


class Study(_Strict):
    """Title, question and source of a study; its survey; the figures to draw (all that apply if empty)."""

    title: str
    question: str
    source: str = ""
    figures: tuple[str, ...] = ()
    accuracy: Path | None = None  # CSV of accuracies, relative to the study
    survey: StudySurvey


def read_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        InputError: no such file, no TOML, or a key that is unknown, missing or of a wrong type (named).
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; wanted a study file such as studies/digits.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from None
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} is not a study: {problems_of(error)}") from None


def study_plan(
    study: Study, folder: Path, *, states: tuple[State, ...] | None = None, limit: int | None = None
) -> SurveyPlan:
    """Return the survey plan of a study.

    Args:
        study: the study.
        folder: where its file lies; ``list`` and ``weights`` are relative to it.
        states: instead of the study's own.
        limit: only this many models, the first by name.
    """
    chosen = study.survey
    plan = make_plan(
        chosen.zoo,
        path=folder / chosen.weights if chosen.weights else None,
        selection=_selection(chosen.selection, folder),
        states=states or chosen.states,
        seeds=tuple(range(chosen.seeds)) if isinstance(chosen.seeds, int) else chosen.seeds,
        metrics=chosen.metrics,
        tensor_rows=chosen.tensor_rows,
        preset=chosen.preset,
        bits=chosen.bits,
        controls=chosen.controls,
    )
    if limit is None:
        return plan
    if limit < 1:
        raise InputError(f"--limit {limit}, wanted 1 or more")
    return plan.model_copy(update={"models": plan.models[:limit], "selection": {**plan.selection, "limit": limit}})


def _selection(chosen: StudySelection, folder: Path) -> Selection:
    def count(value: Any) -> int | None:
        return None if value is None else parse_count(str(value))

    listed = read_list(folder / chosen.list) if chosen.list else ()
    return Selection(
        filter=chosen.filter,
        exclude=chosen.exclude,
        families=chosen.families,
        tags=chosen.tags,
        min_parameters=count(chosen.min_parameters),
        max_parameters=count(chosen.max_parameters),
        sample=chosen.sample,
        seed=chosen.seed,
        models=tuple(dict.fromkeys([*chosen.models, *listed])),
    )
