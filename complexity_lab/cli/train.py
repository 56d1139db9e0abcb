"""``complexity-lab train``: one network under one method."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible

if TYPE_CHECKING:
    from complexity_lab.momos.method import Method
    from complexity_lab.momos.training import EpochRecord, RunConfig, RunResult


def train_cli(
    model: Annotated[str, typer.Option(help="mlp, mlp5, resnet20, tiny_vit_5m, mobilevit_xxs, or a name of timm.")],
    dataset: Annotated[str, typer.Option(help="digits, cifar10, cifar100, mnist or fashion_mnist.")] = "digits",
    s: Annotated[int | None, typer.Option("--s", help="MoMos: values in a block.")] = None,
    capacity: Annotated[
        float | None, typer.Option(help="MoMos: motifs as a share of the blocks; 0.01 if --s is given alone.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="MoMos: number of motifs, instead of --capacity.")] = None,
    tile: Annotated[str | None, typer.Option(help="MoMos: 2-D tiles, such as 2x2, instead of --s.")] = None,
    every: Annotated[
        str | None, typer.Option(help="MoMos: project after every step, epoch, or number of steps.")
    ] = None,
    choice: Annotated[str, typer.Option(help="MoMos: how motifs are chosen: random, kmeans or frequent.")] = "random",
    force_zero: Annotated[bool, typer.Option(help="MoMos: make the first motif zero.")] = True,
    bits: Annotated[int, typer.Option(help="Quantization-aware training: bits of a weight; 32 is off.")] = 32,
    preset: Annotated[str, typer.Option(help="Recipe: paper, reference or quick.")] = "paper",
    recipe: Annotated[str | None, typer.Option(help="Train another network like an mlp, a resnet or a vit.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs at most, instead of the recipe's.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a lower validation loss before stopping; 0 never stops.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a batch, instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At the start, instead of the recipe's.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of the training images held out; default the data set's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initialization, order of images, augmentation and motifs.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="Of the forward pass: float32, bfloat16 or float16.")] = "float32",
    compile_: Annotated[bool, typer.Option("--compile", help="Run the network through torch.compile.")] = False,
    metrics: Annotated[
        str, typer.Option(help="Watched at every epoch: bdm, gzip, bz2, lzma, zstd; qubd (in steps only).")
    ] = "bdm",
    tracker: Annotated[str | None, typer.Option(help="Also log to tensorboard or wandb.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where data sets lie, or are downloaded to.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the run; default runs/train/NAME.")] = None,
) -> None:
    """Train a network with MoMos, quantization-aware training, both, or neither.

    The directory of the run then holds weights (safetensors), ``result.json``, and rows (``runs`` and ``epochs``).
    Run the same command again to go on after an interruption: the result is the same as without one, on a GPU as far as
    torch has deterministic algorithms there.
    """
    from complexity_lab.experiments.probe import WeightProbe
    from complexity_lab.experiments.trackers import tracker_for
    from complexity_lab.momos.checkpoints import RESULT, RunDirectory
    from complexity_lab.momos.recipes import recipe_for
    from complexity_lab.momos.training import RunConfig, check, train

    chosen = recipe_for(model, dataset, preset, kind=recipe)  # type: ignore[arg-type]  # checked there
    changes: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    chosen = replace(chosen, **{name: value for name, value in changes.items() if value is not None})
    if patience is not None:
        chosen = replace(chosen, patience=patience or None)
    config = RunConfig(
        model=model,
        dataset=dataset,
        method=_method(s, capacity, k, tile, every, choice, force_zero, bits, preset),
        recipe=chosen,
        seed=seed,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked there
        compile=compile_,
        data_dir=data_dir,
        validation=0.05 if validation is None and preset == "reference" and dataset.startswith("cifar") else validation,
    )
    probe = WeightProbe(tuple(part.strip() for part in metrics.split(",") if part.strip()))
    directory = out or Path("runs") / "train" / config.key
    RunDirectory(directory).refuse_other(config.as_dict(), probe.metrics)  # before a tracker is told of a run
    if not (directory / RESULT).exists():
        check(config)
    print(f"Training {config.key} for at most {chosen.epochs} epochs, into {directory}", file=sys.stderr)
    shown = _Shown(config)
    with (
        interruptible(f"Interrupted. Run the same command to go on from the last epoch in {directory}."),
        tracker_for(tracker, config, directory) as track,
    ):

        def told(epoch: EpochRecord) -> None:
            shown(epoch)
            track(epoch)

        result = train(config, directory, probe=probe, on_epoch=told)
    _write_rows(result, preset, directory)
    _summary(result, directory)


def _method(
    s: int | None,
    capacity: float | None,
    k: int | None,
    tile: str | None,
    every: str | None,
    choice: str,
    force_zero: bool,
    bits: int,
    preset: str,
) -> Method:
    from complexity_lab.errors import InputError
    from complexity_lab.momos.method import Method

    def count(text: str) -> Any:
        return int(text) if text.isdigit() else text

    sides = None
    if tile is not None:
        parts = tile.split("x")
        if len(parts) != 2 or not all(part.isdigit() for part in parts):
            raise InputError(f"--tile {tile!r}, wanted rows x columns such as 2x2")
        sides = (int(parts[0]), int(parts[1]))
    if (s is not None or sides) and capacity is None and k is None:
        capacity = 0.01
    when: Any = count(every) if every else "epoch" if preset == "reference" else "step"
    return Method(bits=bits, s=s, capacity=capacity, k=k, force_zero=force_zero, every=when, choice=choice, tile=sides)


class _Shown:
    """Prints a line per epoch, with the time left."""

    def __init__(self, config: RunConfig) -> None:
        self.planned = config.recipe.epochs
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


def _write_rows(result: RunResult, preset: str, directory: Path) -> None:
    """Write the rows of a run beside its weights, once: a finished run may be shown again from another machine."""
    from complexity_lab.experiments.rows import epoch_rows, run_row
    from complexity_lab.experiments.steps import write_watched
    from complexity_lab.tables.provenance import versions
    from complexity_lab.tables.training import finished_runs, write_run

    if result.config.key not in finished_runs(directory):
        metadata = {"complexity_lab": versions()["complexity-lab"]}
        write_watched(directory, result, metadata)
        write_run(directory, run_row(result, preset), epoch_rows(result), metadata)


def _summary(result: RunResult, directory: Path) -> None:
    last, initial = result.epochs[-1], result.epochs[0]
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
    if "bdm" in initial.metrics and "bdm" in last.metrics:
        lines["BDM ratio"] = f"{last.metrics['bdm'] / initial.metrics['bdm']:.4f} of the initial sign bits"
    lines["weights"] = f"{directory}/initial, best and final .safetensors"
    lines["rows"] = f"{directory}/runs, epochs, steps and series, Parquet"
    for name, text in lines.items():
        print(f"{name + ':':<15}{text}")
