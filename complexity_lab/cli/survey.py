"""``complexity-lab survey``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.options import (
    Controls,
    MeasureOptions,
    RunningOptions,
    SelectionOptions,
    parse_seeds,
    split,
    takes_groups,
)


@takes_groups
def survey_cli(
    zoo: Annotated[str, typer.Option(help="digits (trained here, no network), timm, or checkpoints (your files).")],
    selection: SelectionOptions,
    measuring: MeasureOptions,
    running: RunningOptions,
    seeds: Annotated[
        str, typer.Option(help="Seeds of the initial weights: a number of seeds (3 is 0,1,2) or a list (0,7).")
    ] = "3",
    states: Annotated[
        str, typer.Option(help="What to measure: initial, trained, or both with a comma.")
    ] = "initial,trained",
    controls: Controls = None,
    accuracy: Annotated[
        Path | None,
        typer.Option(help="CSV in the format of timm's result files (model, top1): is accuracy tied to complexity?"),
    ] = None,
    tensor_rows: Annotated[
        bool, typer.Option("--tensor-rows/--no-tensor-rows", help="Also one row per tensor.")
    ] = True,
) -> None:
    """Measure the models of a zoo before and after training: tables, figures and a page.

    Run the same command again to continue after an interruption: finished models are kept.
    Exit code 0 if every model is ok, 3 if some failed (they are listed), 1 if none could be measured.
    """
    from complexity_lab.cli.running import run_and_show
    from complexity_lab.statistics.accuracy import read_accuracy
    from complexity_lab.study.kinds.survey import survey_spec
    from complexity_lab.study.plan import Plan
    from complexity_lab.weights.order import checked_rule

    if accuracy is not None:
        read_accuracy(accuracy)  # refused before hours are spent
    spec = survey_spec(
        zoo,
        path=selection.weights,
        selection=selection.selection(),
        states=split(states),
        seeds=parse_seeds(seeds),
        metrics=measuring.names,
        tensor_rows=tensor_rows,
        preset=measuring.preset,
        bits=measuring.bits,
        controls=split(controls),
        order=checked_rule(measuring.order),
        accuracy=accuracy,
    )
    plan = Plan(kind="survey", spec=spec)
    raise typer.Exit(run_and_show(plan, running.out or Path("runs") / f"{zoo}-{plan.hash[:8]}", running))
