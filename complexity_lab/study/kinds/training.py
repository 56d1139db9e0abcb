"""MoMos experiments: every network with every method and seed, to runs, curves and measurements of every epoch."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import StrictInt

from complexity_lab.counted import counted
from complexity_lab.errors import InputError
from complexity_lab.measurement.measured import measure_module
from complexity_lab.measurement.rows import Subject
from complexity_lab.measurement.spec import MeasurementSpec
from complexity_lab.momos.method import Every, Method
from complexity_lab.momos.networks import build_model
from complexity_lab.momos.runs import RunConfig, RunResult
from complexity_lab.momos.schedule import refuse_impossible
from complexity_lab.momos.training import check, train_run
from complexity_lab.study.fields import Seeds, SomeUnique, Unique
from complexity_lab.study.kind import Failure, Kind, RunOptions, Spec, Task, TaskContext
from complexity_lab.study.plan import Plan, checked
from complexity_lab.tables.rows import CurvePoint, Measurement, Row, Run
from complexity_lab.training.datasets import load_dataset, num_classes
from complexity_lab.training.profiles import Preset, recipe_for
from complexity_lab.training.recipe import Precision, Recipe
from complexity_lab.training.records import EpochRecord
from complexity_lab.training.schedules import steps_per_epoch

if TYPE_CHECKING:
    from torch import nn

Table = Literal["table1", "table2"]  # of the paper
TABLE_MODELS: dict[str, tuple[str, ...]] = {"table1": ("mlp", "resnet20", "tiny_vit_5m"), "table2": ("mobilevit_xxs",)}
TABLE_BITS = (16, 8, 4)
TABLE_BLOCKS = (2, 4)
TABLE_CAPACITIES = (0.1, 0.05, 0.01, 0.005)
NETWORKS = "networks"  # folder of the runs that are under way, and of weights that are kept
REFERENCE_VALIDATION = 0.05  # share of CIFAR that the paper's program holds out


class TrainingSpec(Spec):
    """Networks, methods and seeds; every combination is one run."""

    dataset: str = "digits"
    models: SomeUnique[str]
    baseline: bool = True
    bits: Unique[StrictInt] = ()  # of quantization-aware training
    s: Unique[StrictInt] = ()  # values in a block; each with every capacity
    capacity: Unique[float] = ()  # motifs as shares of the blocks
    every: Literal["step", "epoch"] | StrictInt | None = None  # None: as the preset says
    choice: str = "random"
    force_zero: bool | None = None  # None: as the preset says, the paper's zero motif or the reference's none
    seeds: Seeds = (0, 1, 2)
    preset: Preset = "paper"
    epochs: StrictInt | None = None  # instead of the recipe's
    metrics: Unique[str] = ("bdm",)  # of every epoch; qubd is 8 planes by the preset fixed
    precision: Precision = "float32"
    compile: bool = False
    table: Table | None = None  # of the paper, whose printed numbers the results are compared with

    def refuse_impossible(self) -> None:
        """Check the methods and names."""
        if bool(self.s) != bool(self.capacity):
            raise InputError("s and capacity belong together, give both or neither")
        if not self.methods():
            raise InputError("no method: set baseline, bits, or s and capacity")
        self.measurement  # noqa: B018 - it checks the names

    @property
    def measurement(self) -> MeasurementSpec | None:
        """What is measured of the whole network at every epoch; None for nothing."""
        return MeasurementSpec(metrics=self.metrics, tensor_rows=False) if self.metrics else None

    def methods(self) -> tuple[Method, ...]:
        """Return every method, the baseline first.

        Raises:
            InputError: a number of bits, values or motifs that no method has.
        """
        every: Every = self.every or ("epoch" if self.preset == "reference" else "step")
        force_zero = self.preset != "reference" if self.force_zero is None else self.force_zero
        return (
            *((Method(),) if self.baseline else ()),
            *(Method(bits=bits) for bits in self.bits),
            *(
                Method(s=s, capacity=capacity, every=every, choice=self.choice, force_zero=force_zero)
                for s in self.s
                for capacity in self.capacity
            ),
        )

    def recipes(self) -> dict[str, Recipe]:
        """Return the hyper-parameters of each network.

        Raises:
            UnknownNameError: a network has no recipe.
        """
        found = {model: recipe_for(model, self.dataset, self.preset) for model in self.models}
        if self.epochs is None:
            return found
        return {model: replace(recipe, epochs=self.epochs) for model, recipe in found.items()}

    def configs(self, options: RunOptions) -> list[RunConfig]:
        """Return every run, in the order of the plan.

        Raises:
            UnknownNameError: a network has no recipe.
        """
        recipes, methods = self.recipes(), self.methods()
        by_reference = self.preset == "reference" and self.dataset.startswith("cifar")
        return [
            RunConfig(
                model=model,
                dataset=self.dataset,
                method=method,
                recipe=recipes[model],
                seed=seed,
                device=options.device,
                precision=self.precision,
                compile=self.compile,
                data_dir=options.data_dir,
                validation=REFERENCE_VALIDATION if by_reference else None,
            )
            for model in self.models
            for method in methods
            for seed in self.seeds
        ]

    def decisive(self) -> dict[str, Any]:
        """Return all that decides the rows, with the recipes that the preset stands for in this version."""
        recipes = {model: recipe.as_dict() for model, recipe in self.recipes().items()}
        return {**self.model_dump(mode="json", exclude={"table"}), "recipes": recipes}

    def folder_of(self, config: RunConfig) -> str:
        """Return the folder of a run in the directory of the study."""
        return f"{NETWORKS}/{config.key}"


@dataclass(frozen=True)
class TrainingTask:
    """One run, what is measured of it, and its folder in the directory of the study; empty for the directory itself."""

    config: RunConfig
    measurement: MeasurementSpec | None
    preset: str
    folder: str


class TrainingKind(Kind[TrainingSpec]):
    """Baselines, quantization-aware training and MoMos."""

    name = "training"
    noun = "run"
    threads_decide = True
    spec_type = TrainingSpec

    def tasks(self, spec: TrainingSpec, options: RunOptions) -> Sequence[Task]:
        """Return a task per run. Later networks of a plan are taken to be larger, as in the tables of the paper."""
        measurement = spec.measurement
        return [
            Task(
                key=config.key,
                payload=TrainingTask(config, measurement, spec.preset, spec.folder_of(config)),
                work=4.0 ** spec.models.index(config.model) * (1.5 if config.method.has_motifs else 1.0),
            )
            for config in spec.configs(options)
        ]

    def check(self, spec: TrainingSpec, options: RunOptions) -> None:
        """Open the data, build each network and cut its blocks for every method, before hours are spent.

        Raises:
            InputError, UnknownNameError, UnreachableError: something of the plan cannot be trained.
        """
        everything = spec.configs(options)
        first = everything[0]
        data = load_dataset(first.dataset, data_dir=first.data_dir, validation=first.validation)
        for model in dict.fromkeys(config.model for config in everything):
            own = [config for config in everything if config.model == model]
            check(own[0])
            size = own[0].recipe.image_size or int(data.training.inputs.shape[-1])
            network = build_model(model, num_classes=data.classes, in_channels=data.channels, image_size=size)
            for method in dict.fromkeys(config.method for config in own):
                if method.has_motifs:
                    refuse_impossible(method.momos(), network)

    def run(self, payload: TrainingTask, context: TaskContext) -> Sequence[Row]:
        """Train one run, or go on with it where its checkpoint is."""
        before = torch.get_num_threads()
        torch.set_num_threads(context.threads)
        try:
            config = payload.config
            result = train_run(
                config,
                context.directory / payload.folder,
                probe=EpochProbe(payload.measurement, Subject(config.key, seed=config.seed)),
                on_epoch=context.options.on_epoch,
            )
            examples = load_dataset(config.dataset, data_dir=config.data_dir, validation=config.validation).training
            return rows_of(result, payload.preset, len(examples))
        finally:
            torch.set_num_threads(before)

    def tidy(self, payload: TrainingTask, context: TaskContext) -> None:
        """Remove the checkpoint and the weights of a run whose rows are written; a run by itself keeps them."""
        if payload.folder and not context.options.keep_weights:
            shutil.rmtree(context.directory / payload.folder, ignore_errors=True)

    def failed(self, payload: TrainingTask, failure: Failure) -> Run:
        """Return the row of a run that did not end."""
        columns = _config_columns(payload.config, payload.preset)
        return Run(**columns, status="failed", error_type=failure.error_type, error=failure.error)

    def jobs(self, spec: TrainingSpec, options: RunOptions, cores: int) -> int:
        """Return one run per core of a CPU, where a small network cannot use more, and one on a GPU."""
        del spec
        on_gpu = options.device.startswith("cuda") or (options.device == "auto" and torch.cuda.is_available())
        return 1 if on_gpu else cores

    def announcement(self, spec: TrainingSpec, tasks: Sequence[Task]) -> str:
        """Return what is about to be trained."""
        methods, seeds = len(spec.methods()), len(spec.seeds)
        shape = f"{', '.join(spec.models)}; methods: {methods}; seeds: {seeds}"
        return f"{counted(len(tasks), self.noun)} on {spec.dataset} ({shape})"


KIND = TrainingKind()


@dataclass(frozen=True)
class EpochProbe:
    """Measures the trainable parameters of a network, in model order; what ``train_run`` takes as ``probe``."""

    measurement: MeasurementSpec | None
    subject: Subject

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured; a run that is resumed keeps to it."""
        return () if self.measurement is None else self.measurement.metrics

    def __call__(self, network: nn.Module) -> Sequence[Measurement]:
        """Return the rows of the network as it is, without a step.

        Raises:
            WeightsError: NaN or infinite weights.
        """
        if self.measurement is None:
            return ()
        measured = measure_module(network, self.measurement, self.subject)
        if measured.failure is not None:
            raise measured.failure
        return measured.rows


