"""One look for every figure: print sizes, fonts, and a colour and marker per family that survive colour blindness."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

PAGE_WIDTH: Final = 7.0  # inches, the text block of a page
DPI: Final = 220
INK: Final = "#1f2328"
SOFT: Final = "#57606a"
FAINT: Final = "#9aa0a6"
RULE: Final = "#d5d8dc"
DROP: Final = "#332288"
RISE: Final = "#CC6677"
SIGN_BIAS: Final = "#DDAA33"
ARRANGEMENT: Final = "#004488"
DISTRIBUTION: Final = "#BB5566"
OTHER: Final = "other"
MARK_LEGEND: Final = 4.5  # points, size of a marker in a legend

MOST_FAMILIES: Final = 12
"""Families with a colour of their own; of more, all but the eleven most frequent are grey."""

# Paul Tol's muted and vibrant schemes, distinct under every common colour blindness; markers do without colour.
COLOURS: Final = (
    *("#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499", "#999933", "#882255", "#44AA99", "#DDCC77"),
    *("#EE7733", "#1f2328", "#0077BB"),
)
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "d", "p")
_GREY: Final = "#BBBBBB"

LOOK: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,  # an axis from 1.00001 on says so, and not "+1"
    "grid.color": RULE,
    "grid.linewidth": 0.4,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.minor.size": 2,
    "ytick.minor.size": 2,
    "text.color": INK,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "legend.handlelength": 1.5,
    "legend.columnspacing": 1.1,
    "lines.linewidth": 0.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "patch.force_edgecolor": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "complexity_lab",
    "text.parse_math": False,  # a model's name may hold a dollar sign
}
"""What differs from seaborn's style "ticks"."""


@dataclass(frozen=True)
class Mark:
    """How the points of one family look."""

    colour: str
    marker: str


@contextmanager
def style() -> Iterator[None]:
    """Apply the look to everything drawn and saved inside; nothing global is left changed."""
    import seaborn

    look: Any = seaborn.axes_style("ticks") | LOOK  # the stub of rc_context wants a literal type of every key
    with mpl.rc_context(look):
        yield


def new_figure() -> Figure:
    """Return an empty page-wide figure with automatic layout; call inside :func:`style`."""
    # Small type is up to 8 % wider at 220 than at 100 dots per inch: lay out at the resolution that is saved.
    return Figure(figsize=(PAGE_WIDTH, 3.6), layout="constrained", dpi=DPI)


def family_marks(families: Iterable[str]) -> dict[str, Mark]:
    """Return a mark per family, most frequent first; rare families beyond MOST_FAMILIES share the mark of "other".

    >>> marks = family_marks(["vit", "resnet", "vit"])
    >>> list(marks), marks["vit"].marker
    (['vit', 'resnet'], 'o')
    """
    counts = Counter(families)
    ordered = sorted(counts, key=lambda family: (-counts[family], family))
    own = ordered if len(ordered) <= MOST_FAMILIES else ordered[: MOST_FAMILIES - 1]
    styles = [Mark(colour, marker) for colour, marker in zip(COLOURS, _MARKERS, strict=True)]
    rest = dict.fromkeys(ordered[len(own) :], Mark(_GREY, "o"))
    return dict(zip(own, styles, strict=False)) | rest


def family_handles(marks: dict[str, Mark]) -> list[Line2D]:
    """Return a legend handle per family with a mark of its own, and one for "other" if there is one."""
    named = {family: mark for family, mark in marks.items() if mark.colour != _GREY}
    rest = {OTHER: Mark(_GREY, "o")} if len(named) < len(marks) else {}
    return [point_handle(family, mark) for family, mark in (named | rest).items()]


def point_handle(label: str, mark: Mark, **changes: Any) -> Line2D:
    """Return a legend handle that looks like a point."""
    look: dict[str, Any] = {"markersize": MARK_LEGEND, "markeredgecolor": "white", "markeredgewidth": 0.4}
    return Line2D([], [], linestyle="none", color=mark.colour, marker=mark.marker, label=label, **(look | changes))


def line_handle(label: str, colour: str = SOFT, **changes: Any) -> Line2D:
    """Return a legend handle that looks like a line."""
    return Line2D([], [], color=colour, label=label, **({"linewidth": 1.6} | changes))


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int = 7) -> Legend | None:
    """Put a legend of at most so many columns under all axes, where it covers no data; none without handles."""
    if not handles:
        return None
    rows = max(math.ceil(len(handles) / columns), 1)
    return figure.legend(
        handles=list(handles), loc="outside lower center", ncols=max(math.ceil(len(handles) / rows), 1)
    )
