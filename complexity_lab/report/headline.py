"""The findings in sentences: numbers come from the summary, and the wording depends on what they allow."""

import math

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.statistics import ZooSummary
from complexity_lab.statistics.summary import SIGNIFICANCE

METRIC_NAMES = {
    "bdm": "BDM",
    "bdm_2d": "BDM (4×4)",
    "bdm_normalized": "normalized BDM",
    "block_entropy": "block entropy",
}


def metric_name(metric: str) -> str:
    """Return how a metric is called in a sentence."""
    return METRIC_NAMES.get(metric, metric)


def headline(summary: ZooSummary) -> str:
    """Return the result of a survey in one sentence; honest for none, one and many models."""
    if summary.n_models == 0:
        return "This survey holds no models."
    if summary.n_ok == 0:
        return f"None of the {numbers.models(summary.n_models)} could be measured."
    if summary.n_compared == 0:
        were = "was" if summary.n_ok == 1 else "were"
        return (
            f"{numbers.models(summary.n_ok)} {were} measured, but not both before and after training: this survey says "
            "nothing about training."
        )
    return _one_model(summary) if summary.n_compared == 1 else _many_models(summary)


def qualifications(summary: ZooSummary) -> list[str]:
    """Return what a reader must know next to the headline, most important first; empty if nothing was compared."""
    if summary.n_compared == 0:
        return []
    sentences = [
        *(_size(summary), _signed_rank(summary), _significance(summary), _sign_bias(summary), _null(summary)),
        *(_saturation(summary), _correlation(summary), _seeds(summary)),
    ]
    return [sentence for sentence in sentences if sentence]


def initial_findings(table: pd.DataFrame) -> list[str]:
    """Return what a survey of initial weights alone shows, from the table of ``initial_weights`` for one metric."""
    gap, spread = table["gap"].dropna(), table["relative_sd"].dropna()
    sentences = []
    if len(gap):
        side = "below" if gap.median() >= 0 else "above"
        sentences.append(
            f"The BDM of initial weights lies {numbers.percent(abs(float(gap.median())))} {side} that of as many fair "
            f"bits in the median of {numbers.models(len(gap))}; constant norms and biases lower it."
        )
    if len(spread):
        sentences.append(
            f"Seeds differ by {numbers.percent(float(spread.median()))} in the median (standard deviation over mean)."
        )
    return sentences


def missing_models(summary: ZooSummary) -> str:
    """Return what is left out of every number, or an empty string."""
    initial_only = summary.n_ok - summary.n_compared if summary.n_compared else 0
    parts = [
        f"{numbers.models(count)} {what}"
        for count, what in (
            (summary.n_failed, "failed"),
            (summary.n_skipped, "skipped"),
            (initial_only, "without a pair of initial and trained weights"),
        )
        if count
    ]
    return f"Not in these numbers: {', '.join(parts)}." if parts else ""


def _one_model(summary: ZooSummary) -> str:
    ratio, name = summary.median_ratio.estimate, metric_name(summary.metric)
    change = numbers.percent(abs(1 - ratio))
    if ratio == 1:
        return f"Training left the {name} of the one model compared unchanged."
    verb = "lowered" if ratio < 1 else "raised"
    if summary.n_tested == 0:
        doubt = "whether that exceeds the variation between seeds is unknown"
    elif summary.n_significant:
        doubt = "that is more than its seeds vary"
    else:
        doubt = "which does not exceed the variation between its seeds"
    return (
        f"Training {verb} the {name} of the one model compared by {change}, to {numbers.ratio(ratio)} of its initial "
        f"value; {doubt}."
    )


def _many_models(summary: ZooSummary) -> str:
    below, median, name = summary.below, summary.median_ratio, metric_name(summary.metric)
    interval = f"95{numbers.GLUE}% interval {numbers.share_range(below.low, below.high)}"
    whole = numbers.models(summary.n_compared)
    counted = f"{summary.n_below} of {whole} ({numbers.percent(below.estimate)}; {interval})"
    low, middle, high = (numbers.ratio(value) for value in (median.low, median.estimate, median.high))
    middle = f"the median ratio is {middle} ({low} to {high})"
    if below.low > 0.5:
        return f"Training lowered the {name} of {counted}; {middle}."
    if below.high < 0.5:
        return f"Training lowered the {name} of only {counted}, so it raised that of most; {middle}."
    return f"Training lowered the {name} of {counted}, which does not settle whether most become simpler; {middle}."


