"""The axis of layers: their names where they are few enough to be read, else their numbers, from 1."""

from __future__ import annotations

from matplotlib.axes import Axes

from complexity_lab.figures.labels import layer_label

_LETTERS = 16  # of a name, per inch


def layer_ticks(axes: Axes, tensors: list[str], most: int, width: float, first: float = 0.0) -> None:
    """Name the layers of an axis, or number them if there are more than so many.

    Args:
        axes: whose x axis has the layers, one apart.
        tensors: names of the tensors, in order.
        most: layers that have a name.
        width: of the axis, inches; names that do not fit level are turned.
        first: where the first one is.
    """
    if len(tensors) > most:
        shown = range(0, len(tensors), max(len(tensors) // 8, 1))
        axes.set_xticks([place + first for place in shown], [str(place + 1) for place in shown])
        return
    names = [layer_label(tensor) for tensor in tensors]
    level = max(map(len, names)) * len(names) < _LETTERS * width
    axes.set_xticks([first + place for place in range(len(names))], names, fontsize=5.5)
    axes.tick_params(axis="x", labelrotation=0 if level else 90, pad=1.5)
