"""Figures of a survey, one file each; ``FIGURES`` lists them, ``render`` writes them with the tables behind them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from complexity_lab.figures import (
    accuracy,
    bdm_ratio,
    compressor_ratios,
    controls,
    decomposition,
    decomposition_planes,
    effect_size,
    initial_spread,
    layer_bars,
    layer_planes,
    layers,
    plane_profiles,
    ranked_planes,
    resolution,
)
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.render import RenderedFigure, paint, svg_bytes, write_figures
from complexity_lab.statistics import SurveyTables

FIGURES: Final[dict[str, Figure[SurveyTables]]] = {
    figure.name: figure
    for figure in (
        bdm_ratio.FIGURE,
        effect_size.FIGURE,
        compressor_ratios.FIGURE,
        accuracy.FIGURE,
        ranked_planes.FIGURE,
        plane_profiles.FIGURE,
        layers.FIGURE,
        layer_planes.FIGURE,
        layer_bars.FIGURE,
        controls.FIGURE,
        decomposition.FIGURE,
        decomposition_planes.FIGURE,
        resolution.FIGURE,
        initial_spread.FIGURE,
    )
}

__all__ = ["FIGURES", "Figure", "RenderedFigure", "paint", "render", "svg_bytes"]


def render(directory: Path, out: Path | None = None, names: Sequence[str] | None = None) -> list[RenderedFigure]:
    """Write figures of a survey: NAME.pdf, NAME.png, NAME.csv and NAME.parquet each, identical for identical tables.

    Args:
        directory: the survey.
        out: where to write; ``directory/figures`` if None. Created if missing.
        names: which figures; every figure that applies to the survey if None.

    Raises:
        InputError: no survey, or a figure named does not apply to it.
        UnknownNameError: there is no figure of that name.
        OutputError: ``out`` cannot be written.
    """
    folder = out if out is not None else directory / "figures"
    return write_figures(SurveyTables.read(directory), FIGURES, folder, names)
