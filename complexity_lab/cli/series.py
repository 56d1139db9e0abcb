"""``complexity-lab series``: complexity over a series of checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from complexity_lab.cli.options import MeasureOptions, RunningOptions, split, takes_groups
from complexity_lab.counted import counted


@takes_groups
def series_cli(
    source: Annotated[str, typer.Argument(help="Directory of step-N checkpoints, or a hub repository with revisions.")],
    measuring: MeasureOptions,
    running: RunningOptions,
    revisions: Annotated[
        str | None, typer.Option(help="Of a hub repository, with commas: step0,step512, or a pattern such as 'step*'.")
    ] = None,
    shuffles: Annotated[
        int, typer.Option(help="Shuffles of every tensor: complexity relative to the shuffled self; 0 for none.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the shuffles.")] = 0,
    tensor_rows: Annotated[bool, typer.Option("--tensor-rows/--no-tensor-rows", help="Also rows per tensor.")] = False,
    losses: Annotated[
        Path | None,
        typer.Option(help="CSV with step and train_loss, validation_loss, train_accuracy, validation_accuracy, epoch."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the series is called; default: the directory's name.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the hub may be silent.")] = 60.0,
    keep_downloads: Annotated[
        bool, typer.Option("--keep-downloads/--discard-downloads", help="Leave what was fetched in the hub's cache.")
    ] = True,
) -> None:
    """Measure a series of checkpoints over training: tables, figures and a page.

    Run the same command again to go on after an interruption, or when there are more checkpoints: what is measured is
    kept. Exit code 0 if every checkpoint is ok, 3 if some failed (their rows say why), 1 if none could be measured.
    """
    from complexity_lab.cli.running import run_and_show
    from complexity_lab.statistics.losses import read_losses
    from complexity_lab.study.kind import RunOptions
    from complexity_lab.study.kinds.series import SeriesSpec, find_series, series_plan
    from complexity_lab.tables import columns as c
    from complexity_lab.tables.commit import part_stem
    from complexity_lab.weights.order import checked_rule

    plan = series_plan(
        source,
        revisions=split(revisions),
        name=name,
        metrics=measuring.names,
        preset=measuring.preset,
        bits=measuring.bits,
        shuffles=shuffles,
        seed=seed,
        tensor_rows=tensor_rows,
        order=checked_rule(measuring.order),
        losses=losses,
    )
    assert isinstance(plan.spec, SeriesSpec)
    options = RunOptions(timeout=timeout, keep_downloads=keep_downloads)
    known = set[int]() if losses is None else set(read_losses(losses)[c.STEP])
    found = find_series(plan.spec, options)
    if found.others:
        print(f"No step in the names of {', '.join(found.others[:5])}; left out.", file=sys.stderr)
    if unmatched := sorted(known - {each.step for each in found.checkpoints}):
        shown = ", ".join(map(str, unmatched[:5]))
        print(f"Losses of {counted(len(unmatched), 'step')} without a checkpoint ({shown}).", file=sys.stderr)
    readable = part_stem(found.name).rpartition("-")[0]
    directory = running.out or Path("runs") / f"series-{readable}-{plan.hash[:8]}"
    raise typer.Exit(run_and_show(plan, directory, running, options))