def rows_of(result: RunResult, preset: str, examples: int) -> list[Row]:
    """Return the rows of a finished run: its record, a point of its curve and its measurements for every epoch."""
    each = steps_per_epoch(examples, result.config.recipe)
    rows: list[Row] = [_run_row(result, preset, examples)]
    rows.extend(_curve_point(result.config, epoch, epoch.epoch * each) for epoch in result.epochs)
    for epoch in result.epochs:
        rows.extend(replace(row, step=epoch.epoch * each) for row in epoch.measurements)
    return rows


def _run_row(result: RunResult, preset: str, examples: int) -> Run:
    epochs = result.epochs
    trained = [epoch for epoch in epochs if epoch.epoch > 0]
    last, best = epochs[-1], next(epoch for epoch in epochs if epoch.epoch == result.best_epoch)
    return Run(
        **_config_columns(result.config, preset),
        seconds=result.seconds,
        examples=examples,
        threads=torch.get_num_threads(),
        k=result.k,
        blocks=result.blocks,
        parameters=result.parameters,
        epochs=last.epoch,
        stopped_early=result.stopped_early,
        best_epoch=result.best_epoch,
        validation_accuracy_best=best.validation_accuracy,
        validation_accuracy_final=last.validation_accuracy,
        test_accuracy_best=result.test_accuracy_best,
        test_accuracy_final=result.test_accuracy_final,
        rac=result.rac,
        distortion_first=trained[0].distortion if trained else None,
        distortion_final=last.distortion,
        used_motifs=last.used_motifs,
        distinct_motifs=last.distinct_motifs,
        projections=sum(epoch.projections for epoch in trained),
        seconds_projection=sum(epoch.seconds_projection for epoch in trained),
    )


