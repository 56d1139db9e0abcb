"""Results to figures to files: painted once; PDF, PNG and SVG are byte-identical for equal tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from complexity_lab.errors import InputError, OutputError, UnknownNameError, nearest_names
from complexity_lab.figures.registry import AnyFigure, figures_for

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from complexity_lab.statistics.results import Results

FORMATS: Final = ("pdf", "png", "csv", "parquet")


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, the table behind it, and the canvas that every format is saved from."""

    figure: AnyFigure
    table: pd.DataFrame
    canvas: Canvas

    @property
    def name(self) -> str:
        """Key, and name of the files."""
        return self.figure.name

    @property
    def title(self) -> str:
        """A few words."""
        return self.figure.title

    @property
    def group(self) -> str:
        """Key of ``figure.GROUPS``."""
        return self.figure.group

    @cached_property
    def caption(self) -> str:
        """Plain text with the numbers filled in."""
        return self.figure.caption(self.table)

    def svg(self) -> bytes:
        """Return the picture as SVG, without a date."""
        buffer = io.BytesIO()
        self._print(buffer, "svg", {"Date": None, "Creator": None})
        return buffer.getvalue()

    def write(self, path: Path) -> None:
        """Write one file: the ending, one of FORMATS or svg, says what.

        Raises:
            InputError: no such format.
            OSError: it cannot be written.
        """
        writers: dict[str, Callable[[], object]] = {
            ".pdf": lambda: self._print(path, "pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
            ".png": lambda: self._print(path, "png", {"Software": None}),
            ".svg": lambda: path.write_bytes(self.svg()),
            ".csv": lambda: self.table.to_csv(path, index=False),
            ".parquet": lambda: self.table.to_parquet(path, index=False, compression="zstd"),
        }
        if path.suffix not in writers:
            raise InputError(f"figures are not written as {path.suffix!r}; there are {', '.join(writers)}")
        writers[path.suffix]()

    def _print(self, target: Path | io.BytesIO, kind: str, metadata: dict[str, None]) -> None:
        from complexity_lab.figures import theme

        with theme.style():
            self.canvas.savefig(target, format=kind, metadata=metadata, dpi=theme.DPI)


def paint(figure: AnyFigure, table: pd.DataFrame) -> Drawing:
    """Draw a prepared table on a new canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from complexity_lab.figures import theme

    with theme.style():
        canvas = theme.new_figure()
        FigureCanvasAgg(canvas)
        figure.draw(table, canvas)
        # Lay out once, so that every format gets the same positions and none pays for them again.
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
    return Drawing(figure, table, canvas)


def draw(results: Results, names: Sequence[str] | None = None) -> list[Drawing]:
    """Return the figures that apply to results, in the order of a report, or those named, in that order.

    Raises:
        UnknownNameError: studies of this kind have no figure of that name.
        InputError: a figure that was asked for by name does not apply; the message says why.
    """
    figures = figures_for(results)
    if names is None:
        return [
            paint(figure, figure.prepare(results)) for figure in figures.values() if figure.applies(results) is None
        ]
    for name in names:
        if name not in figures:
            hint = nearest_names(name, tuple(figures)) or f"; there are {', '.join(figures) or 'none'}"
            raise UnknownNameError(f"studies of kind {results.kind!r} have no figure {name!r}{hint}")
    chosen = [figures[name] for name in names]
    refused = [
        f"figure {figure.name}: {reason}" for figure in chosen if (reason := figure.applies(results)) is not None
    ]
    if refused:
        raise InputError("; ".join(refused))
    return [paint(figure, figure.prepare(results)) for figure in chosen]


def not_drawn(results: Results) -> dict[str, str]:
    """Return why each of the other figures of this kind of study does not apply."""
    reasons = {name: figure.applies(results) for name, figure in figures_for(results).items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def save(drawings: Iterable[Drawing], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write NAME.FORMAT per drawing and format into a folder, which is made if it is missing; return the files.

    Raises:
        InputError: no such format.
        OutputError: the folder or a file cannot be written.
    """
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawing in drawings:
            for name in formats:
                files.append(folder / f"{drawing.name}.{name}")
                drawing.write(files[-1])
    except OSError as error:
        raise OutputError(f"cannot write figures to {folder}: {error}; choose another folder") from error
    return files
