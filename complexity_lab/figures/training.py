"""Figures of training experiments: ``TRAINING_FIGURES`` lists them, ``render_training`` writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from complexity_lab.figures import capacity, distortion, trade_off
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.render import RenderedFigure, write_figures
from complexity_lab.statistics.training import TrainingTables

TRAINING_FIGURES: Final[dict[str, Figure[TrainingTables]]] = {
    figure.name: figure for figure in (distortion.FIGURE, capacity.FIGURE, trade_off.FIGURE)
}


def render_training(
    directory: Path, out: Path | None = None, names: Sequence[str] | None = None
) -> list[RenderedFigure]:
    """Write figures of a training experiment, as ``figures.render`` does for a survey.

    Raises:
        InputError: no experiment, or a figure named does not apply to it.
        UnknownNameError: there is no figure of that name.
        OutputError: ``out`` cannot be written.
    """
    folder = out if out is not None else directory / "figures"
    return write_figures(TrainingTables.read(directory), TRAINING_FIGURES, folder, names)
