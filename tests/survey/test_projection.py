"""The projected time of a whole plan, from the models measured."""

import pandas as pd
import pytest

from complexity_lab.survey.projection import projected_time
from complexity_lab.zoo.card import ModelCard


def card(name, parameters):
    return ModelCard(id=name, zoo="timm", architecture=name, family="a", parameters=parameters)


def measured(*sizes, status="ok", base=2.0, slope=0.5):
    rows = [
        {"status": status, "parameters": size, "seconds_build": base, "seconds_load": slope * size / 1e6}
        | {"seconds_measure": 0.0}
        for size in sizes
    ]
    return pd.DataFrame(rows)


def test_a_line_is_found_and_added_up():
    cards = [card(str(size), size) for size in (1_000_000, 2_000_000, 4_000_000, 93_000_000)]
    found = projected_time(measured(1_000_000, 2_000_000, 4_000_000), cards, jobs=2)
    assert (found.per_model, found.per_million) == (pytest.approx(2.0), pytest.approx(0.5))
    assert found.seconds == pytest.approx((4 * 2.0 + 100 * 0.5) / 2)
    assert (found.models, found.measured) == (4, 3)


def test_neither_part_is_negative():
    slower_if_small = pd.concat([measured(5_000_000, slope=0.0), measured(1_000_000, 2_000_000, base=9.0, slope=0.0)])
    found = projected_time(slower_if_small, [card("a", 1_000_000)], jobs=1)
    assert found.per_million >= 0
    assert found.per_model > 0


def test_unknown_sizes_take_the_mean():
    cards = [card("a", 10_000_000), card("b", None)]
    found = projected_time(measured(1_000_000, 2_000_000, 4_000_000), cards, jobs=1)
    assert found.seconds == pytest.approx(2 * 2.0 + 20 * 0.5)


def test_too_few_and_failed_models_say_nothing():
    assert projected_time(measured(1_000_000, 2_000_000), [card("a", 1)], jobs=1) is None
    assert projected_time(measured(1_000_000, 2_000_000, 3_000_000, status="failed"), [card("a", 1)], jobs=1) is None
