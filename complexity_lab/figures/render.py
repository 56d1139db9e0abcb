"""Figures to files: PDF, PNG and SVG that are byte-identical for equal tables, with the table behind each."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from complexity_lab.errors import InputError, OutputError, UnknownNameError, nearest_names
from complexity_lab.figures import theme
from complexity_lab.figures.figure import Figure, Tables


@dataclass(frozen=True)
class RenderedFigure:
    """Where one figure was written."""

    name: str
    title: str
    caption: str
    pdf: Path
    png: Path
    table: Path  # CSV of every number drawn; the same table lies next to it as Parquet


def paint(figure: Figure[Any], table: pd.DataFrame) -> Canvas:
    """Draw a prepared table on a new figure."""
    with theme.style():
        canvas = theme.new_figure()
        FigureCanvasAgg(canvas)
        figure.draw(table, canvas)
        # Lay out once, so that every format gets the same places and none pays for them again.
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
    return canvas


def svg_bytes(canvas: Canvas) -> bytes:
    """Return a painted figure as SVG without a date."""
    buffer = io.BytesIO()
    with theme.style():
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=theme.DPI)
    return buffer.getvalue()


def chosen_figures(
    tables: Tables, figures: Mapping[str, Figure[Tables]], names: Sequence[str] | None = None
) -> tuple[list[Figure[Tables]], dict[str, str]]:
    """Return the figures to draw, and why each of the others is not.

    Raises:
        UnknownNameError: a name is not a figure.
        InputError: a figure that was asked for by name does not apply to these tables.
    """
    for name in names or ():
        if name not in figures:
            raise UnknownNameError(
                f"there is no figure {name!r}{nearest_names(name, tuple(figures))}; known: {', '.join(figures)}"
            )
    wanted = [figures[name] for name in names] if names else list(figures.values())
    reasons = {figure.name: figure.applies(tables) for figure in wanted}
    refused = {name: reason for name, reason in reasons.items() if reason is not None}
    if names and refused:
        raise InputError("; ".join(f"figure {name}: {reason}" for name, reason in refused.items()))
    return [figure for figure in wanted if figure.name not in refused], refused


def write_figure(figure: Figure[Tables], tables: Tables, folder: Path) -> RenderedFigure:
    """Draw one figure and write NAME.pdf, NAME.png, NAME.csv and NAME.parquet into an existing folder.

    Raises:
        OutputError: a file cannot be written.
    """
    table = figure.prepare(tables)
    canvas = paint(figure, table)
    paths = {suffix: folder / f"{figure.name}.{suffix}" for suffix in ("pdf", "png", "csv", "parquet")}
    try:
        with theme.style():
            canvas.savefig(paths["pdf"], metadata={"CreationDate": None, "Creator": None, "Producer": None})
            canvas.savefig(paths["png"], metadata={"Software": None}, dpi=theme.DPI)
        table.to_csv(paths["csv"], index=False)
        table.to_parquet(paths["parquet"], index=False, compression="zstd")
    except OSError as error:
        raise OutputError(f"cannot write figure {figure.name} to {folder}: {error}; choose another --out") from error
    return RenderedFigure(figure.name, figure.title, figure.caption(table), paths["pdf"], paths["png"], paths["csv"])


def write_figures(
    tables: Tables, figures: Mapping[str, Figure[Tables]], folder: Path, names: Sequence[str] | None = None
) -> list[RenderedFigure]:
    """Write the figures that apply to the tables, or those named, into a folder that is created if missing.

    Raises:
        InputError: a figure named does not apply.
        UnknownNameError: there is no figure of that name.
        OutputError: the folder cannot be written.
    """
    chosen, _ = chosen_figures(tables, figures, names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error}; choose another --out") from error
    return [write_figure(figure, tables, folder) for figure in chosen]
