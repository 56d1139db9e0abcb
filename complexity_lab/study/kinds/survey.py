"""Surveys: every model of a selection, before and after training, to models, measurements and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import Field, StrictInt, field_validator

from complexity_lab.counted import counted
from complexity_lab.errors import OutputError
from complexity_lab.files import keep_file
from complexity_lab.measurement.spec import MeasurementSpec, spec_of
from complexity_lab.study.fields import Seeds, SomeUnique
from complexity_lab.study.kind import BASE_MEMORY, Failure, Kind, RunOptions, Spec, Task, TaskContext
from complexity_lab.study.model_reading import ModelReading, State, SurveyTask, card_columns
from complexity_lab.study.plan import checked
from complexity_lab.tables.layout import ACCURACY
from complexity_lab.tables.rows import Model, Row
from complexity_lab.weights.order import OrderRule
from complexity_lab.zoo.card import HasFiles, ModelCard, Zoo
from complexity_lab.zoo.registry import open_zoo
from complexity_lab.zoo.selection import Selection, parse_count, read_list, select

STATES: tuple[State, ...] = get_args(State)
DEFAULT_METRICS = ("bdm", "gzip", "bz2", "lzma")
BYTES_PER_PARAMETER = 12  # the module, its trained weights while they are loaded, and what is in flight


class SurveySelection(Spec):
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

    def resolved(self, folder: Path) -> Selection:
        """Return the selection with its list read."""
        low, high = (None if value is None else parse_count(str(value)) for value in self._bounds)
        listed = read_list(folder / self.list) if self.list else ()
        given = self.model_dump(exclude={"list", "models", "min_parameters", "max_parameters"})
        models = tuple(dict.fromkeys([*self.models, *listed]))
        return Selection(**given, models=models, min_parameters=low, max_parameters=high)

    @property
    def _bounds(self) -> tuple[str | int | None, str | int | None]:
        return self.min_parameters, self.max_parameters


class SurveySection(Spec):
    """The section [survey] of a study file."""

    zoo: str
    weights: Path | None = None
    states: tuple[State, ...] = STATES
    seeds: Seeds = (0, 1, 2)
    metrics: tuple[str, ...] | None = None
    tensor_rows: bool = True
    preset: str | None = None
    bits: StrictInt | None = None
    controls: tuple[str, ...] = ()
    order: OrderRule = "model"
    accuracy: Path | None = None
    selection: SurveySelection = Field(default_factory=SurveySelection)


_FROM_FOLDER = ("zoo", "weights", "accuracy", "selection")  # what needs the folder of the study, or no name


class SurveySpec(Spec):
    """Zoo, models, states, seeds and metrics of a survey. Two equal plans give equal tables, timings aside."""

    zoo: str
    path: Path | None = None  # weights directory of timm, or the list or directory of the checkpoints zoo
    models: SomeUnique[str]
    states: SomeUnique[State] = STATES
    seeds: Seeds = (0, 1, 2)
    metrics: SomeUnique[str] = DEFAULT_METRICS
    tensor_rows: bool = True
    preset: str | None = None  # rules of a publication, or ours; those of QuBD add bit planes to the metrics
    bits: StrictInt | None = None  # planes, instead of the preset's
    controls: tuple[str, ...] = ()  # null models beside those that always come
    order: OrderRule = "model"  # of the tensors in files
    selection: dict[str, Any] = Field(default_factory=dict)  # how the models were chosen, for the record
    accuracy: Path | None = None  # CSV of published accuracies, copied into the directory

    @field_validator("states")
    @classmethod
    def _initial_first(cls, value: tuple[State, ...]) -> tuple[State, ...]:
        return tuple(state for state in STATES if state in value)  # a zoo loads trained weights into the same module

    @field_validator("seeds")
    @classmethod
    def _seeds_of_torch(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for seed in value:
            if not 0 <= seed < 2**63:
                raise ValueError(f"seed {seed}, wanted 0 to 2^63 - 1")
        return value

    def refuse_impossible(self) -> None:
        """Check names and rules."""
        self.measurement  # noqa: B018 - it checks names and rules

    @cached_property
    def measurement(self) -> MeasurementSpec:
        """What is measured of each set of weights."""
        return MeasurementSpec(
            metrics=self.metrics,
            tensor_rows=self.tensor_rows,
            preset=self.preset,
            bits=self.bits,
            controls=self.controls,
        )

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows: how the models were chosen does not, nor published accuracies."""
        return self.model_dump(mode="json", exclude={"selection", "accuracy"})

    def open_zoo(self) -> Zoo:
        """Return the zoo."""
        return open_zoo(self.zoo, path=self.path, order=self.order)


