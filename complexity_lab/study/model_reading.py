"""One model of a survey, read in every state and seed: its rows, its timings, and the first thing that went wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from complexity_lab.errors import OutputError, WeightsError
from complexity_lab.measurement.compression import CompressorPool, compressor_pool
from complexity_lab.measurement.measured import Measured, failed_rows, measure_source
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.study.kind import Failure
from complexity_lab.tables.provenance import peak_memory
from complexity_lab.tables.rows import Measurement, Model, Row
from complexity_lab.weights.source import WeightSource
from complexity_lab.zoo.card import ModelCard, OpenModel, TrainedFacts, Zoo

State = Literal["initial", "trained"]
PACKED = "bits-packed"  # payload that is small beside the weights


@dataclass(frozen=True)
class SurveyTask:
    """One model: its card, and what is measured of it."""

    card: ModelCard
    zoo: Zoo
    states: tuple[State, ...]
    seeds: tuple[int, ...]
    measurement: MeasurementSpec


def card_columns(card: ModelCard) -> dict[str, Any]:
    """Return what a card says of a model, as columns of ``models``."""
    columns = ("zoo", "architecture", "tag", "family", "parameters", "dataset", "licence", "source")
    return {"model": card.id} | {name: getattr(card, name) for name in columns}


@dataclass
class ModelReading:
    """One model while its states are read: rows, timings, and the first thing that went wrong."""

    task: SurveyTask
    threads: int
    states: list[Measured] = field(default_factory=list)
    failed_states: list[Measurement] = field(default_factory=list)
    build: float = 0.0
    load: float = 0.0
    measuring: float = 0.0
    failure: BaseException | None = None
    facts: TrainedFacts = field(default_factory=TrainedFacts)

    def read(self) -> None:
        """Measure every state and seed."""
        task = self.task
        opened = task.zoo.open(task.card)
        with compressor_pool(self.threads) as pool:
            for state in task.states:
                seeds = self._seeds(opened, state)
                for seed in seeds:
                    self._measure(opened, state, seed, pool)
                if not seeds:
                    missing = f"{task.card.id} has no {state} weights; leave {state} out of the states"
                    self._fail(Subject(model=task.card.id, state=state), WeightsError(missing))
            if "trained" in task.states:
                self.facts = opened.facts()
            for measured in self.states:
                measured.wait()
                self.failure = self.failure or measured.failure

    def _seeds(self, opened: OpenModel, state: State) -> tuple[int | None, ...]:
        """For initial weights the plan's seeds, or those that exist as files; for trained ones those there are."""
        if state == "trained":
            return opened.trained_seeds
        return self.task.seeds if opened.initial_seeds is None else opened.initial_seeds

    def _measure(self, opened: OpenModel, state: State, seed: int | None, pool: CompressorPool) -> None:
        """Open one state and measure it; a state that cannot be opened or read is rows that say why."""
        subject = Subject(model=self.task.card.id, state=state, seed=seed)
        started = time.perf_counter()
        try:
            source: WeightSource = opened.initial(seed or 0) if state == "initial" else opened.trained(seed)
            opening = time.perf_counter()
            measured = measure_source(source, self.task.measurement, subject, compressing=pool, threads=self.threads)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one state becomes its rows
            self._fail(subject, error)
            return
        if any(item.payload != PACKED for item in self.task.measurement.compressed):
            measured.wait()  # these payloads are as large as the weights: one state at a time
        if state == "initial":
            self.build += opening - started
        else:
            self.load += opening - started
        self.measuring += time.perf_counter() - opening
        self.failure = self.failure or measured.failure
        self.states.append(measured)

    def _fail(self, subject: Subject, error: Exception) -> None:
        self.failure = self.failure or error
        self.failed_states += failed_rows(self.task.measurement, subject, Failure.of(error).error)

    def rows(self) -> list[Row]:
        """Return the row of the model, then its measurements and histograms."""
        measurements = [row for each in self.states for row in each.rows] + self.failed_states
        histograms = [row for each in self.states for row in each.histograms]
        return [self._model(), *measurements, *histograms]

    def _model(self) -> Model:
        accuracy = self.facts.test_accuracy
        failure = None if self.failure is None else Failure.of(self.failure)
        measured = max((each.parameters for each in self.states), default=0)
        return Model(
            **card_columns(self.task.card) | {"parameters": measured or self.task.card.parameters},
            revision=self.facts.revision,
            test_accuracy=sum(accuracy) / len(accuracy) if accuracy else None,
            test_accuracy_lowest=min(accuracy) if accuracy else None,
            status="ok" if failure is None else "failed",
            error_type=None if failure is None else failure.error_type,
            error=None if failure is None else failure.error,
            seconds_build=self.build,
            seconds_load=self.load,
            seconds_measure=self.measuring,
            peak_memory=peak_memory(),
        )
