"""What metrics are called in figures, and the order they come in."""

from collections.abc import Iterable
from typing import Final

from complexity_lab.statistics.rows import plane_of

_LABELS: Final = {
    "bdm": "BDM",
    "bdm_2d": "BDM 4×4",
    "bdm_normalized": "normalized BDM",
    "bdm_2d_normalized": "normalized BDM 4×4",
    "block_entropy": "block entropy",
    "block_entropy_2d": "block entropy 4×4",
    "block_entropy_normalized": "normalized block entropy",
    "block_entropy_2d_normalized": "normalized block entropy 4×4",
    "qubd": "QuBD",
}
MAIN: Final[tuple[str, ...]] = ("bdm", "qubd", "bdm_2d")
"""Metrics that a figure with room for few shows first."""


def metric_label(metric: str) -> str:
    """Return how a metric is called in a figure.

    >>> metric_label("bdm"), metric_label("qubd_plane3"), metric_label("gzip")
    ('BDM', 'QuBD, plane 3', 'gzip')
    """
    plane = plane_of(metric)
    return f"QuBD, plane {plane}" if plane is not None else _LABELS.get(metric, metric)


def main_metrics(metrics: Iterable[str], most: int = 2) -> list[str]:
    """Return the first few of MAIN that occur.

    >>> main_metrics(["gzip", "bdm_2d", "qubd", "bdm"])
    ['bdm', 'qubd']
    """
    found = set(metrics)
    return [metric for metric in MAIN if metric in found][:most]
