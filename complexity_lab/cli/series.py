"""``complexity-lab series``: complexity over a series of checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from complexity_lab.cli.interrupt import interruptible

if TYPE_CHECKING:
    from complexity_lab.trajectory.probe import StepProbe
    from complexity_lab.trajectory.series import Losses, Series, SeriesResult, Told


def series_cli(
    source: Annotated[str, typer.Argument(help="Directory of step-N checkpoints, or a hub repository with revisions.")],
    revisions: Annotated[
        str | None, typer.Option(help="Of a hub repository, with commas: step0,step512, or a pattern such as 'step*'.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics with commas: bdm (default), bdm_2d, block_entropy, gzip, ...")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Bit planes by these rules: fixed or qubd-paper; or momos-paper, see survey.")
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Bit planes of QuBD, 1 to 16; default 8.")] = None,
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
    jobs: Annotated[int | None, typer.Option(help="Checkpoints at the same time; default: one per core.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the hub may be silent.")] = 60.0,
    keep_downloads: Annotated[
        bool, typer.Option("--keep-downloads/--discard-downloads", help="Leave what was fetched in the hub's cache.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Directory of the tables; default: runs/series-NAME-HASH.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Measure again what failed before.")] = False,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures at the end.")] = True,
) -> None:
    """Measure a series of checkpoints over training: tables, figures and a page.

    Run the same command again to go on after an interruption, or when there are more checkpoints: what is measured is
    kept. Exit code 0 if every checkpoint is ok, 3 if some failed (their rows say why), 1 if none could be measured.
    """
    from complexity_lab.survey.planes import metrics_of, preset_of
    from complexity_lab.tables.store import part_name
    from complexity_lab.trajectory.losses import read_losses
    from complexity_lab.trajectory.probe import StepProbe
    from complexity_lab.trajectory.series import find_series, plan_of
    from complexity_lab.trajectory.store import plan_hash

    chosen = preset_of(preset, bits)
    probe = StepProbe(
        metrics=metrics_of(None if metrics is None else split(metrics), chosen, ("bdm",)),
        rules=None if chosen is None else chosen.rules,
        tensor_rows=tensor_rows,
        shuffles=shuffles,
        seed=seed,
    )
    known = None if losses is None else read_losses(losses)
    found = find_series(
        source, revisions=split(revisions or ""), name=name, timeout=timeout, keep_downloads=keep_downloads
    )
    rules = None if chosen is None else chosen.name
    readable = part_name(found.name).rpartition("-")[0]
    directory = out or Path("runs") / f"series-{readable}-{plan_hash(plan_of(found, probe, rules))[:8]}"
    result = _run(found, probe, directory, rules, known, jobs, retry_failed)
    _show(result, known, figures)
    raise typer.Exit(result.exit_code)


def split(text: str) -> tuple[str, ...]:
    """Return the parts between commas, without those that are empty."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run(
    series: Series,
    probe: StepProbe,
    directory: Path,
    preset: str | None,
    losses: Losses | None,
    jobs: int | None,
    retry_failed: bool,
) -> SeriesResult:
    """Measure with progress on the terminal."""
    from dataclasses import replace

    import joblib

    from complexity_lab.trajectory.series import run_series

    cores = joblib.cpu_count()
    side_by_side = jobs if jobs is not None else min(cores, len(series.checkpoints))
    probe = replace(probe, threads=max(1, cores // max(1, side_by_side)))
    steps = [checkpoint.step for checkpoint in series.checkpoints]
    print(
        f"Measuring {len(steps)} checkpoints of {series.name}, steps {steps[0]:,} to {steps[-1]:,}, "
        f"{side_by_side} at a time, into {directory}",
        file=sys.stderr,
    )
    if series.others:
        print(f"No step in the names of {', '.join(series.others[:5])}; left out.", file=sys.stderr)
    with interruptible(f"Interrupted. What is finished is kept in {directory}; run the same command to go on."):
        return run_series(
            series,
            probe,
            directory,
            preset=preset,
            losses=losses,
            jobs=side_by_side,
            retry_failed=retry_failed,
            progress=_tell,
        )


def _tell(told: Told) -> None:
    from complexity_lab.cli.progress import duration

    if told.step is None:
        if told.kept:
            print(f"{told.kept} checkpoints were measured before and are kept.", file=sys.stderr)
        return
    line = f"[{told.finished}/{told.total}] step {told.step:,}: {f'failed - {told.error}' if told.error else 'ok'}"
    if told.seconds_left is not None and told.finished < told.total:
        line += f" ({duration(told.seconds_left)} left)"
    print(line, file=sys.stderr, flush=True)


def _show(result: SeriesResult, losses: Losses | None, figures: bool) -> None:
    """Print the table of steps, what failed, and where everything is."""
    from complexity_lab.figures.trajectory import render_trajectory
    from complexity_lab.report.series_page import write_series_page
    from complexity_lab.trajectory.losses import without_checkpoint

    drawn = render_trajectory(result.directory) if figures and result.ok else []
    page = write_series_page(result.directory, drawn)
    _print_table(result.directory)
    if losses is not None:
        _say("steps of the losses without a checkpoint, left out", without_checkpoint(losses, result.steps))
        _say("checkpoints without losses", sorted(result.steps - set(losses)))
    print(f"{result.ok} ok, {len(result.failed)} failed ({result.measured} measured now, {result.kept} kept).")
    for step, reason in list(result.failed.items())[:20]:
        print(f"  failed: step {step:,}: {reason}")
    for what, place in {"tables": result.directory, **({"figures": drawn[0].png.parent} if drawn else {})}.items():
        print(f"{what + ':':<9}{place}")
    print(f"{'page:':<9}{page}")


def _say(what: str, steps: list[int]) -> None:
    if steps:
        more = f", ... ({len(steps)})" if len(steps) > 5 else ""
        print(f"{what}: {', '.join(f'{step:,}' for step in steps[:5])}{more}")


def _print_table(directory: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from complexity_lab.report.series_page import step_table
    from complexity_lab.statistics.trajectory import TrajectoryTables

    head, *rows = step_table(TrajectoryTables.read(directory))
    table = Table(box=None, pad_edge=False)
    for name in head:
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
