"""Sentences about a study of rounding; every number and every judgement in them comes from the tables."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.statistics.intervals import signed_rank_p
from complexity_lab.statistics.quantization import (
    TOLERANCE,
    QuantizationTables,
    against,
    layer_losses,
    layer_ranks,
    layers_that_break,
    margin_by_validation,
    means_over_seeds,
    needs,
    predictions,
    rank_predictions,
    share_that_break,
)

REFERENCES: Final = {
    "shuffle": "the shuffled self",
    "initial": "own initial weights",
    "random": "random initializations",
}
OTHERS: Final = {
    "flat": "the margin alone, planes ignored,",
    "by_error": "as many bits, spent by the rounding error of the weights,",
    "bare": "the threshold alone, chance ignored,",
}
MOST_NAMED: Final = 5


def findings(tables: QuantizationTables) -> list[str]:
    """Return what the study shows, a sentence or two each."""
    return [
        _about_uniform(tables),
        *(_about_suggestion(tables, reference) for reference in tables.references),
        _without_margin(tables),
        *(_beside(tables, other) for other in OTHERS),
        *_about_ranks(tables),
        _about_layers(tables),
    ]


def _about_uniform(tables: QuantizationTables) -> str:
    found = needs(tables).groupby("model")["need"].mean()
    hardest = found.idxmax()
    three = int((found <= 4 + 1e-9).sum())
    return (
        f"With the same bits for all tensors, {three} of {numbers.models(len(found))} lose at most {TOLERANCE:g} "
        f"point of test accuracy from 4 bits on; {hardest} needs most, {found.max():.1f} on the mean over seeds, "
        f"{found.idxmin()} least, {found.min():.1f}."
    )


def _about_suggestion(tables: QuantizationTables, reference: str) -> str:
    margin = margin_by_validation(tables, reference)
    rows = _suggested(tables, reference, margin)
    kept = int((rows["test_lost"] <= TOLERANCE + 1e-9).sum())
    worst = rows.sort_values("test_lost").iloc[-1]
    told = predictions(tables, margin)
    told = told.loc[told["reference"] == reference]
    return (
        f"Against {REFERENCES[reference]}, validation images ask for a margin of {margin}: "
        f"{rows['mean_bits'].mean():.2f} bits per weight, mean over models ({rows['mean_bits'].min():.2f} to "
        f"{rows['mean_bits'].max():.2f}). On test images {kept} of {len(rows)} models stay within {TOLERANCE:g} point; "
        f"the mean loss is {_points(rows['test_lost'].mean())}, the largest {_points(worst['test_lost'])} "
        f"({worst['model']}). The planes told for {told['told_percent'].mean():.0f}{numbers.GLUE}% of the weights; "
        "other tensors are too small."
    )


def _suggested(tables: QuantizationTables, reference: str, margin: int) -> pd.DataFrame:
    means = means_over_seeds(tables)
    chosen = (means["method"] == "suggested") & (means["reference"] == reference) & (means["margin"] == margin)
    return means.loc[chosen].reset_index(drop=True)


def _without_margin(tables: QuantizationTables) -> str:
    reference = tables.references[0]
    rows = _suggested(tables, reference, min(tables.plan["margins"]))
    broken = int((rows["test_lost"] > 10).sum())
    return (
        f"Planes that show structure are not all that matters: with a margin of {min(tables.plan['margins'])} "
        f"{broken} of {len(rows)} models lose more than 10 points ({rows['mean_bits'].mean():.2f} bits per weight, "
        f"{_points(rows['test_lost'].mean())} points lost on the mean)."
    )


def _beside(tables: QuantizationTables, other: str) -> str:
    """Compare the suggestion with another way of spending bits, at every margin."""
    reference, parts, judged = tables.references[0], [], []
    for margin in tables.plan["margins"]:
        lost, bits = against(tables, reference, margin, other)
        judged.append(_judged(lost))
        parts.append(f"margin {margin}: {_points(lost.mean())} points and {_signed(bits.mean())} bits")
    words = "; ".join(parts)
    better, worse = judged.count("less"), judged.count("more")
    verdict = (
        f"the suggestion loses less at {better} and more at {worse} of {len(judged)} margins beyond chance (signed "
        "ranks over models, p < 0.05)"
        if better or worse
        else "no difference of the losses is beyond chance (signed ranks over models, p < 0.05)"
    )
    return (
        f"Beside {OTHERS[other]} the suggestion against {REFERENCES[reference]} loses and spends, less what the other "
        f"does: {words}. Of these, {verdict}."
    )


def _judged(lost: np.ndarray) -> str:
    """Say whether losses of the suggestion, less those of another, are less or more beyond chance, or ``neither``."""
    p_value = signed_rank_p(np.exp(np.where(np.abs(lost) < 1e-9, 0.0, lost)))  # which tests logs
    if not p_value < 0.05:
        return "neither"
    middle = float(np.median(lost)) or float(lost.mean())
    return "less" if middle < 0 else "more"


def _about_ranks(tables: QuantizationTables) -> list[str]:
    margin = margin_by_validation(tables, tables.references[0])
    found = []
    for rank in rank_predictions(predictions(tables, margin)):
        size, partial = rank.size_alone.rho.estimate, rank.given_size
        fixed = f"{_signed(partial.rho.estimate)} with the number of parameters held fixed"
        fixed = fixed if np.isfinite(partial.rho.estimate) else f"undefined given size ({partial.reason})"
        found.append(
            f"Over {rank.plain.n} models the bits suggested against {REFERENCES[rank.reference]} and the bits "
            f"needed correlate with ρ = {_signed(rank.plain.rho.estimate)} ({_signed(rank.plain.rho.low)} to "
            f"{_signed(rank.plain.rho.high)}, {numbers.p_value(rank.plain.p_value)}), {fixed}; the number of "
            f"parameters alone has {_signed(size)}. {_verdict(rank.plain.rho.low, rank.plain.rho.high)}"
        )
    return found


def _verdict(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "Whether the planes tell which model needs more bits cannot be said."
    if low > 0:
        return "So the planes tell something of which model needs more bits."
    if high < 0:
        return "So the planes rank the models the wrong way round."
    return "So it cannot be said that the planes tell which model needs more bits."


def _about_layers(tables: QuantizationTables) -> str:
    losses = layer_losses(tables, tables.references[0])
    if losses.empty:
        return "No layer was rounded alone."
    parts = []
    for rank in layer_ranks(losses):
        if rank.bits in (2, 3) and np.isfinite(rank.rho.estimate):
            interval = f"{_signed(rank.rho.low)} to {_signed(rank.rho.high)}"
            parts.append(f"{rank.predictor} {_signed(rank.rho.estimate)} ({interval}) at {rank.bits} bits")
    return (
        "Within a network, what rounding one layer alone adds to the loss correlates (ρ, median over models) with: "
        f"{'; '.join(parts) or 'nothing that could be computed'}."
    )


def failures(tables: QuantizationTables) -> list[str]:
    """Return where the suggestion keeps too few bits, and where too many."""
    reference = tables.references[0]
    margin = margin_by_validation(tables, reference)
    rows = predictions(tables, margin)
    rows = rows.loc[rows["reference"] == reference]
    return [*_too_few(rows, margin), *_too_many(rows), *_layers(tables, reference)]


def _too_few(rows: pd.DataFrame, margin: int) -> list[str]:
    broken = rows.loc[rows["lost"] > TOLERANCE + 1e-9].sort_values("lost", ascending=False)
    if broken.empty:
        return [f"With margin {margin} no model loses more than {TOLERANCE:g} point of test accuracy."]
    named = "; ".join(
        f"{row['model']} {_points(row['lost'])} points at {row['suggested']:.2f} bits, needs {row['need']:.1f}"
        for row in broken.head(MOST_NAMED).to_dict("records")
    )
    return [f"Too few bits: with margin {margin}, {len(broken)} of {len(rows)} models lose more: {named}."]


def _too_many(rows: pd.DataFrame) -> list[str]:
    spare = rows.assign(spare=rows["suggested"] - rows["need"]).sort_values("spare", ascending=False)
    top = spare.loc[spare["spare"] >= 1]
    if top.empty:
        return ["No model is given a bit per weight more than it needs."]
    named = "; ".join(
        f"{row['model']} {row['suggested']:.2f} bits, needs {row['need']:.1f}"
        for row in top.head(MOST_NAMED).to_dict("records")
    )
    more = f", the most of them {MOST_NAMED}" if len(top) > MOST_NAMED else ""
    return [f"Too many bits: {len(top)} of {len(rows)} models get at least one bit more than they need{more}: {named}."]


def _layers(tables: QuantizationTables, reference: str) -> list[str]:
    losses = layer_losses(tables, reference)
    found = []
    for margin in sorted(tables.plan["margins"]):
        broken, tried = share_that_break(losses, margin)
        if tried:
            found.append(f"margin {margin}: {broken} of {tried} ({numbers.percent(broken / tried)})")
    if not found:
        return []
    sentences = [
        "Rounding a single layer to what its planes suggest costs more than "
        f"{TOLERANCE:g} point of validation accuracy in some: {'; '.join(found)}."
    ]
    worst = layers_that_break(losses, min(tables.plan["margins"]))
    if len(worst):
        named = "; ".join(
            f"{row['network']} {row['tensor']} ({row['shape']}, {row['bits']} bit) {_points(row['lost'])} points"
            for row in worst.head(MOST_NAMED).to_dict("records")
        )
        sentences.append(f"The worst of them without margin: {named}.")
    return sentences


def limits(tables: QuantizationTables) -> list[str]:
    """Return what the study cannot say."""
    rows = tables.losses.iloc[0]
    test, validation = int(rows["test_images"]), int(rows["validation_images"])
    return [
        f"{test} test and {validation} validation images: one image is {100 / test:.2f} and {100 / validation:.2f} "
        "points, so a loss of a point is a few images.",
        "Networks of at most a few million weights that are larger than their task: they bear more rounding than "
        "networks trained on harder data, and their upper planes hold less structure.",
        "Rounding to nearest without data, biases and norms left in float: better rounding needs fewer bits. At 2 bits "
        "the three values -max, 0 and max are a poor choice, so that 1 bit can be better.",
        "The rule was drawn up on networks of this zoo (which drop must be visible, which margins are tried), and "
        "margins are chosen by their validation images: how it does on other networks is not tested here.",
        f"Methods are compared over {len(tables.models)} models; several comparisons are made, and p-values are not "
        "corrected for it.",
    ]


def _points(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else numbers.DASH
