"""The findings in sentences: numbers come from the summary, and the wording depends on what they allow."""

import math

import pandas as pd

from complexity_lab.figures import numbers
from complexity_lab.report.names import metric_name
from complexity_lab.statistics import ZooSummary, wilson
from complexity_lab.statistics.summary import SIGNIFICANCE


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
        below = gap.median() >= 0
        side, why = ("below", "; constant norms and biases lower it") if below else ("above", "")
        sentences.append(
            f"The BDM of initial weights lies {numbers.percent(abs(float(gap.median())))} {side} that of as many fair "
            f"bits in the median of {numbers.models(len(gap))}{why}."
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
    share = f"{numbers.percent(below.estimate)}; {interval}"
    low, middle, high = (numbers.ratio(value) for value in (median.low, median.estimate, median.high))
    result = f"the median ratio is {middle} ({low} to {high}){_doubt(summary)}."
    if summary.n_below == summary.n_above == 0:
        return f"Training left the {name} of all {whole} unchanged."
    if summary.n_below == 0:
        return f"Training lowered the {name} of none of {whole} ({share}){_opposite(summary)}; {result}"
    if below.high < 0.5:
        return (
            f"Training lowered the {name} of only {summary.n_below} of {whole} ({share}){_opposite(summary)}; {result}"
        )
    open_question = "" if below.low > 0.5 else ", which does not settle whether most become simpler"
    return f"Training lowered the {name} of {summary.n_below} of {whole} ({share}){open_question}; {result}"


def _opposite(summary: ZooSummary) -> str:
    """Return what happened to the models that did not become simpler; one without any change is not one that rose."""
    if wilson(summary.n_above, summary.n_compared).low > 0.5:
        return ", so it raised that of most"
    same = summary.n_compared - summary.n_below - summary.n_above
    return f", raised that of {summary.n_above}" + (f" and left that of {same} unchanged" if same else "")


def _doubt(summary: ZooSummary) -> str:
    """Return the reservation where models were tested and none passed."""
    if summary.n_tested == 0 or summary.n_significant:
        return ""
    return ", but no single model changed by significantly more than its own seeds vary"


def _size(summary: ZooSummary) -> str:
    if summary.n_compared == 1 or summary.n_below == summary.n_above == 0:
        return ""
    change = 1 - summary.median_ratio.estimate
    run = f"ratios run from {numbers.ratio(summary.lowest_ratio)} to {numbers.ratio(summary.highest_ratio)}."
    if change == 0:
        return f"The median model did not change; {run}"
    direction = "drop" if change > 0 else "rise"
    return f"The change is {numbers.percent(abs(change))} in the median model (a {direction}); {run}"


def _signed_rank(summary: ZooSummary) -> str:
    if summary.n_compared == 1 or math.isnan(summary.wilcoxon_p):
        return ""
    p = numbers.p_value(summary.wilcoxon_p)
    if summary.wilcoxon_p <= SIGNIFICANCE:
        return f"Over the models, a ratio of 1 is rejected (Wilcoxon signed rank over log ratios, {p})."
    few = " With so few models it hardly could be." if summary.n_compared < 6 else ""
    return f"Over the models, a ratio of 1 is not rejected (Wilcoxon signed rank over log ratios, {p}).{few}"


def _significance(summary: ZooSummary) -> str:
    tested, changed, lower = summary.n_tested, summary.n_significant, summary.n_significant_below
    tiny = "Random signs of many weights hardly vary from seed to seed, so a significant change can be tiny."
    if summary.n_compared == 1:
        return tiny if changed else "" if tested else "The model cannot be tested: its own seeds do not give a spread."
    if tested == 0:
        return "No single model can be tested: its own seeds do not give a spread."
    rate = f"at a false discovery rate of {100 * SIGNIFICANCE:.0f}{numbers.GLUE}% (Benjamini-Hochberg)"
    if changed == 0:
        few = " Few seeds can hide a change that is there." if summary.initial_seeds[0] <= 3 else ""
        if tested == 1:
            return f"The one model that can be tested against its own seeds did not change significantly, {rate}.{few}"
        return f"Against their own seeds, none of {numbers.models(tested)} changed significantly, {rate}.{few}"
    return (
        f"Against their own seeds, {lower} of {numbers.models(tested)} became simpler and {changed - lower} more "
        f"complex, {rate}. {tiny}"
    )


def _sign_bias(summary: ZooSummary) -> str:
    if summary.n_with_share == 0:
        return ""
    share, one = summary.median_sign_bias_share, summary.n_with_share == 1
    who = "" if one else f" in the median of the {summary.n_with_share} models that dropped"
    bits = "independent bits with the trained share of ones"
    if share == 0:
        return f"Sign bias explains none of the drop{who}: {bits} would be as complex as the initial weights."
    if share < 0:
        return (
            f"Sign bias explains none of the drop{who}: {bits} would be more complex than the initial weights, which "
            "are simpler than fair bits to begin with (constant norms and biases make them so)."
        )
    bias = "Sign bias, a share of ones that left the initial one,"
    if share > 1:
        return (
            f"{bias} would make a larger drop than there is{who} ({numbers.percent(share)} of it): the trained weights "
            f"are more complex than {bits}."
        )
    what = (
        "arrangement of the bits" if summary.n_three_parts == 0 else "the tensors' own shares of ones and arrangement"
    )
    rest = "" if share == 1 else f"; the rest is {what}"
    return f"{bias} accounts for {numbers.percent(share)} of the drop{who}{rest}."


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
    higher = "closer to or above 1" if summary.n_below else "higher"
    trend = higher if found.rho.estimate > 0 else "lower"
    return f"Larger models have ratios that are {trend} ({rho}); saturation alone can make such a trend."


def _seeds(summary: ZooSummary) -> str:
    fewest = summary.initial_seeds[0]
    if fewest >= 3:
        return ""
    who = "The model has" if summary.n_compared == 1 else "Some models have"
    return f"{who} only {fewest} initial seed{'' if fewest == 1 else 's'}; a useful spread takes three."
