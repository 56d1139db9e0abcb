"""Small networks measured while they learn, at steps even in the logarithm: runs, curves and measurements.

A run is minutes at most: one that was killed begins again, and gives the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, StrictInt

from complexity_lab.counted import counted
from complexity_lab.errors import InputError, OutputError
from complexity_lab.measurement.measured import measure_module
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.study.fields import Seeds, SomeUnique, Unique
from complexity_lab.study.kind import Failure, Kind, RunOptions, Spec, Task, TaskContext
from complexity_lab.tables.rows import CurvePoint, Row, Run
from complexity_lab.training.recipe import Labels, Optimizer, Recipe
from complexity_lab.training.schedules import measured_steps

if TYPE_CHECKING:
    from torch import nn

    from complexity_lab.training.examples import Splits
    from complexity_lab.training.trainer import StepState

Study = Literal["learning", "overfitting", "grokking"]  # what its figures and page speak of
DIGITS = 1077  # training images, see ``training.tasks``


class Condition(Spec):
    """What the runs of a study differ in besides network, examples and seed: the labels, and the decay of weights."""

    labels: Labels = "true"
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def __str__(self) -> str:
        return f"{self.labels} labels, weight decay {self.weight_decay:g}"


class TrajectorySpec(Spec):
    """Networks, training sets, conditions and seeds; every combination is one run."""

    study: Study
    task: Literal["digits", "addition"]
    modulus: StrictInt | None = Field(default=None, ge=2)  # of addition
    embedding: StrictInt | None = Field(default=None, ge=1)  # of addition: length of the vector of a number
    hidden: SomeUnique[tuple[StrictInt, ...]]  # units per hidden layer, of each network
    examples: Unique[StrictInt] = ()  # in training; none: all digits, half of the pairs
    conditions: SomeUnique[Condition] = (Condition(),)
    seeds: Seeds = (0, 1, 2)
    optimizer: Optimizer
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    batch_size: StrictInt | None = Field(default=None, ge=1)  # None: all examples at every step
    steps: StrictInt = Field(ge=1)
    per_decade: StrictInt = Field(default=12, ge=1)  # measurements per tenfold number of steps
    metrics: Unique[str] = ("bdm",)
    preset: str | None = "fixed"  # rules of the bit planes; None: no planes
    bits: StrictInt = Field(default=4, ge=1, le=16)
    shuffles: StrictInt = Field(default=10, ge=0)
    tensor_rows: bool = True
    threads: StrictInt = Field(default=1, ge=1)  # of one run; others, other last bits

    def refuse_impossible(self) -> None:
        """Check the task, names and rules."""
        self.measurement  # noqa: B018 - it checks names and rules
        if any(width < 1 for widths in self.hidden for width in widths):
            raise InputError("a hidden layer has no unit, wanted 1 or more")
        if self.task == "digits":
            if self.modulus is not None or self.embedding is not None:
                raise InputError("modulus and embedding are for addition, leave them out for digits")
        elif self.modulus is None or self.embedding is None:
            raise InputError("addition needs modulus and embedding")
        elif any(len(widths) != 1 for widths in self.hidden):
            raise InputError("the network of addition has one hidden layer, such as hidden = [[256]]")
        # of pairs, one is held out for validation and one for the test
        most = DIGITS if self.modulus is None else self.modulus**2 - 2
        wrong = [size for size in self.sizes() if not 1 <= size <= most]
        if wrong:
            raise InputError(f"{wrong[0]} training examples, wanted 1 to {most}")

    def sizes(self) -> tuple[int, ...]:
        """Return the numbers of training examples."""
        return self.examples or (DIGITS if self.modulus is None else self.modulus**2 // 2,)

    @property
    def measurement(self) -> MeasurementSpec:
        """What is measured at a step."""
        return MeasurementSpec(
            metrics=self.metrics,
            tensor_rows=self.tensor_rows,
            preset=self.preset,
            bits=None if self.preset is None else self.bits,
            controls=("shuffle",),
            draws=self.shuffles,
        )

    def measured(self) -> tuple[int, ...]:
        """Return the steps that are measured."""
        return measured_steps(self.steps, self.per_decade)

    def runs(self) -> tuple[PlannedRun, ...]:
        """Return every run, in the order of the plan."""
        return tuple(
            self._run(hidden, examples, condition, seed)
            for hidden, examples, condition, seed in product(self.hidden, self.sizes(), self.conditions, self.seeds)
        )

    def _run(self, hidden: tuple[int, ...], examples: int, condition: Condition, seed: int) -> PlannedRun:
        widths = "x".join(map(str, hidden)) or "linear"
        group = f"{self.task}-{widths}-n{examples}-{condition.labels}-wd{condition.weight_decay:g}"
        if self.modulus is None:
            architecture, data = f"MLP {widths}", f"{examples:,} digits"
        else:
            architecture, data = f"embedding {self.embedding}, hidden {widths}", f"{examples:,} sums mod {self.modulus}"
        return PlannedRun(
            key=f"{group}-s{seed}",
            group=group,
            name=f"{architecture}, {data}, {condition}",
            architecture=architecture,
            task=self.task,
            modulus=self.modulus,
            embedding=self.embedding,
            hidden=hidden,
            examples=examples,
            labels=condition.labels,
            seed=seed,
            recipe=Recipe(
                optimizer=self.optimizer,
                learning_rate=self.learning_rate,
                weight_decay=condition.weight_decay,
                batch_size=self.batch_size,
                steps=self.steps,
            ),
        )

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows, with every run and its recipe."""
        runs = [{"run": run.key, "recipe": run.recipe.as_dict()} for run in self.runs()]
        return {**self.model_dump(mode="json"), "runs": runs}


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One network to train; ``group`` is its key without the seed."""

    key: str
    group: str
    name: str
    architecture: str
    task: str
    modulus: int | None
    embedding: int | None
    hidden: tuple[int, ...]
    examples: int
    labels: Labels
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class TrajectoryTask:
    """One run, when and how it is measured, and on how many threads it is trained."""

    run: PlannedRun
    per_decade: int
    measurement: MeasurementSpec
    threads: int


class TrajectoryKind(Kind[TrajectorySpec]):
    """Networks that are measured while they learn."""

    name = "trajectory"
    noun = "run"
    spec_type = TrajectorySpec

    def tasks(self, spec: TrajectorySpec, options: RunOptions) -> Sequence[Task]:
        """Return a task per run, whose work grows with the square of its units."""
        del options
        measurement = spec.measurement
        return [
            Task(
                key=run.key,
                payload=TrajectoryTask(run, spec.per_decade, measurement, spec.threads),
                work=1.0 + sum(run.hidden) ** 2,
            )
            for run in spec.runs()
        ]

    def run(self, payload: TrajectoryTask, context: TaskContext) -> Sequence[Row]:
        """Train and measure one run. One that diverges is a failed run with the rows of the steps before."""
        del context
        import torch

        training = _Training(payload)
        before = torch.get_num_threads()
        torch.set_num_threads(payload.threads)
        try:
            record = training.train()
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - what was measured before stands beside the reason
            record = self.failed(payload, Failure.of(error))
        finally:
            torch.set_num_threads(before)
        return [record, *training.rows]

    def failed(self, payload: TrajectoryTask, failure: Failure) -> Run:
        """Return the row of a run that did not end."""
        return Run(**_columns(payload), status="failed", error_type=failure.error_type, error=failure.error)

    def jobs(self, spec: TrajectorySpec, options: RunOptions, cores: int) -> int:
        """Return as many runs as fill the cores."""
        del options
        return max(1, cores // spec.threads)

    def announcement(self, spec: TrajectorySpec, tasks: Sequence[Task]) -> str:
        """Return what is about to be trained."""
        times = counted(len(spec.measured()), "time")
        return f"{counted(len(tasks), 'network')}, each measured {times} in {counted(spec.steps, 'step')}"


KIND = TrajectoryKind()


@dataclass
class _Training:
    """A run that is under way, and the rows of the steps so far."""

    task: TrajectoryTask
    rows: list[Row] = field(default_factory=list)

    def train(self) -> Run:
        """Train to the end and return the record."""
        from complexity_lab.training.networks import parameters_of
        from complexity_lab.training.scores import score
        from complexity_lab.training.streams import Streams, generator_of
        from complexity_lab.training.trainer import train

        run = self.task.run
        data = _data_of(run)
        network = _network_of(run, data)
        train(
            network,
            data,
            run.recipe,
            streams=Streams.shared(generator_of(run.seed, "order")),
            at=measured_steps(run.recipe.steps or 0, self.task.per_decade),
            observe=self._measure,
            label=run.key,
        )
        return Run(
            **_columns(self.task),
            parameters=parameters_of(network),
            classes=data.classes,
            test_accuracy_final=score(network, data.test).accuracy,
        )

    def _measure(self, state: StepState, network: nn.Module) -> None:
        run = self.task.run
        point = CurvePoint(
            model=run.key,
            seed=run.seed,
            step=state.step,
            epoch=state.epoch,
            source=run.architecture,
            train_loss=state.training.loss,
            train_accuracy=state.training.accuracy,
            validation_loss=state.validation.loss,
            validation_accuracy=state.validation.accuracy,
        )
        subject = Subject(run.key, seed=run.seed, step=state.step)
        measured = measure_module(network, self.task.measurement, subject, threads=self.task.threads)
        self.rows += [point, *measured.rows]


def _data_of(run: PlannedRun) -> Splits:
    from complexity_lab.training.streams import generator_of
    from complexity_lab.training.tasks import addition_task, digits_task

    generator = generator_of(run.seed, "data")
    if run.modulus is None:
        return digits_task(run.examples, labels=run.labels, subset=generator)
    return addition_task(run.modulus, run.examples, labels=run.labels, split=generator)


def _network_of(run: PlannedRun, data: Splits) -> nn.Module:
    """Return the network with the initial weights of the seed: the same for every training set and condition."""
    from complexity_lab.training.networks import AdditionNetwork, Perceptron
    from complexity_lab.training.streams import generator_of

    weights = generator_of(run.seed, "weights")
    if run.modulus is None or run.embedding is None:
        features = data.training.inputs.shape[1]
        return Perceptron(run.hidden, features=features, classes=data.classes, weights=weights)
    return AdditionNetwork(run.modulus, embedding=run.embedding, hidden=run.hidden[0], weights=weights)


def _columns(task: TrajectoryTask) -> dict[str, Any]:
    """Return what is known of a run before it is trained."""
    run, recipe = task.run, task.run.recipe
    return {
        "model": run.key,
        "name": run.name,
        "group": run.group,
        "architecture": run.architecture,
        "dataset": run.task,
        "examples": run.examples,
        "labels": run.labels,
        "seed": run.seed,
        "reference": 0,
        "device": "cpu",
        "threads": task.threads,
        "precision": "float32",
        **{name: getattr(recipe, name) for name in ("optimizer", "learning_rate", "weight_decay", "batch_size")},
    }
