"""``complexity-lab reproduce``: the tables of the MoMos paper, ours beside the printed numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.options import RunningOptions, TrainingOptions, parse_seeds, takes_groups
from complexity_lab.cli.terminal import say


@takes_groups
def reproduce_cli(
    table: Annotated[str, typer.Argument(help="table1 (MLP, ResNet20, Tiny-ViT) or table2 (MobileViT-XXS).")],
    running: RunningOptions,
    training: TrainingOptions,
    dataset: Annotated[
        str, typer.Option(help="digits (embedded), cifar10, cifar100, mnist or fashion_mnist.")
    ] = "digits",
    seeds: Annotated[str, typer.Option(help="How many seeds (3), or which (0,1,7).")] = "3",
    preset: Annotated[
        str, typer.Option(help="Recipe: paper (a projection per step), reference (per epoch) or quick.")
    ] = "paper",
    epochs: Annotated[int | None, typer.Option(help="Epochs at most, instead of the recipe's.")] = None,
    models: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    precision: Annotated[
        str, typer.Option(help="Of the forward pass: float32, bfloat16 or (on a GPU) float16.")
    ] = "float32",
    compile_: Annotated[bool, typer.Option("--compile", help="Run networks through torch.compile.")] = False,
) -> None:
    """Train every network with every method of a table of the MoMos paper, and write it beside the printed one.

    Methods: baseline; QAT with 16, 8 and 4 bits; MoMos with blocks of 2 and 4 at capacities of 10, 5, 1 and 0.5 %.
    On digits all images are 32x32 and epochs fewer; the table says how many. Run the same command again to continue.
    """
    from complexity_lab.cli.running import run_and_show
    from complexity_lab.study.kind import RunOptions
    from complexity_lab.study.kinds.training import table_plan

    plan = table_plan(
        table,
        dataset=dataset,
        seeds=parse_seeds(seeds),
        preset=preset,
        epochs=epochs,
        models=tuple(models or ()),
        precision=precision,
        compile=compile_,
    )
    directory = running.out or Path("runs") / f"{table}-{dataset}-{plan.hash[:8]}"
    options = RunOptions(device=training.device, data_dir=training.data_dir, keep_weights=training.keep_weights)
    code = run_and_show(plan, directory, running, options)
    if running.report and code != 1:
        from complexity_lab.report.paper_tables import write_tables
        from complexity_lab.statistics.results import open_results

        for path in write_tables(open_results(directory), directory):
            say(f"{'table:':<10}{path}")
    raise typer.Exit(code)
