"""One task: everything about one model, from opening it to its rows on disk. Runs in a worker process."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from complexity_lab.errors import ComplexityLabError, OutputError, WeightsError
from complexity_lab.estimators.estimator import estimator
from complexity_lab.survey.compression import CompressorPool, compressor_pool
from complexity_lab.survey.measure import Row, Rows, Wanted, measure_source
from complexity_lab.survey.plan import State, SurveyPlan
from complexity_lab.tables.provenance import peak_memory
from complexity_lab.tables.store import Store
from complexity_lab.weights.source import WeightSource
from complexity_lab.zoo.card import ModelCard, OpenModel, TrainedFacts, Zoo


@dataclass(frozen=True)
class Task:
    """One model of a plan, and where its rows go."""

    card: ModelCard
    plan: SurveyPlan
    zoo: Zoo
    directory: Path
    metadata: dict[str, str]
    threads: int = 1  # cores given to this task
    in_worker: bool = False  # whether it runs in a process that serves tasks only


@dataclass(frozen=True)
class Outcome:
    """What became of one model."""

    model: str
    status: str
    error: str | None
    seconds: float
    parameters: int | None


@dataclass
class _Record:
    """Rows and timings collected while a model is read."""

    states: list[Rows] = field(default_factory=list)
    build: float = 0.0
    load: float = 0.0
    measure: float = 0.0
    failure: BaseException | None = None
    facts: TrainedFacts = field(default_factory=TrainedFacts)


def run_task(task: Task) -> Outcome:
    """Measure one model and write its rows. Whatever is wrong with the model becomes rows that say so.

    Raises:
        OutputError: the rows cannot be written.
    """
    if task.in_worker:
        _leave_interrupts_to_the_parent()
    store = Store(task.directory)
    store.mark_running(task.card.id)
    started = time.perf_counter()
    record = _Record()
    try:
        _measure_model(task, record)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a model that cannot even be opened becomes its row
        record.failure = record.failure or error
    for rows in record.states:
        rows.wait()
        record.failure = record.failure or rows.failure
    model_row = _model_row(task, record)
    store.write(
        task.card.id,
        {
            "models": [model_row],
            "measurements": [row for rows in record.states for row in rows.measurements],
            "histograms": [row for rows in record.states for row in rows.histograms],
        },
        task.metadata,
    )
    seconds = time.perf_counter() - started
    return Outcome(task.card.id, model_row["status"], model_row["error"], seconds, model_row["parameters"])


def failed_row(card: ModelCard, error_type: str, error: str) -> Row:
    """Return the row of ``models`` for a model that no worker survived."""
    return _card_columns(card) | {"status": "failed", "error_type": error_type, "error": error}


def _leave_interrupts_to_the_parent() -> None:
    """Ignore Ctrl-C: the terminal sends it to every process, and the parent stops its workers."""
    with suppress(ValueError):  # not in the main thread, where signals cannot be set
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _measure_model(task: Task, record: _Record) -> None:
    plan = task.plan
    wanted = Wanted(plan.metrics, plan.tensor_rows, preset=plan.rules(), controls=plan.controls or ())
    opened = task.zoo.open(task.card)
    with compressor_pool(task.threads) as pool:
        for state in task.plan.states:
            seeds = _seeds(task.plan, opened, state)
            for seed in seeds:
                _measure_state(task, record, opened, state, seed, wanted, pool)
            if not seeds:
                missing = WeightsError(f"{task.card.id} has no {state} weights; leave {state} out of the states")
                record.failure = record.failure or missing
                record.states.append(_failed_state({"model": task.card.id, "state": state}, wanted, missing))
        if "trained" in task.plan.states:
            record.facts = opened.facts()


def _seeds(plan: SurveyPlan, opened: OpenModel, state: State) -> tuple[int | None, ...]:
    """For initial weights the plan's seeds, or those that exist as files; for trained ones those there are."""
    if state == "trained":
        return opened.trained_seeds
    return plan.seeds if opened.initial_seeds is None else opened.initial_seeds


def _measure_state(
    task: Task,
    record: _Record,
    opened: OpenModel,
    state: State,
    seed: int | None,
    wanted: Wanted,
    pool: CompressorPool,
) -> None:
    """Open one state and measure it; a state that cannot be opened or read is rows that say why."""
    labels: Row = {"model": task.card.id, "state": state, "seed": seed}
    started = time.perf_counter()
    try:
        source: WeightSource = opened.initial(seed or 0) if state == "initial" else opened.trained(seed)
        opening = time.perf_counter()
        rows = measure_source(source, wanted, labels, pool, task.threads)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one state becomes its rows
        record.failure = record.failure or error
        record.states.append(_failed_state(labels, wanted, error))
        return
    if any(item.payload != "bits-packed" for item in wanted.compressed):
        rows.wait()  # these payloads are as large as the weights: one state at a time
    if state == "initial":
        record.build += opening - started
    else:
        record.load += opening - started
    record.measure += time.perf_counter() - opening
    record.failure = record.failure or rows.failure
    record.states.append(rows)


def _failed_state(labels: Row, wanted: Wanted, error: Exception) -> Rows:
    place = labels | {"scope": "model", "tensor": "", "kind": "", "shape": ""}
    rows = Rows()
    for name in wanted.metrics:
        facts = {"metric": name, "unit": estimator(name).unit, "status": "failed", "reason": _sentence(error)}
        rows.measurements.append(place | facts)
    if wanted.planes is not None:
        facts = {"metric": "qubd", "unit": "bits", "status": "failed", "reason": _sentence(error)}
        rows.measurements.append(place | facts)
    return rows


def _model_row(task: Task, record: _Record) -> Row:
    measured = max((rows.parameters for rows in record.states), default=0)
    accuracy = record.facts.test_accuracy
    failure = record.failure
    return _card_columns(task.card) | {
        "parameters": measured or task.card.parameters,
        "revision": record.facts.revision,
        "test_accuracy": sum(accuracy) / len(accuracy) if accuracy else None,
        "test_accuracy_lowest": min(accuracy) if accuracy else None,
        "status": "ok" if failure is None else "failed",
        "error_type": None if failure is None else type(failure).__name__,
        "error": None if failure is None else _sentence(failure),
        "seconds_build": record.build,
        "seconds_load": record.load,
        "seconds_measure": record.measure,
        "peak_memory": peak_memory(),
    }


def _sentence(error: BaseException) -> str:
    """Return an error's message in one line; errors that are not ours say their type first."""
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, ComplexityLabError) else f"{type(error).__name__}: {text}"


def _card_columns(card: ModelCard) -> dict[str, Any]:
    columns = ("zoo", "architecture", "tag", "family", "parameters", "dataset", "licence", "source")
    return {"model": card.id} | {name: getattr(card, name) for name in columns}
