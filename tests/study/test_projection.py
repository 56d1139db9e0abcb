"""The projected time of a whole plan, from the tasks that are finished."""

import pytest

from complexity_lab.study.kind import Task
from complexity_lab.study.projection import projected_time
from complexity_lab.tables.commit import Commit


def task(size):
    return Task(key=str(size), payload=None, work=float(size))


def finished(*sizes, status="ok", base=2.0, slope=0.5):
    return {
        str(size): Commit(
            task=str(size), plan_hash="", directory_id="", parts={}, status=status, seconds=base + slope * size
        )
        for size in sizes
    }


def test_a_line_is_found_and_added_up():
    found = projected_time([task(size) for size in (1, 2, 4, 93)], finished(1, 2, 4), jobs=2)
    assert found.seconds == pytest.approx((4 * 2.0 + 100 * 0.5) / 2)
    assert (found.tasks, found.finished) == (4, 3)


def test_neither_part_is_negative():
    slower_if_small = finished(5, slope=0.0) | finished(1, 2, base=9.0, slope=0.0)
    found = projected_time([task(size) for size in (1, 2, 5)], slower_if_small, jobs=1)
    assert found.seconds == pytest.approx(20.0, rel=0.3)


def test_too_few_and_failed_tasks_say_nothing():
    assert projected_time([task(1), task(2)], finished(1, 2), jobs=1) is None
    assert projected_time([task(1), task(2), task(3)], finished(1, 2, 3, status="failed"), jobs=1) is None
