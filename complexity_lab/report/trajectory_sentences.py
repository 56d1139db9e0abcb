"""What a study of networks in training shows, in sentences whose every number is computed from its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from complexity_lab.figures import watched
from complexity_lab.statistics.learning import (
    FAR,
    LEARNED,
    StudyTables,
    landmarks,
    mean_over_seeds,
    paired,
    rank_correlation,
    rank_over_time,
)

SMALL: Final = 0.25  # share of the drop with weight decay below which a drop without it counts as small
SAME_SIGN: Final = 0.9  # share of pairs that must agree before a difference counts as consistent
OVERFITTED: Final = 1.1  # last validation loss over the lowest one


def verdict(tables: StudyTables) -> str:
    """Return the paragraph that answers the question of a study."""
    if tables.study == "learning":
        found = [_all_learn(tables), _decay_or_learning(tables), _start_or_self(tables)]
    elif tables.study == "overfitting":
        decays = sorted(tables.last["weight_decay"].unique())
        found = [_overfit(tables), *(_memory_or_learning(tables, decay) for decay in decays)]
        found.append(_decay_or_learning(tables))
    else:
        found = [*(_at_generalization(tables, arm) for arm in _strongest_first(tables)), _controls(tables)]
    return " ".join(sentence for sentence in found if sentence)


def details(tables: StudyTables) -> list[str]:
    """Return what else there is to say, arm by arm, a sentence or two each."""
    arms = _strongest_first(tables)
    if tables.study == "grokking":
        found = [_order_of_events(tables, arm) for arm in arms]
    else:
        found = [" ".join(filter(None, (_arm_ends(tables, arm), _timing(tables, arm)))) for arm in arms]
        found.append(_more_examples(tables))
    return [sentence for sentence in (*found, _moves_together(tables)) if sentence]


def _strongest_first(tables: StudyTables) -> list[watched.Arm]:
    return sorted(watched.arms_of(tables.last), key=lambda arm: (arm[0] != "true", -arm[1]))


def _all_learn(tables: StudyTables) -> str:
    last = tables.last
    right = _range(100 * last["validation_accuracy"], " %", 1)
    return f"All {len(last)} runs learn: they end with {right} of the validation digits right."


def _overfit(tables: StudyTables) -> str:
    """Say how many runs memorized and how many overfitted."""
    last, lowest = tables.last, landmarks(tables).set_index("run")["best_loss"]
    true = last.loc[last["labels"] == "true"]
    over = int((true["validation_loss"] > OVERFITTED * true["run"].map(lowest)).sum())
    told = []
    for arm in watched.arms_of(last):
        rows = _of_arm(last, arm)
        told.append(f"{int((rows['train_accuracy'] >= LEARNED).sum())} of {len(rows)} with {_called(arm, tables)}")
    return (
        f"At least {100 * LEARNED:.0f} % of their training examples are fitted by {'; '.join(told)}; in {over} of the "
        f"{len(true)} runs with true labels the validation loss ends more than a tenth above its lowest point."
    )


def _of_arm(table: pd.DataFrame, arm: watched.Arm) -> pd.DataFrame:
    return table.loc[(table["labels"] == arm[0]) & (table["weight_decay"] == arm[1])]


def _called(arm: watched.Arm, tables: StudyTables) -> str:
    return watched.arm_label(arm, watched.arms_of(tables.last)) or "these settings"


def _arm_ends(tables: StudyTables, arm: watched.Arm) -> str:
    """Say where complexity ends in one arm, and in how many runs it left its shuffled self."""
    rows = _of_arm(tables.last, arm).groupby("group")[["qubd_self", "bdm_self", "qubd_start"]].mean() * 100
    marks = _of_arm(landmarks(tables), arm)
    fell = marks["fell"].dropna()
    ends = (
        f"With {_called(arm, tables)}, QuBD ends at {_range(rows['qubd_self'])} of its shuffled self and "
        f"{_range(rows['qubd_start'])} of step 0, BDM at {_range(rows['bdm_self'])} of its shuffled self"
    )
    if not len(fell):
        return f"{ends}; in none of {len(marks)} runs is QuBD more than {FAR:g} sd below its shuffled self at the end."
    return (
        f"{ends}; QuBD stays more than {FAR:g} sd below its shuffled self in {len(fell)} of {len(marks)} runs, from "
        f"step {_median(fell)} on (median), with {_accuracy_then(tables, marks, 'fell')} of the validation examples "
        "right by then."
    )


def _accuracy_then(tables: StudyTables, marks: pd.DataFrame, name: str) -> str:
    """Return the median validation accuracy at a landmark of each run."""
    at = tables.curves.merge(marks[["run", name]].rename(columns={name: "step"}), on=["run", "step"])
    return f"{100 * at['validation_accuracy'].median():.0f} %"


def _timing(tables: StudyTables, arm: watched.Arm) -> str:
    """Say whether half of the fall came before, at or after the lowest validation loss."""
    marks = _of_arm(landmarks(tables), arm).dropna(subset=["halfway"])
    if marks.empty:
        return ""
    before, after = (marks["halfway"] < marks["best"]).sum(), (marks["halfway"] > marks["best"]).sum()
    return (
        f"With {_called(arm, tables)}, QuBD has made half of its way down before the step of the lowest validation "
        f"loss in {before}, at it in {len(marks) - before - after} and after it in {after} of {len(marks)} runs that "
        f"fell (median steps: {_median(marks['halfway'])} and {_median(marks['best'])})."
    )


def _moves_together(tables: StudyTables) -> str:
    """Say how complexity and validation loss rank over time, per arm."""
    found = rank_over_time(tables, "qubd_self")
    told = []
    for arm in watched.arms_of(found):
        rows = _of_arm(found, arm)
        if len(rows) == 1:
            row = rows.iloc[0]
            ends = f" [{_rho(row['low'])}, {_rho(row['high'])}]" if np.isfinite(row["low"]) else ""
            told.append(f"{_called(arm, tables)} {_rho(row['rho'])}{ends}")
        else:
            told.append(f"{_called(arm, tables)} {_range(rows['rho'], '', 2)} ({len(rows)} groups)")
    seeds = int(found["seeds"].max())
    return (
        "Over the steps of a run, QuBD relative to its shuffled self and validation loss have a rank correlation "
        f"(Spearman's rho, mean over n = {seeds} seeds{_bootstrap(found)}) of {'; '.join(told)}. Both drift, so rho "
        "says that they move together or against each other, not that one causes the other."
    )


def _bootstrap(found: pd.DataFrame) -> str:
    return ", 95 % bootstrap over seeds in brackets" if found["group"].nunique() <= 3 else ""


def _decay_or_learning(tables: StudyTables) -> str:
    """Compare runs with and without weight decay that are otherwise equal."""
    decays = sorted(tables.last["weight_decay"].unique())
    if len(decays) != 2:
        return ""
    pairs = paired(tables, "qubd_self", "weight_decay", decays[1], decays[0])
    accuracy = paired(tables, "test_accuracy", "weight_decay", decays[1], decays[0])
    drop_with, drop_without = (100 * (1 - pairs[name].mean()) for name in ("first", "second"))
    lower = int((pairs["difference"] < 0).sum())
    compared = (
        f"Weight decay alone, everything else equal, lowers the last QuBD relative to its shuffled self in {lower} of "
        f"{len(pairs)} pairs of runs (mean drop {drop_with:.1f} against {drop_without:.1f} points) and changes test "
        f"accuracy by {_signed(100 * accuracy['difference'].mean())} points on average"
    )
    if lower >= SAME_SIGN * len(pairs) and drop_without < SMALL * drop_with:
        return (
            f"{compared}: what makes the weights simpler here is weight decay acting on them, not learning by itself."
        )
    return f"{compared}: the two cannot be told apart by decay alone."


def _start_or_self(tables: StudyTables) -> str:
    """Say how much of the fall below step 0 the shuffled self explains."""
    last = tables.last
    strongest = last.loc[last["weight_decay"] == last["weight_decay"].max()]
    start, self = 100 * (1 - strongest["qubd_start"].mean()), 100 * (1 - strongest["qubd_self"].mean())
    if start <= self:
        return ""
    return (
        f"Against step 0 QuBD drops by {start:.1f} points on average in the arm that decays most, against the shuffled "
        f"self by {self:.1f}: the larger part is the distribution of the values, which a ratio to initial weights "
        "cannot tell from their arrangement."
        if self < start / 2
        else f"Against step 0 QuBD drops by {start:.1f} points in the arm that decays most, against the shuffled self "
        f"by {self:.1f}."
    )


def _memory_or_learning(tables: StudyTables, decay: float) -> str:
    """Compare true with random labels at one weight decay, where both training sets were fitted."""
    if tables.last["labels"].nunique() != 2:
        return ""
    found, tell = [], []
    fitted = paired(tables, "train_accuracy", "labels", "true", "random")[["first", "second"]].min(axis=1) >= LEARNED
    for column, name in (("qubd_self", "QuBD"), ("bdm_self", "BDM")):
        pairs = paired(tables, column, "labels", "true", "random")
        own = pairs.loc[(pairs["weight_decay"] == decay) & fitted]
        if own.empty:
            return ""
        lower, mean = int((own["difference"] < 0).sum()), 100 * own["difference"].mean()
        found.append(f"{name} in {lower} of {len(own)} (mean difference {_signed(mean)} points)")
        if max((own["difference"] < 0).mean(), (own["difference"] > 0).mean()) >= SAME_SIGN:
            tell.append(name)
    words = f"weight decay {decay:g}" if decay else "no weight decay"
    return (
        f"With {words}, weights that learned true labels end simpler than weights that memorized random ones of the "
        f"same images, relative to their shuffled selves, by {' and by '.join(found)} pairs: "
        f"{' and '.join(tell) or 'neither'} {'tell' if len(tell) > 1 else 'tells'} one from the other."
    )


def _more_examples(tables: StudyTables) -> str:
    """Say how final complexity goes with the number of examples."""
    told = []
    for arm in watched.arms_of(tables.last):
        rows = _of_arm(tables.last, arm)
        if rows["examples"].nunique() > 2:
            rhos = [
                rank_correlation(own["examples"].to_numpy(float), own["qubd_self"].to_numpy(float))
                for _, own in rows.groupby("seed")
            ]
            told.append(f"{_called(arm, tables)} {_interval(rhos)}")
    return (
        "The last QuBD relative to its shuffled self ranks with the number of training examples by rho = "
        f"{'; '.join(told)} (mean over seeds and range of the bootstrap)."
        if told
        else ""
    )


def _order_of_events(tables: StudyTables, arm: watched.Arm) -> str:
    """Say when an arm memorized, generalized and became simpler."""
    marks = _of_arm(landmarks(tables), arm)
    n = len(marks)
    words = (("memorized", "memorize"), ("generalized", "generalize"))
    told = []
    for name, verb in words:
        steps = marks[name].dropna()
        told.append(f"{len(steps)} of {n} seeds {verb}" + (f" (step {_range(steps, '', 0)})" if len(steps) else ""))
    fell, half = marks["fell"].dropna(), marks["halfway"].dropna()
    down = f"QuBD stays more than {FAR:g} sd below its shuffled self in {len(fell)} of {n}"
    if len(fell):
        down += f", from step {_range(fell, '', 0)} on, and is half-way down from step {_range(half, '', 0)} on"
    return f"With {_called(arm, tables)}, {', '.join(told)}, and {down}."


def _at_generalization(tables: StudyTables, arm: watched.Arm) -> str:
    """Say where complexity stood when the network had generalized, and at the end."""
    marks = _of_arm(landmarks(tables), arm).dropna(subset=["generalized"])
    if marks.empty:
        return ""
    then = tables.curves.merge(
        marks[["run", "generalized"]].rename(columns={"generalized": "step"}), on=["run", "step"]
    )
    last = _of_arm(tables.last, arm)
    late, fallen = marks.dropna(subset=["fell"]), 0
    fallen = int((late["fell"] > late["generalized"]).sum())
    drop_then, drop_last = 1 - then["qubd_self"].mean(), 1 - last["qubd_self"].mean()
    found = (
        f"With {_called(arm, tables)} the networks generalize. When {100 * LEARNED:.0f} % of the validation sums are "
        f"right, QuBD stands at {_range(100 * then['qubd_self'])} of its shuffled self and "
        f"{_range(100 * then['qubd_start'])} of step 0; at the last step at {_range(100 * last['qubd_self'])} and "
        f"{_range(100 * last['qubd_start'])}"
    )
    if len(late) and fallen == len(late) and drop_then < drop_last / 2:
        return (
            f"{found}: complexity does not announce generalization, it falls after it, in {fallen} of {len(marks)} "
            "seeds."
        )
    return f"{found}; it fell after generalization in {fallen} of {len(marks)} seeds."


def _controls(tables: StudyTables) -> str:
    """Say where the arms that never generalize end, beside the one that does."""
    marks, last = landmarks(tables), tables.last
    told = []
    for arm in watched.arms_of(last):
        if _of_arm(marks, arm)["generalized"].isna().all():
            told.append(f"{_called(arm, tables)} at {_range(100 * _of_arm(last, arm)['qubd_self'])}")
    if not told:
        return ""
    own = marks.groupby(["labels", "weight_decay"])["generalized"].count()
    grokked = own.index[own > 0]
    lowest_control = last.loc[~_pairs(last).isin(grokked), "qubd_self"].min()
    highest_grokked = last.loc[_pairs(last).isin(grokked), "qubd_self"].max()
    ends = f"The arms that never generalize end, relative to their shuffled selves, with {' and with '.join(told)}"
    if np.isfinite(highest_grokked) and highest_grokked < lowest_control:
        return f"{ends}: every run that generalized ends below every run that only memorized."
    return f"{ends}: the end does not separate runs that generalized from runs that memorized."


def _pairs(table: pd.DataFrame) -> pd.Index[Any]:
    return pd.MultiIndex.from_frame(table[["labels", "weight_decay"]])


def percent_of(value: float) -> str:
    """Return percent of a reference, with two places near 100 and one elsewhere.

    >>> percent_of(97.04), percent_of(99.946)
    ('97.0 %', '99.95 %')
    """
    return f"{value:.{2 if abs(value - 100) < 1 else 1}f} %" if np.isfinite(value) else "–"


def _interval(values: Iterable[float]) -> str:
    known = np.array([value for value in values if np.isfinite(value)])
    found = mean_over_seeds(known)
    if not np.isfinite(found.estimate):
        return "undefined"
    ends = f" [{_rho(found.low)}, {_rho(found.high)}]" if np.isfinite(found.low) else ""
    return f"{_rho(found.estimate)}{ends}"


def _signed(value: float) -> str:
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text[1:] == "0.0" else text


def _rho(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "undefined"


def _median(steps: pd.Series[float]) -> str:
    return f"{steps.median():,.0f}"


def _range(values: pd.Series[float], unit: str | None = None, places: int = 1) -> str:
    """Return ``LOW to HIGH``, one number where both are written alike; percent of a reference without ``unit``."""
    known = values.dropna()
    if known.empty:
        return "–"
    ends = (float(known.min()), float(known.max()))
    low, high = (percent_of(end) if unit is None else f"{end:,.{places}f}".replace("-", "−") for end in ends)
    tail = unit or ""
    return f"{low}{tail}" if low == high else f"{low} to {high}{tail}"
