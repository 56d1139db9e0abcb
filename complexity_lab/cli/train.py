"""``complexity-lab train``: one network under one method."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from complexity_lab.cli.options import sides_of, split, takes_groups

if TYPE_CHECKING:
    from complexity_lab.momos.method import Method
    from complexity_lab.momos.runs import RunConfig, RunResult
    from complexity_lab.training.recipe import Recipe
    from complexity_lab.training.records import EpochRecord


@dataclass(frozen=True)
class MethodOptions:
    """What is done to the weights besides training."""

    PANEL: ClassVar[str] = "Method"

    s: Annotated[int | None, typer.Option("--s", help="MoMos: values in a block.")] = None
    capacity: Annotated[
        float | None, typer.Option(help="MoMos: motifs as a share of the blocks; 0.01 if --s is given alone.")
    ] = None
    k: Annotated[int | None, typer.Option("--k", help="MoMos: number of motifs, instead of --capacity.")] = None
    tile: Annotated[str | None, typer.Option(help="MoMos: 2-D tiles, such as 2x2, instead of --s.")] = None
    every: Annotated[str | None, typer.Option(help="MoMos: project after every step, epoch, or number of steps.")] = (
        None
    )
    choice: Annotated[str, typer.Option(help="MoMos: how motifs are chosen: random, kmeans or frequent.")] = "random"
    force_zero: Annotated[
        bool, typer.Option("--force-zero/--no-force-zero", help="MoMos: make the first motif zero.")
    ] = True
    bits: Annotated[int, typer.Option(help="Quantization-aware training: bits of a weight; 32 is off.")] = 32

    def method(self, preset: str) -> Method:
        """Return the method.

        Raises:
            InputError: a tile or an interval that is none.
        """
        from complexity_lab.momos.method import Method

        capacity = self.capacity
        sides = sides_of(self.tile) if self.tile is not None else None
        if (self.s is not None or sides) and capacity is None and self.k is None:
            capacity = 0.01
        when: Any = self.every or ("epoch" if preset == "reference" else "step")
        return Method(
            bits=self.bits,
            s=self.s,
            capacity=capacity,
            k=self.k,
            force_zero=self.force_zero,
            every=int(when) if when.isdigit() else when,
            choice=self.choice,
            tile=sides,
        )


@dataclass(frozen=True)
class RecipeOptions:
    """How the network is trained."""

    PANEL: ClassVar[str] = "Recipe"

    preset: Annotated[str, typer.Option(help="Recipe: paper, reference or quick.")] = "paper"
    recipe: Annotated[str | None, typer.Option(help="Train another network like an mlp, a resnet or a vit.")] = None
    epochs: Annotated[int | None, typer.Option(help="Epochs at most, instead of the recipe's.")] = None
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a lower validation loss before stopping; 0 never stops.")
    ] = None
    batch_size: Annotated[int | None, typer.Option(help="Images in a batch, instead of the recipe's.")] = None
    learning_rate: Annotated[float | None, typer.Option(help="At the start, instead of the recipe's.")] = None

    def chosen(self, model: str, dataset: str) -> Recipe:
        """Return the recipe with what was chosen instead of its own.

        Raises:
            UnknownNameError: the network has no recipe.
            InputError: unknown preset, or a value out of its range.
        """
        from complexity_lab.training.profiles import recipe_for

        found = recipe_for(model, dataset, self.preset, kind=self.recipe)  # type: ignore[arg-type]  # checked there
        changes: dict[str, Any] = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }
        found = replace(found, **{name: value for name, value in changes.items() if value is not None})
        return found if self.patience is None else replace(found, patience=self.patience or None)


@takes_groups
def train_cli(
    model: Annotated[str, typer.Option(help="mlp, mlp5, resnet20, tiny_vit_5m, mobilevit_xxs, or a name of timm.")],
    methods: MethodOptions,
    recipes: RecipeOptions,
    dataset: Annotated[str, typer.Option(help="digits, cifar10, cifar100, mnist or fashion_mnist.")] = "digits",
    validation: Annotated[
        float | None, typer.Option(help="Share of the training images held out; default the data set's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initialization, order of images, augmentation and motifs.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="Of the forward pass: float32, bfloat16 or float16.")] = "float32",
    compile_: Annotated[bool, typer.Option("--compile", help="Run the network through torch.compile.")] = False,
    metrics: Annotated[
        str, typer.Option(help="Measured at every epoch, with commas: bdm, gzip, qubd, ...; see survey.")
    ] = "bdm",
    tracker: Annotated[str | None, typer.Option(help="Also log to tensorboard or wandb.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where data sets lie, or are downloaded to.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the run; default runs/train/NAME.")] = None,
) -> None:
    """Train a network with MoMos, quantization-aware training, both, or neither.

    The directory of the run then holds weights (safetensors), ``result.json``, and tables (runs, curves, measurements).
    Run the same command again to go on after an interruption: the result is the same as without one, on a GPU as far as
    torch has deterministic algorithms there.
    """
    from complexity_lab.cli.running import resumable
    from complexity_lab.momos.runs import RunConfig
    from complexity_lab.momos.trackers import tracker_for
    from complexity_lab.study.engine import run_study
    from complexity_lab.study.executors import Executor, available_cores
    from complexity_lab.study.kind import RunOptions
    from complexity_lab.study.single_run import run_plan

    config = RunConfig(
        model=model,
        dataset=dataset,
        method=methods.method(recipes.preset),
        recipe=recipes.chosen(model, dataset),
        seed=seed,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked there
        compile=compile_,
        data_dir=data_dir,
        validation=_validation(validation, recipes.preset, dataset),
    )
    plan = run_plan(config, metrics=split(metrics), preset=recipes.preset)
    directory = out or Path("runs") / "train" / config.key
    print(f"Training {config.key} for at most {config.recipe.epochs} epochs, into {directory}", file=sys.stderr)
    show = _EpochLines(config)
    with resumable(directory), tracker_for(tracker, config, directory) as track:

        def on_epoch(epoch: EpochRecord) -> None:
            show(epoch)
            track(epoch)

        options = RunOptions(device=device, data_dir=data_dir, keep_weights=True, on_epoch=on_epoch)
        executor = Executor(jobs=1, threads=available_cores())
        result = run_study(plan, directory, executor=executor, options=options, retry_failed=True)
    _show(config, directory, dict(result.failed))
    raise typer.Exit(result.exit_code)


def _validation(share: float | None, preset: str, dataset: str) -> float | None:
    """Return the share of images held out: the reference program has 5 % of CIFAR."""
    return 0.05 if share is None and preset == "reference" and dataset.startswith("cifar") else share


class _EpochLines:
    """Prints a line per epoch, with the time left."""

    def __init__(self, config: RunConfig) -> None:
        self.planned = config.recipe.epochs or 0
        self.started, self.trained = time.perf_counter(), 0

    def __call__(self, epoch: EpochRecord) -> None:
        line = f"[{epoch.epoch}/{self.planned}] validation {100 * epoch.validation_accuracy:.2f} %"
        line += f", loss {epoch.validation_loss:.4f}"
        if epoch.train_loss is not None:
            self.trained += 1
            line += f", training loss {epoch.train_loss:.4f}"
            each = (time.perf_counter() - self.started) / self.trained
            line += f" ({each:.1f} s per epoch, {each * (self.planned - epoch.epoch):.0f} s left)"
        if epoch.distortion is not None:
            line += f", distortion {epoch.distortion:.4g}"
        print(line, file=sys.stderr, flush=True)


def _show(config: RunConfig, directory: Path, failed: dict[str, str]) -> None:
    """Print what the run came to."""
    from complexity_lab.momos.runs import RunResult
    from complexity_lab.training.checkpoints import RunDirectory

    for error in failed.values():
        print(f"complexity-lab: {error}", file=sys.stderr)
    stored = RunDirectory(directory).result()
    if not failed and stored is not None:
        _print_result(RunResult.from_dict(config, stored), directory)


def _print_result(result: RunResult, directory: Path) -> None:
    last = result.epochs[-1]
    lines = {
        "test accuracy": f"{100 * result.test_accuracy_final:.2f} % (last weights), "
        f"{100 * result.test_accuracy_best:.2f} % (best epoch, {result.best_epoch})",
        "epochs": f"{last.epoch}{', stopped early' if result.stopped_early else ''}, {result.seconds:.1f} s",
        "parameters": f"{result.parameters:,}",
        "RAC": f"{result.rac:.2f}",
    }
    if result.k is not None:
        lines["motifs"] = f"{result.k:,} for {result.blocks:,} blocks"
    if last.distortion is not None:
        lines["distortion"] = f"{last.distortion:.4g} in the last projection"
    first, final = (_bdm(epoch) for epoch in (result.epochs[0], last))
    if first and final:
        lines["BDM ratio"] = f"{final / first:.4f} of the initial sign bits"
    lines["weights"] = f"{directory}/initial, best and final .safetensors"
    lines["tables"] = f"{directory}/runs, curves and measurements, Parquet"
    for name, text in lines.items():
        print(f"{name + ':':<15}{text}")


def _bdm(epoch: EpochRecord) -> float | None:
    """Return the BDM of the sign bits after an epoch; None if it was not measured."""
    whole = (row for row in epoch.measurements if row.scope == "model" and row.null is None)
    return next((row.value for row in whole if row.metric == "bdm"), None)
