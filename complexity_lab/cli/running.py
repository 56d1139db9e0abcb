"""Run a study of any kind on the terminal: progress, then figures and page, then what it came to and where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.progress import StudyProgress, duration
from complexity_lab.cli.terminal import say
from complexity_lab.counted import counted
from complexity_lab.tables.layout import COMMITS, FIGURES, PAGE, SIDE_FILES

if TYPE_CHECKING:
    from complexity_lab.cli.options import RunningOptions
    from complexity_lab.statistics.results import Results
    from complexity_lab.study.engine import StudyResult
    from complexity_lab.study.kind import RunOptions
    from complexity_lab.study.plan import Plan

SHOWN = 20  # failures on the terminal


def run_and_show(plan: Plan, directory: Path, running: RunningOptions, options: RunOptions | None = None) -> int:
    """Run a plan, draw its figures, write its page, print what it came to; return the exit code.

    Raises:
        UnknownNameError: the study asks for an unknown figure; found before anything is done.
    """
    from complexity_lab.study.engine import planned_tasks, run_study
    from complexity_lab.study.kind import RunOptions

    options = options or RunOptions()
    check_figures(plan)
    tasks = planned_tasks(plan, options, running.limit)
    executor = running.executor(plan, options, len(tasks))
    announcement = (
        f"{plan.kind.capitalize()}: {plan.plugin.announcement(plan.spec, tasks)}; "
        f"{executor.jobs} at a time, into {directory}"
    )
    with resumable(directory), StudyProgress(announcement, plan.plugin.noun) as progress:
        result = run_study(
            plan,
            directory,
            executor=executor,
            retry_failed=running.retry_failed,
            limit=running.limit,
            options=options,
            tasks=tasks,
            progress=progress.update,
        )
    show(result, directory, plan.plugin.noun, report=running.report)
    if running.limit is not None:
        _print_projection(plan, directory, options, executor.jobs)
    return result.exit_code


def _print_projection(plan: Plan, directory: Path, options: RunOptions, jobs: int) -> None:
    """Print what the whole study would take on this machine, from the tasks that are finished."""
    from complexity_lab.study.engine import planned_tasks
    from complexity_lab.study.projection import projected_time
    from complexity_lab.tables.directory import StudyDirectory

    found = projected_time(planned_tasks(plan, options), StudyDirectory(directory).commits(), jobs)
    if found is not None:
        say(
            f"projected: all {counted(found.tasks, plan.plugin.noun)} take {duration(found.seconds)} on this machine, "
            f"{found.jobs} at a time (from {found.finished}; downloads at the speed seen here)"
        )


@contextmanager
def resumable(directory: Path) -> Iterator[None]:
    """End on Ctrl-C with the sentence that says how to go on."""
    with interruptible(f"Interrupted. What is finished is kept in {directory}; run the same command to go on."):
        yield


def check_figures(plan: Plan) -> None:
    """Refuse unknown figures before hours are spent.

    Raises:
        UnknownNameError: the study asks for a figure that its kind does not have.
    """
    if plan.figures:
        from complexity_lab.errors import UnknownNameError, nearest_names
        from complexity_lab.figures.registry import figures_of

        known = tuple(figures_of(plan.kind))
        for name in plan.figures:
            if name not in known:
                hint = nearest_names(name, known) or f"; there are {', '.join(known)}"
                raise UnknownNameError(f"the study asks for an unknown figure {name!r}{hint}")


def show(result: StudyResult, directory: Path, noun: str, *, report: bool = True) -> None:
    """Write figures and page, and print the summary, the failures and where everything is."""
    from complexity_lab.cli.summary import print_summary
    from complexity_lab.statistics.results import open_results

    places = {"tables": directory}
    if result.ok:
        results = open_results(directory)
        if report:
            places |= write_everything(results, directory)
        print_summary(results)
    say(f"{result.ok} ok, {len(result.failed)} failed ({counted(result.done, noun)} done now, {result.kept} kept).")
    for task, error in list(result.failed.items())[:SHOWN]:
        say(f"  failed: {task}: {error}")
    if len(result.failed) > SHOWN:
        say(f"  ... and {len(result.failed) - SHOWN} more, in the tables")
    for task in result.missing:
        print(f"  missing: {task}; run the same command again", file=sys.stderr)
    for path in result.unrecorded:
        print(f"  ignored: {path} is not part of this study", file=sys.stderr)
    for what, place in places.items():
        say(f"{what + ':':<10}{place}")


def write_everything(results: Results, directory: Path, *, force: bool = False) -> dict[str, Path]:
    """Draw every figure once and write files and page from it, unless they are newer than what they are made of."""
    from complexity_lab.figures.drawing import draw, save
    from complexity_lab.report.page import write_page

    page, folder = directory / PAGE, directory / FIGURES
    if force or not _is_newer(page, directory) or not folder.exists():
        drawings = draw(results, results.manifest.figures or None)
        save(drawings, folder)
        write_page(results, drawings, page)
    return {"figures": folder, "page": page}


def _is_newer(page: Path, directory: Path) -> bool:
    made_of = [
        *(directory / COMMITS).glob("*.json"),
        *(path for name in SIDE_FILES if (path := directory / name).exists()),
    ]
    return page.exists() and page.stat().st_mtime > max((path.stat().st_mtime for path in made_of), default=0.0)
