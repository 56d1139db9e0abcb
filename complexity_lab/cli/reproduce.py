"""``complexity-lab reproduce``: the tables of the MoMos paper, ours beside the printed numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.survey import parse_seeds

if TYPE_CHECKING:
    from complexity_lab.experiments.plan import TrainingPlan
    from complexity_lab.experiments.run import ExperimentResult, Told


def reproduce_cli(
    table: Annotated[str, typer.Argument(help="table1 (MLP, ResNet20, Tiny-ViT) or table2 (MobileViT-XXS).")],
    dataset: Annotated[
        str, typer.Option(help="digits (embedded), cifar10, cifar100, mnist or fashion_mnist.")
    ] = "digits",
    seeds: Annotated[str, typer.Option(help="How many seeds (3), or which (0,1,7).")] = "3",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    preset: Annotated[
        str, typer.Option(help="Recipe: paper (a projection per step), reference (per epoch) or quick.")
    ] = "paper",
    epochs: Annotated[int | None, typer.Option(help="Epochs at most, instead of the recipe's.")] = None,
    models: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where data sets lie, or are downloaded to. Not needed for digits.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of the forward pass: float32, bfloat16 or (on a GPU) float16.")
    ] = "float32",
    compile_: Annotated[bool, typer.Option("--compile", help="Run networks through torch.compile.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(help="Runs at the same time; default one per core, on a GPU one. Other threads, other last bits."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the experiment; default runs/TABLE-DATASET-HASH.")
    ] = None,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep the weights of every run.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train runs again that failed before.")] = False,
) -> None:
    """Train every network with every method of a table of the MoMos paper, and write it beside the printed one.

    Methods: baseline; QAT with 16, 8 and 4 bits; MoMos with blocks of 2 and 4 at capacities of 10, 5, 1 and 0.5 %.
    On digits all images are 32x32 and epochs fewer; the table says how many. Run the same command again to continue.
    """
    from complexity_lab.experiments.plan import table_plan

    plan = table_plan(
        table,  # type: ignore[arg-type]  # this and the preset are checked by the plan
        dataset=dataset,
        seeds=parse_seeds(seeds),
        preset=preset,  # type: ignore[arg-type]
        epochs=epochs,
        models=tuple(models or ()),
        precision=precision,
        compile=compile_,
    )
    directory = out or Path("runs") / f"{table}-{dataset}-{plan.hash()[:8]}"
    options: dict[str, Any] = {"jobs": jobs, "device": device, "data_dir": data_dir, "keep_weights": keep_weights}
    raise typer.Exit(train_and_show(plan, directory, name=table, retry_failed=retry_failed, **options))


def train_and_show(
    plan: TrainingPlan,
    directory: Path,
    *,
    name: str = "table1",
    title: str = "",
    figures: tuple[str, ...] = (),
    retry_failed: bool = False,
    **options: Any,
) -> int:
    """Run a plan with progress on the terminal, then tables and figures; return the exit code."""
    from complexity_lab.experiments.run import run_experiment

    kept = f"Interrupted. What is finished is kept in {directory}; run the same command to go on."
    methods = len(plan.methods())
    print(
        f"Training {len(plan.models) * methods * len(plan.seeds)} runs on {plan.dataset}: {', '.join(plan.models)}; "
        f"{methods} methods; {len(plan.seeds)} seeds; into {directory}",
        file=sys.stderr,
    )
    with interruptible(kept):
        result = run_experiment(plan, directory, retry_failed=retry_failed, progress=_tell, **options)
    _show(result, name, title, figures)
    return result.exit_code


def _tell(told: Told) -> None:
    if told.run is None:
        if told.kept:
            print(f"{told.kept} runs were finished before and are kept.", file=sys.stderr)
        return
    what = f"failed - {told.error}" if told.error else "ok"
    line = f"[{told.finished}/{told.total}] {told.run}: {what}"
    if told.seconds_left is not None and told.finished < told.total:
        line += f" ({60 * told.finished / told.seconds:.1f} runs/min, {_minutes(told.seconds_left)} left)"
    print(line, file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _show(result: ExperimentResult, name: str, title: str, figures: tuple[str, ...]) -> None:
    """Write tables and figures, and print the table and where everything is."""
    from complexity_lab.figures.training import TRAINING_FIGURES, render_training
    from complexity_lab.report.training_table import write_training_table
    from complexity_lab.statistics.training import TrainingTables

    places: dict[str, Path] = {"runs": result.directory}
    if result.ok:
        tables = TrainingTables.read(result.directory)
        fitting = [key for key in figures or TRAINING_FIGURES if TRAINING_FIGURES[key].applies(tables) is None]
        if fitting:
            render_training(result.directory, names=fitting)
            places["figures"] = result.directory / "figures"
        places |= write_training_table(result.directory, name, title, tuple(fitting))
        print(places["md"].read_text(encoding="utf-8"))
    print(f"{result.ok} ok, {len(result.failed)} failed ({result.trained} trained now, {result.kept} kept).")
    for run, error in list(result.failed.items())[:20]:
        print(f"  failed: {run}: {error}")
    for what, place in places.items():
        print(f"{what + ':':<9}{place}")
