"""The drop of QuBD in its parts: location and scale, value distribution, arrangement; see ``decomposition``."""

from complexity_lab.figures import decomposition
from complexity_lab.figures.figure import Figure
from complexity_lab.statistics import SurveyTables

FIGURE: Figure[SurveyTables] = Figure(
    name="decomposition_planes",
    title="The drop of QuBD in its parts",
    applies=lambda tables: decomposition.applies(tables, "qubd", "shuffle"),
    prepare=lambda tables: decomposition.prepare(tables, "qubd"),
    draw=decomposition.draw,
    caption=decomposition.caption,
    group="controls",
)
