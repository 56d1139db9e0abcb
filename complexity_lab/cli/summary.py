"""The closing table on the terminal: the few numbers of a study that everybody asks for first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from complexity_lab.cli.terminal import Column, print_table, say
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.rounding_results import RoundingResults
from complexity_lab.statistics.step_results import TrainingResults, TrajectoryResults
from complexity_lab.statistics.survey_results import SurveyResults
from complexity_lab.tables import columns as c

if TYPE_CHECKING:
    from complexity_lab.statistics.results import Results

SHOWN = 30  # lines of a table
Text = Callable[[Any], str]


def print_summary(results: Results) -> None:
    """Print the table of this kind of study; nothing where it has none."""
    for kind, table in _TABLES.items():
        if isinstance(results, kind):
            title, frame, columns = table(results)
            if len(frame):
                _print(title, frame, columns)


def _print(title: str, frame: pd.DataFrame, columns: Mapping[str, tuple[str, Text]]) -> None:
    shown = {name: column for name, column in columns.items() if name in frame}
    declared = [Column(label, right=index > 0, folds=index == 0) for index, (label, _) in enumerate(shown.values())]
    rows = [
        ["-" if pd.isna(row[name]) else text(row[name]) for name, (_, text) in shown.items()]
        for row in frame.head(SHOWN).to_dict("records")
    ]
    print_table(declared, rows, title=title)
    if len(frame) > SHOWN:
        say(f"{len(frame) - SHOWN} more on the page")


def _number(digits: int) -> Text:
    return lambda value: f"{value:,.{digits}f}"


def _whole(value: Any) -> str:
    return f"{int(value):,}"


def _survey(results: SurveyResults) -> tuple[str, pd.DataFrame, dict[str, tuple[str, Text]]]:
    ratios = results.ratios
    chosen = ratios.loc[(ratios[c.METRIC] == "bdm") & ratios[c.PLANE].isna()]
    columns: dict[str, tuple[str, Text]] = {
        c.MODEL: ("model", str),
        c.PARAMETERS: ("parameters", _whole),
        d.RATIO: ("ratio", _number(4)),
        d.Z: ("z", _number(1)),
        d.ONES_FRACTION_TRAINED: ("ones", _number(4)),
        d.IID_RATIO: ("iid ratio", _number(4)),
        d.SATURATION: ("blocks/4096", _number(1)),
    }
    return "BDM of the trained weights relative to initial ones", chosen, columns


def _training(results: TrainingResults) -> tuple[str, pd.DataFrame, dict[str, tuple[str, Text]]]:
    means = results.means_over_seeds
    columns: dict[str, tuple[str, Text]] = {
        c.ARCHITECTURE: ("network", str),
        c.METHOD: ("method", str),
        d.SEEDS: ("seeds", _whole),
        d.ACCURACY: ("test accuracy, %", _number(2)),
        d.ACCURACY_SD: ("sd", _number(2)),
        c.RAC: ("RAC", _number(2)),
        d.BDM_RATIO: ("BDM ratio", _number(4)),
    }
    return "Means over seeds", means, columns


def _trajectory(results: TrajectoryResults) -> tuple[str, pd.DataFrame, dict[str, tuple[str, Text]]]:
    last = results.last
    chosen = last.loc[last[c.PLANE].isna()]
    columns: dict[str, tuple[str, Text]] = {
        c.MODEL: ("run", str),
        c.STEP: ("last step", _whole),
        c.METRIC: ("metric", str),
        d.RATIO: ("ratio to start", _number(4)),
        d.RATIO_SHUFFLED: ("ratio to shuffled self", _number(4)),
        c.VALIDATION_ACCURACY: ("validation accuracy", _number(4)),
    }
    return "Complexity of the last weights", chosen, columns


def _rounding(results: RoundingResults) -> tuple[str, pd.DataFrame, dict[str, tuple[str, Text]]]:
    means = results.means_over_seeds
    columns: dict[str, tuple[str, Text]] = {
        c.ARCHITECTURE: ("network", str),
        c.METHOD: ("method", str),
        c.REFERENCE: ("reference", str),
        c.MARGIN: ("margin", _whole),
        c.MEAN_BITS: ("mean bits", _number(2)),
        d.TEST_LOST: ("points lost", _number(2)),
    }
    return "Accuracy lost by rounding, means over seeds", means, columns


_TABLES: dict[type[Results], Callable[[Any], tuple[str, pd.DataFrame, dict[str, tuple[str, Text]]]]] = {
    SurveyResults: _survey,
    TrainingResults: _training,
    TrajectoryResults: _trajectory,
    RoundingResults: _rounding,
}
