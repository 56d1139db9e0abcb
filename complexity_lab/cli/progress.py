"""How a running survey looks: a bar with rate and time left on a terminal, a line per model elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from complexity_lab.survey.executors import Executor
    from complexity_lab.survey.plan import SurveyPlan
    from complexity_lab.survey.run import Progress as Told
    from complexity_lab.survey.run import SurveyResult


class SurveyProgress:
    """Shows what a survey tells; use as a context manager."""

    def __init__(self, plan: SurveyPlan, directory: Path, executor: Executor) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False)
        self.plan, self.directory, self.executor = plan, directory, executor
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> SurveyProgress:
        seeds = f"{len(self.plan.seeds)} seed{'s' if len(self.plan.seeds) > 1 else ''}"
        self.console.print(
            f"Surveying {len(self.plan.models)} models of {self.plan.zoo} ({', '.join(self.plan.states)}; {seeds}; "
            f"{', '.join(self.plan.metrics)}), {self.executor.jobs} at a time, into {self.directory}",
            soft_wrap=True,
        )
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.console,
            )
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, told: Told) -> None:
        """Show one step."""
        if told.outcome is None and told.kept:
            self.console.print(f"{told.kept} models were finished before and are kept.")
        if told.outcome is None and told.total and self.plan.zoo == "digits" and "trained" in self.plan.states:
            self.console.print(
                "Networks that are not in the cache yet are trained first, which takes some minutes.", soft_wrap=True
            )
        line = _line(told)
        if self.bar is None:
            if line:
                self.console.print(line, soft_wrap=True)
            return
        if self.task is None:
            self.task = self.bar.add_task("models", total=told.total, left="")
        if line and told.outcome is not None and told.outcome.status != "ok":
            self.bar.console.print(line, soft_wrap=True)
        self.bar.update(self.task, completed=told.finished, left=_rate(told))


def _rate(told: Told) -> str:
    if told.seconds_left is None or told.seconds <= 0:
        return ""
    return f"{60 * told.finished / told.seconds:.1f} models/min, {duration(told.seconds_left)} left"


def duration(seconds: float) -> str:
    """Return a time in words: 2 h 05 min, 3 min 20 s or 12 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _line(told: Told) -> str:
    outcome = told.outcome
    if outcome is None:
        return ""
    text = f"[{told.finished}/{told.total}] {outcome.model}: {outcome.status}, {outcome.seconds:.1f} s"
    if outcome.error:
        text += f" - {outcome.error}"
    return f"{text} ({_rate(told)})"


def print_result(result: SurveyResult, written: dict[str, Any]) -> None:
    """Print the summary table, the failures and where everything is."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    if result.ok:
        console.print(_summary(result.directory))
    counts = f"{result.ok} ok, {len(result.failed)} failed"
    console.print(f"{counts} ({result.measured} measured now, {result.kept} kept).", markup=False)
    for model, error in list(result.failed.items())[:20]:
        console.print(f"  failed: {model}: {error}", markup=False, soft_wrap=True)
    if len(result.failed) > 20:
        console.print(f"  ... and {len(result.failed) - 20} more, in the models table")
    places = {"tables": result.directory, **written}
    for what, place in places.items():
        console.print(f"{what + ':':<9}{place}", markup=False, soft_wrap=True)


def _count(value: Any) -> str:
    return "?" if value is None or value != value else f"{int(value):,}"


def _summary(directory: Path) -> Table:
    """Return one line per model: ratio, effect and what explains it; initial BDM where nothing was trained."""
    from complexity_lab.statistics import SurveyTables

    ratios = SurveyTables.read(directory).ratios
    ratios = ratios[ratios["metric"] == "bdm"]
    table = Table(title="BDM of the trained weights relative to initial ones", title_justify="left", box=None)
    for name in ("model", "parameters", "ratio", "z", "ones", "iid ratio", "blocks/4096"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    shown = ratios.head(30)
    for row in shown.itertuples():
        table.add_row(
            escape(str(row.model)),
            _count(row.parameters),
            f"{row.ratio:.4f}",
            f"{row.z:,.1f}",
            f"{row.ones_fraction_trained:.4f}",
            f"{row.iid_ratio:.4f}",
            f"{row.saturation:,.1f}",
        )
    if len(ratios) > len(shown):
        table.caption = f"{len(ratios) - len(shown)} more in the report"
    if ratios.empty:
        table.title = None
        table.columns.clear()
    return table
