"""Figures of studies of rounding: ``QUANTIZATION_FIGURES`` lists them, ``render_quantization`` writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from complexity_lab.figures import quantized_accuracy, quantized_layers, quantized_methods, suggested_bits
from complexity_lab.figures.figure import Figure
from complexity_lab.figures.render import RenderedFigure, write_figures
from complexity_lab.statistics.quantization import QuantizationTables

QUANTIZATION_FIGURES: Final[dict[str, Figure[QuantizationTables]]] = {
    figure.name: figure
    for figure in (
        quantized_accuracy.FIGURE,
        suggested_bits.FIGURE,
        quantized_methods.FIGURE,
        quantized_layers.FIGURE,
    )
}


def render_quantization(
    directory: Path, out: Path | None = None, names: Sequence[str] | None = None
) -> list[RenderedFigure]:
    """Write figures of a study of rounding, as ``figures.render`` does for a survey.

    Raises:
        InputError: no study, or a figure named does not apply to it.
        UnknownNameError: there is no figure of that name.
        OutputError: ``out`` cannot be written.
    """
    folder = out if out is not None else directory / "figures"
    return write_figures(QuantizationTables.read(directory), QUANTIZATION_FIGURES, folder, names)
