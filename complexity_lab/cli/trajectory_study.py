"""Studies of networks in training: ``study run FILE`` with a section ``[trajectory]``, its figures and its page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from complexity_lab.cli.interrupt import interruptible
from complexity_lab.cli.progress import duration
from complexity_lab.errors import UnknownNameError, nearest_names

if TYPE_CHECKING:
    from complexity_lab.figures.render import RenderedFigure
    from complexity_lab.trajectory.plan import TrajectoryPlan
    from complexity_lab.trajectory.run import StudyResult, Told


def run_trajectory_study(file: Path, out: Path, jobs: int | None, retry_failed: bool) -> int:
    """Train, watch, draw and write what a study file with a ``[trajectory]`` section names; return the exit code.

    Raises:
        InputError: the file is no such study.
        UnknownNameError: it asks for an unknown figure; found before anything is trained.
        PlanMismatchError: the directory holds another plan.
        OutputError: the directory cannot be written, or another process works in it.
    """
    from complexity_lab.trajectory.plan import read_trajectory_study
    from complexity_lab.trajectory.run import run_study

    study = read_trajectory_study(file)
    _check_figures(study.figures, file)
    print(f"{study.title}\n{study.question}")
    _announce(study.trajectory, out)
    with interruptible(f"Interrupted. What is finished is kept in {out}; run the same command to go on."):
        result = run_study(study.trajectory, out, jobs=jobs, retry_failed=retry_failed, progress=_tell)
    _show(result, study.title, study.figures)
    return result.exit_code


def is_study(directory: Path) -> bool:
    """Tell whether a directory of trajectories was written by such a study (a series of checkpoints was not)."""
    from complexity_lab.tables.store import read_manifest

    return "study" in read_manifest(directory).get("plan", {})


def draw_study(directory: Path, out: Path, names: Sequence[str] | None = None) -> list[RenderedFigure]:
    """Draw the figures of a study, or those named; what ``figures DIR`` does for it."""
    from complexity_lab.figures.learning import render_study

    return render_study(directory, out, names)


def write_study_page(directory: Path, title: str = "", figures: tuple[str, ...] = ()) -> Path:
    """Write ``trajectory.md`` into a study; what ``report DIR`` does for it."""
    from complexity_lab.report.trajectory_page import write_trajectory_page

    return write_trajectory_page(directory, title=title, figures=figures)


def _check_figures(names: tuple[str, ...], file: Path) -> None:
    """Refuse unknown figures before minutes are spent."""
    if not names:
        return
    from complexity_lab.figures.learning import STUDY_FIGURES

    for name in names:
        if name not in STUDY_FIGURES:
            hint = nearest_names(name, tuple(STUDY_FIGURES)) or f"; there are {', '.join(STUDY_FIGURES)}"
            raise UnknownNameError(f"{file} asks for an unknown figure {name!r}{hint}")


def _announce(plan: TrajectoryPlan, out: Path) -> None:
    print(
        f"Training {len(plan.runs())} runs: {len(plan.hidden)} networks, {len(plan.sizes())} training sets, "
        f"{len(plan.arms)} arms, {len(plan.seeds)} seeds; {plan.steps:,} steps each, measured at "
        f"{len(plan.measured())}; into {out}",
        file=sys.stderr,
    )


def _tell(told: Told) -> None:
    if told.run is None:
        if told.kept:
            print(f"{told.kept} runs were finished before and are kept.", file=sys.stderr)
        return
    line = f"[{told.finished}/{told.total}] {told.run}: {f'failed - {told.error}' if told.error else 'ok'}"
    if told.seconds_left is not None and told.finished < told.total:
        line += f" ({duration(told.seconds_left)} left)"
    print(line, file=sys.stderr, flush=True)


def _show(result: StudyResult, title: str, figures: tuple[str, ...]) -> None:
    """Draw figures, write the page, and print it and where everything is."""
    places: dict[str, Path] = {"tables": result.directory}
    if result.ok:
        draw_study(result.directory, result.directory / "figures", figures or None)
        places |= {"figures": result.directory / "figures"}
        places |= {"page": write_study_page(result.directory, title, figures)}
        print(places["page"].read_text(encoding="utf-8"))
    print(f"{result.ok} ok, {len(result.failed)} failed ({result.trained} trained now, {result.kept} kept).")
    for run, error in list(result.failed.items())[:20]:
        print(f"  failed: {run}: {error}")
    for what, place in places.items():
        print(f"{what + ':':<9}{place}")
