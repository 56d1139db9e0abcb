"""How long a whole study would take: the seconds of its finished tasks, by their work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from complexity_lab.study.kind import Task
from complexity_lab.tables.commit import Commit
from complexity_lab.tables.rows import OK

FEWEST = 3  # finished tasks, below which no line is drawn through them


@dataclass(frozen=True)
class ProjectedTime:
    """What all tasks of a plan would take here.

    Attributes:
        tasks: in the whole plan.
        finished: of these, finished now; the projection rests on them.
        seconds: wall time of the whole plan, finished tasks included.
        jobs: tasks at the same time.
    """

    tasks: int
    finished: int
    seconds: float
    jobs: int


def projected_time(tasks: Sequence[Task], commits: Mapping[str, Commit], jobs: int) -> ProjectedTime | None:
    """Fit ``seconds = a + b * work`` with a, b >= 0 to the tasks that are ok, and add it up over all.

    Downloads count as fast as they were here; start-up of the workers does not count.

    Args:
        tasks: of the whole plan.
        commits: of the finished ones.
        jobs: tasks at the same time; the wall time is taken as the sum over tasks divided by them.

    Returns:
        None with fewer than FEWEST tasks finished.
    """
    from scipy.optimize import nnls

    known = {key: commit for key, commit in commits.items() if commit.status == OK}
    finished = [task for task in tasks if task.key in known]
    if len(finished) < FEWEST:
        return None
    scale = max(task.work for task in tasks) or 1.0
    work = np.array([task.work / scale for task in finished])
    seconds = np.array([known[task.key].seconds for task in finished])
    (each, by_work), _ = nnls(np.column_stack([np.ones_like(work), work]), seconds)
    total = each * len(tasks) + by_work * sum(task.work for task in tasks) / scale
    return ProjectedTime(len(tasks), len(finished), float(total) / jobs, jobs)
