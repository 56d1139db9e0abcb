"""Figures of complexity over training: ``TRAJECTORY_FIGURES`` lists them, ``render_trajectory`` writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from complexity_lab.figures import course, plane_course
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.render import RenderedFigure, write_figures
from complexity_lab.statistics.trajectory import TrajectoryTables

TRAJECTORY_FIGURES: Final[dict[str, Figure[TrajectoryTables]]] = {
    figure.name: figure for figure in (course.FIGURE, plane_course.FIGURE)
}


def render_trajectory(
    directory: Path, out: Path | None = None, names: Sequence[str] | None = None
) -> list[RenderedFigure]:
    """Write figures of a series, a study of trajectories or watched trainings, as ``figures.render`` does of a survey.

    Raises:
        InputError: no such tables, or a figure named does not apply to them.
        UnknownNameError: there is no figure of that name.
        OutputError: ``out`` cannot be written.
    """
    folder = out if out is not None else directory / "figures"
    return write_figures(TrajectoryTables.read(directory), TRAJECTORY_FIGURES, folder, names)