class SurveyKind(Kind[SurveySpec]):
    """Models of a zoo, initial against trained."""

    name = "survey"
    noun = "model"
    spec_type = SurveySpec

    def spec(self, section: Mapping[str, Any], folder: Path) -> SurveySpec:
        """Return what a section [survey] asks for."""
        asked = SurveySection.model_validate(dict(section))
        return survey_spec(
            asked.zoo,
            selection=asked.selection.resolved(folder),
            path=folder / asked.weights if asked.weights else None,
            accuracy=folder / asked.accuracy if asked.accuracy else None,
            **{name: value for name, value in asked if name not in _FROM_FOLDER},
        )

    def tasks(self, spec: SurveySpec, options: RunOptions) -> Sequence[Task]:
        """Return a task per model."""
        del options
        zoo = spec.open_zoo()
        known = {card.id: card for card in zoo.cards()}
        cards = [known[model] if model in known else zoo.card(model) for model in spec.models]
        return [
            Task(
                key=card.id,
                payload=SurveyTask(
                    card,
                    zoo.only(card) if isinstance(zoo, HasFiles) else zoo,
                    spec.states,
                    spec.seeds,
                    spec.measurement,
                ),
                work=float(memory_needed(card)),
                memory=memory_needed(card),
                inputs=zoo.files(card) if isinstance(zoo, HasFiles) else (),
            )
            for card in cards
        ]

    def prepare(self, spec: SurveySpec, directory: Path, options: RunOptions) -> None:
        """Copy the file of published accuracies into the directory."""
        del options
        if spec.accuracy is not None:
            keep_file(spec.accuracy, directory / ACCURACY)

    def run(self, payload: SurveyTask, context: TaskContext) -> Sequence[Row]:
        """Measure one model in every state and seed."""
        reading = ModelReading(payload, context.threads)
        try:
            reading.read()
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - what was read before stands beside the reason
            reading.failure = reading.failure or error
        return reading.rows()

    def failed(self, payload: SurveyTask, failure: Failure) -> Model:
        """Return the row of a model that no worker survived."""
        return Model(**card_columns(payload.card), status="failed", error_type=failure.error_type, error=failure.error)

    def announcement(self, spec: SurveySpec, tasks: Sequence[Task]) -> str:
        """Return what is about to be measured."""
        seeds = f"initial seeds {', '.join(map(str, spec.seeds))}" if "initial" in spec.states else "no initial weights"
        models = f"{counted(len(tasks), self.noun)} of {spec.zoo}"
        return f"{models} ({', '.join(spec.states)}; {seeds}; {', '.join(spec.metrics)})"


KIND = SurveyKind()


def survey_spec(
    zoo: str,
    *,
    selection: Selection | None = None,
    path: Path | None = None,
    states: tuple[str, ...] = STATES,
    seeds: tuple[int, ...] = (0, 1, 2),
    metrics: tuple[str, ...] | None = None,
    tensor_rows: bool = True,
    preset: str | None = None,
    bits: int | None = None,
    controls: tuple[str, ...] = (),
    order: OrderRule = "model",
    accuracy: Path | None = None,
) -> SurveySpec:
    """Choose the models and return the spec of a survey. Metrics are by default those of the preset, else four.

    Raises:
        UnknownNameError: unknown zoo, model or metric; the message suggests the nearest.
        InputError: nothing matches, or a value outside what is defined.
    """
    selection = selection or Selection()
    wanted = spec_of(
        metrics, tensor_rows=tensor_rows, preset=preset, bits=bits, controls=controls, default=DEFAULT_METRICS
    )
    resolved = path.resolve() if path is not None else None
    cards = select(open_zoo(zoo, path=resolved, order=order), selection)
    values = {
        "zoo": zoo,
        "path": resolved,
        "models": tuple(card.id for card in cards),
        "states": states,
        "seeds": seeds,
        "metrics": wanted.metrics,
        "tensor_rows": tensor_rows,
        "preset": preset,
        "bits": bits,
        "controls": wanted.controls,
        "order": order,
        "selection": _as_dict(selection),
        "accuracy": accuracy,
    }
    return cast(SurveySpec, checked(SurveySpec, values, "the survey"))


def _as_dict(selection: Selection) -> dict[str, Any]:
    """Return the parts of a selection that differ from the default, as JSON types."""
    default = Selection()
    chosen = {key: value for key, value in vars(selection).items() if value != getattr(default, key)}
    if "models" in chosen:
        chosen["models"] = f"{len(selection.models)} named"
    return {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}


def memory_needed(card: ModelCard) -> int:
    """Estimate the memory of a task in bytes, from parameters or the size of the files."""
    parameters = card.parameters if card.parameters is not None else (card.size_bytes or 0) // 4
    return BASE_MEMORY + BYTES_PER_PARAMETER * parameters
