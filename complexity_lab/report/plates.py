"""Figures inside a page: each drawn once, as SVG for its place, as a small PNG for the gallery, and as CSV."""

import base64
import io
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure as Canvas

from complexity_lab.figures import Figure, paint, svg_bytes
from complexity_lab.statistics import SurveyTables

THUMBNAIL = 560, 400
"""Largest width and height in pixels, some 40 kB; the gallery must also work where no script can copy the picture."""

LARGEST_CSV = 300_000  # bytes; a page has some twenty tables, and should stay below a few megabytes


@dataclass(frozen=True)
class Plate:
    """A figure inside the page."""

    name: str
    title: str
    caption: str
    group: str  # see ``figures.figure``
    image: str  # data URI
    thumbnail: str  # data URI
    width: int  # of the thumbnail, pixels
    height: int
    table: str | None  # data URI of the CSV behind it; None if too large


def plate(figure: Figure[SurveyTables], tables: SurveyTables) -> Plate:
    """Prepare and draw one figure that applies to the tables."""
    table = figure.prepare(tables)
    canvas = paint(figure, table)
    width, height = (float(side) for side in canvas.get_size_inches())
    dpi = min(THUMBNAIL[0] / width, THUMBNAIL[1] / height)
    return Plate(
        name=figure.name,
        title=figure.title,
        caption=figure.caption(table),
        group=figure.group,
        image=data_uri("image/svg+xml", svg_bytes(canvas)),
        thumbnail=data_uri("image/png", _thumbnail(canvas, dpi)),
        width=round(width * dpi),
        height=round(height * dpi),
        table=csv_uri(table),
    )


def csv_uri(table: pd.DataFrame) -> str | None:
    """Return a table as a link, or None if it would make the page heavy; ``figures`` writes every table anyway."""
    data = table.to_csv(index=False).encode()
    return data_uri("text/csv", data) if len(data) <= LARGEST_CSV else None


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as a link that needs no file.

    >>> data_uri("text/csv", b"a,b")
    'data:text/csv;base64,YSxi'
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _thumbnail(canvas: Canvas, dpi: float) -> bytes:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", metadata={"Software": None}, dpi=dpi)
    return buffer.getvalue()
