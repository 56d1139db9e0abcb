"""What a terminal shows while a study runs: a bar, or a line per task where there is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from complexity_lab.cli.terminal import console
from complexity_lab.counted import counted
from complexity_lab.study.engine import Progress


class StudyProgress:
    """Says what is about to be done, then how far it is and how long the rest will take."""

    def __init__(self, announcement: str, noun: str) -> None:
        self.announcement, self.noun = announcement, noun
        self.console = console(sys.stderr)
        self.bar: ProgressBar | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> StudyProgress:
        self.console.print(self.announcement, soft_wrap=True)
        if self.console.is_terminal:
            self.bar = ProgressBar(
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

    def update(self, progress: Progress) -> None:
        """Show one step."""
        if progress.outcome is None:
            self._begin(progress)
        elif self.bar is None or progress.outcome.status != "ok":
            self._print(self._line(progress))
        if self.bar is not None:
            if self.task is None:
                self.task = self.bar.add_task(f"{self.noun}s", total=progress.total, left="")
            self.bar.update(self.task, completed=progress.finished, left=self._rate(progress))

    def _begin(self, progress: Progress) -> None:
        if progress.kept:
            finished = "was" if progress.kept == 1 else "were"
            self._print(f"{counted(progress.kept, self.noun)} {finished} finished before and kept.")
        for task in progress.repeated:
            self._print(f"{task}: its rows are damaged or its weights have changed; running it again.")

    def _print(self, line: str) -> None:
        (self.bar.console if self.bar is not None else self.console).print(line, soft_wrap=True, markup=False)

    def _line(self, progress: Progress) -> str:
        outcome = progress.outcome
        assert outcome is not None
        text = f"[{progress.finished}/{progress.total}] {outcome.task}: {outcome.status}, {outcome.seconds:.1f} s"
        if outcome.error:
            text += f" - {outcome.error}"
        rate = self._rate(progress)
        return f"{text} ({rate})" if rate else text

    def _rate(self, progress: Progress) -> str:
        if progress.seconds_left is None or progress.seconds <= 0 or progress.finished == progress.total:
            return ""
        per_minute = 60 * progress.finished / progress.seconds
        return f"{per_minute:.1f} {self.noun}s/min, about {duration(progress.seconds_left)} left"


def duration(seconds: float) -> str:
    """Return a time in words: 2 h 05 min, 3 min 20 s or 12 s.

    >>> [duration(value) for value in (12, 200, 7500)]
    ['12 s', '3 min 20 s', '2 h 05 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