def _config_columns(config: RunConfig, preset: str) -> dict[str, Any]:
    """Return what is known of a run before it is trained."""
    method, recipe = config.method, config.recipe
    of_recipe = ("optimizer", "learning_rate", "weight_decay", "batch_size", "image_size", "patience")
    return {
        "model": config.key,
        "name": f"{config.model} on {config.dataset}, {method.name}",
        "group": f"{config.dataset}, {config.model}, {method.name}",
        "architecture": config.model,
        "dataset": config.dataset,
        "seed": config.seed,
        "reference": 0,
        "method": method.name,
        "method_kind": method.kind,
        "bits": method.bits,
        "s": method.s,
        "capacity": method.capacity,
        "every": str(method.every) if method.has_motifs else None,
        "choice": method.choice if method.has_motifs else None,
        "preset": preset,
        "device": config.device,
        "precision": config.precision,
        "classes": num_classes(config.dataset),
        "epochs_planned": recipe.epochs,
        **{name: getattr(recipe, name) for name in of_recipe},
    }


_OF_EPOCH = tuple({field.name for field in fields(CurvePoint)} & {field.name for field in fields(EpochRecord)})


def _curve_point(config: RunConfig, epoch: EpochRecord, step: int) -> CurvePoint:
    noted: dict[str, Any] = {name: getattr(epoch, name) for name in _OF_EPOCH} | {"epoch": float(epoch.epoch)}
    source = f"{config.model}, {config.method.name}"
    return CurvePoint(model=config.key, seed=config.seed, step=step, source=source, **noted)


def table_plan(
    table: str,
    *,
    dataset: str = "digits",
    seeds: tuple[int, ...] = (0, 1, 2),
    preset: str = "paper",
    epochs: int | None = None,
    models: tuple[str, ...] = (),
    precision: str = "float32",
    compile: bool = False,  # noqa: A002 - the name of the option
) -> Plan:
    """Return the plan of a table of the paper: every network with the baseline, QAT and MoMos at two block sizes.

    Raises:
        InputError: unknown table, or an argument out of its range.
    """
    if table not in TABLE_MODELS:
        raise InputError(f"table {table!r}, wanted {' or '.join(TABLE_MODELS)}")
    values = {
        "dataset": dataset,
        "models": models or TABLE_MODELS[table],
        "bits": TABLE_BITS,
        "s": TABLE_BLOCKS,
        "capacity": TABLE_CAPACITIES,
        "seeds": seeds,
        "preset": preset,
        "epochs": epochs,
        "precision": precision,
        "compile": compile,
        "table": table,
    }
    title = f"Table {table.removeprefix('table')} of the MoMos paper on {dataset}"
    question = "What does each way of simplifying the weights cost in accuracy?"
    spec = checked(TrainingSpec, values, "the training")
    return Plan(kind="training", spec=spec, name=table, title=title, question=question, source="arXiv 2602.14896")
