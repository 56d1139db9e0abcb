"""What the ratio goes with, in sentences and as a table: accuracy, size and family; never as a cause."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from complexity_lab.figures import numbers
from complexity_lab.report.names import metric_name
from complexity_lab.statistics import Association, SurveyTables, associations
from complexity_lab.statistics.summary import SIGNIFICANCE

HELD: Final = "accuracy given parameters and family"
FEWEST: Final = 3  # models with a ratio, for any association


@dataclass(frozen=True)
class AssociationSection:
    """Sentences about accuracy, and every association that was looked for."""

    findings: tuple[str, ...]
    entries: tuple[Association, ...]


def association_section(tables: SurveyTables, rng: np.random.Generator) -> AssociationSection | None:
    """Return the section; None where no association could be estimated."""
    found = associations(tables.ratios, tables.accuracies, rng=rng)
    if all(math.isnan(each.p_value) for each in found):
        return None
    return AssociationSection(tuple(about_accuracy(found)), tuple(found))


def about_accuracy(found: Sequence[Association]) -> list[str]:
    """Return a sentence per metric whose models have known accuracies, and the reservation if one was detected."""
    sentences, detected = [], False
    for metric in dict.fromkeys(each.metric for each in found):
        plain, held = (_of(found, metric, quantity) for quantity in ("accuracy", HELD))
        if plain is None or math.isnan(plain.p_value):
            continue
        detected |= any(each is not None and each.q_value <= SIGNIFICANCE for each in (plain, held))
        rest = "" if held is None else f"; {_held(held)}"
        sentences.append(
            f"{metric_name(metric)} ratio and accuracy, over {numbers.models(plain.n)}: {_verdict(plain)}{rest}."
        )
    if detected:
        sentences.append("An association over a zoo is no cause: recipes, data and sizes differ along with accuracy.")
    return sentences


def _of(found: Sequence[Association], metric: str, quantity: str) -> Association | None:
    return next((each for each in found if each.metric == metric and each.quantity == quantity), None)


def _verdict(each: Association) -> str:
    numbers_ = f"{_symbol(each)}{numbers.GLUE}={numbers.GLUE}{estimate_text(each)}, {_q(each)}"
    if not each.q_value <= SIGNIFICANCE:
        return f"no association is detected ({numbers_})"
    who = "more" if each.estimate.estimate < 0 else "less"
    return f"models with lower ratios are {who} accurate ({numbers_})"


def _held(each: Association) -> str:
    if math.isnan(each.p_value):
        return f"with parameters and family held fixed it cannot be told ({each.reason})"
    return f"with parameters and family held fixed, {_verdict(each)}"


def _symbol(each: Association) -> str:
    return "partial ρ" if each.statistic == "partial rho" else "Spearman ρ"


def _q(each: Association) -> str:
    return numbers.p_value(each.q_value).replace("p", "q", 1)


def estimate_text(each: Association) -> str:
    """Return an estimate with its interval, or a dash where it is undefined."""
    value = each.estimate
    if math.isnan(value.estimate):
        return numbers.DASH
    text = numbers.significant(value.estimate)
    if math.isnan(value.low) or math.isnan(value.high):
        return text
    low, high = (numbers.significant(max(min(bound, 1.0), -1.0)) for bound in (value.low, value.high))
    return f"{text} (95{numbers.GLUE}% interval {low} to {high})"