def _size(summary: ZooSummary) -> str:
    if summary.n_compared == 1:
        return ""
    change = 1 - summary.median_ratio.estimate
    direction = "drop" if change >= 0 else "rise"
    return (
        f"The change is {numbers.percent(abs(change))} in the median model (a {direction}); ratios run from "
        f"{numbers.ratio(summary.lowest_ratio)} to {numbers.ratio(summary.highest_ratio)}."
    )


def _signed_rank(summary: ZooSummary) -> str:
    if summary.n_compared == 1 or math.isnan(summary.wilcoxon_p):
        return ""
    p = numbers.p_value(summary.wilcoxon_p)
    if summary.wilcoxon_p <= SIGNIFICANCE:
        return f"Over the models, a ratio of 1 is rejected (Wilcoxon signed rank over log ratios, {p})."
    few = " With so few models it hardly could be." if summary.n_compared < 6 else ""
    return f"Over the models, a ratio of 1 is not rejected (Wilcoxon signed rank over log ratios, {p}).{few}"


def _significance(summary: ZooSummary) -> str:
    if summary.n_tested == 0:
        return "No single model can be tested: its own seeds do not give a spread."
    above = summary.n_significant - summary.n_significant_below
    tiny = "Random signs of many weights hardly vary from seed to seed, so a significant change can be tiny."
    if summary.n_compared == 1:
        return tiny
    return (
        f"Against their own seeds, {summary.n_significant_below} of {numbers.models(summary.n_tested)} became simpler "
        f"and {above} more complex, at a false discovery rate of {100 * SIGNIFICANCE:.0f} % (Benjamini-Hochberg). "
        f"{tiny}"
    )


def _sign_bias(summary: ZooSummary) -> str:
    if summary.n_with_share == 0:
        return ""
    share = numbers.percent(summary.median_sign_bias_share)
    who = "" if summary.n_with_share == 1 else f" in the median of the {summary.n_with_share} models that dropped"
    if summary.median_sign_bias_share <= 0:
        return (
            f"Sign bias explains none of the drop{who}: independent bits with the trained share of ones would be more "
            "complex than the initial weights, which constant norms and biases make simpler than fair bits."
        )
    if summary.n_with_share == 1:
        return f"Sign bias, a share of ones that left the initial one, accounts for {share} of the drop."
    return (
        f"Sign bias, a share of ones that left the initial one, accounts for {share} of the drop{who}; the rest is "
        "arrangement of the bits."
    )


def _null(summary: ZooSummary) -> str:
    if summary.n_null < 2:
        return ""
    below = summary.below_null
    gained = (
        f" {summary.n_gained} of {summary.n_gained_known} are further below such bits than their initial weights were: "
        "constant norms and biases put these below them already."
    )
    return (
        f"{summary.n_below_null} of {summary.n_null} ({numbers.percent(below.estimate)}; "
        f"{numbers.share_range(below.low, below.high)}) are simpler than independent bits with their own share of ones."
        + (gained if summary.n_gained_known else "")
    )


def _saturation(summary: ZooSummary) -> str:
    if summary.n_saturated == 0:
        return ""
    some = f"{summary.n_saturated} of {numbers.models(summary.n_compared)} are"
    who = "The model is" if summary.n_compared == 1 else some
    return (
        f"{who} saturated: in random bits of that length nearly every possible block occurs, BDM grows only with the "
        "logarithm of the size, and ratios are squeezed towards 1. Do not compare ratios between models of different "
        "size."
    )


def _correlation(summary: ZooSummary) -> str:
    found = summary.correlation
    if math.isnan(found.p_value):
        return ""
    estimate = f"Spearman ρ{numbers.GLUE}={numbers.GLUE}{numbers.significant(found.rho.estimate)}"
    rho = f"{estimate}, {numbers.p_value(found.p_value)}"
    if found.p_value > SIGNIFICANCE:
        return f"No dependence of the ratio on the number of parameters is detected ({rho})."
    trend = "closer to or above 1" if found.rho.estimate > 0 else "lower"
    return f"Larger models have ratios that are {trend} ({rho}); saturation alone can make such a trend."


def _seeds(summary: ZooSummary) -> str:
    fewest = summary.initial_seeds[0]
    if fewest >= 3:
        return ""
    who = "The model has" if summary.n_compared == 1 else "Some models have"
    return f"{who} only {fewest} initial seed{'' if fewest == 1 else 's'}; a useful spread takes three."
