"""Why our numbers differ from the printed ones, each remark from the numbers themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from complexity_lab.figures import mosaics
from complexity_lab.statistics.findings import LEARNS, guessing
from complexity_lab.statistics.training import PAPER_RECIPE, same_when_printed


def remarks(numbers: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return sentences about data, recipes, RAC and BDM ratios; ``numbers`` are those of ``beside_published``."""
    return [
        *_about_data(numbers),
        *_about_recipes(runs),
        *_about_learning(numbers),
        *_about_rac(numbers),
        *_about_bdm(numbers),
    ]


def _about_data(numbers: pd.DataFrame) -> list[str]:
    dataset = str(numbers["dataset"].iloc[0])
    if dataset == "cifar10":
        return []
    return [
        f"The printed accuracies are of CIFAR-10 and cannot be compared with those on {dataset}; what can be compared "
        "is the order of the methods, RAC (images change it only through the sizes of the first and the last layer) "
        "and, with care, BDM ratios."
    ]


def _about_recipes(runs: pd.DataFrame) -> list[str]:
    """Say of each model what its recipe has otherwise than the paper's."""
    words = {
        "epochs_planned": "{:g} epochs at most ({:g})",
        "batch_size": "{:g} images in a batch ({:g})",
        "learning_rate": "learning rate {:g} ({:g})",
        "image_size": "images of {:g} pixels ({:g})",
    }
    parts = []
    for model in mosaics.by_size(runs["model"]):
        first = runs.loc[runs["model"] == model].iloc[0]
        known = [(text, first[column], PAPER_RECIPE[column].get(model)) for column, text in words.items()]
        other = [
            text.format(ours, theirs) for text, ours, theirs in known if theirs is not None and _differ(ours, theirs)
        ]
        if other:
            parts.append(f"{mosaics.label(model)} {', '.join(other)}")
    found = [f"Trained otherwise than in the paper, whose values are in brackets: {'; '.join(parts)}."] if parts else []
    if (runs["model"] == "mlp").any():
        found.append("MLP has 4 hidden layers as in the paper's program; its text says 5 (that network is mlp5).")
    every = sorted(set(runs["every"].dropna()))
    return [*found, f"Weights were projected after every {' or '.join(every)}."] if every else found


def _differ(ours: float, theirs: float) -> bool:
    return bool(np.isfinite(ours) and ours != theirs)


def _about_learning(numbers: pd.DataFrame) -> list[str]:
    """Name the methods under which a network did not learn, beside the printed accuracy."""
    found = []
    for model, rows in numbers.groupby("model", sort=False):
        low = rows.loc[rows["accuracy"] < LEARNS * guessing(rows)]
        if low.empty:
            continue
        shown = "; ".join(
            f"{mosaics.method_label(row['s'], row['capacity']) if row['kind'] == 'momos' else row['method']}: "
            f"{row['accuracy']:.1f} %, printed {row['accuracy_printed']:.1f} %"
            for row in low.to_dict("records")
        )
        found.append(
            f"{mosaics.label(str(model))} stays below {LEARNS:g} times the accuracy of guessing in {len(low)} of "
            f"{len(rows)} methods ({shown}): it did not learn in these epochs, which says nothing about more of them."
        )
    return found


def _about_rac(numbers: pd.DataFrame) -> list[str]:
    found = []
    for model, rows in numbers.loc[numbers["kind"] == "momos"].groupby("model", sort=False):
        known = rows.dropna(subset=["rac_printed", "rac_formula"])
        if known.empty:
            continue
        wrong = [row for row in known.to_dict("records") if not _printed_follows(row)]
        name = mosaics.label(str(model))
        if not wrong:
            found.append(f"{name}: all {len(known)} printed RAC values follow from the paper's formula.")
            continue
        shown = "; ".join(
            f"s = {row['s']:g} at {100 * row['capacity']:g} %: printed {row['rac_printed']:.1f}, formula "
            f"{row['rac_formula']:.2f}"
            for row in wrong
        )
        found.append(
            f"{name}: {len(wrong)} of {len(known)} printed RAC values do not follow from the paper's formula "
            f"n q / (k s q + m ceil(log2 k)) at its parameter count ({shown})."
        )
        at = rows.loc[rows["s"] == 4].set_index("capacity")["rac_printed"]
        if {0.01, 0.005} <= set(at.index) and at[0.01] == at[0.005]:
            found.append(
                f"{name}: the printed RAC is {at[0.01]:.1f} at both 1 % and 0.5 % (s = 4), although "
                "half as many motifs take fewer bits."
            )
    return found + _about_heads(numbers)


def _about_heads(numbers: pd.DataFrame) -> list[str]:
    """Say where our RAC of Tiny-ViT differs from the printed one because the head has fewer classes."""
    rows = numbers.loc[(numbers["model"] == "tiny_vit_5m") & (numbers["kind"] == "momos")]
    rows = rows.dropna(subset=["rac", "rac_printed"])
    other = [
        f"{mosaics.method_label(row['s'], row['capacity'])}: {row['rac']:.2f} for {row['rac_printed']:.1f}"
        for row in rows.to_dict("records")
        if not same_when_printed(row["rac"], row["rac_printed"], 1)
    ]
    if not other:
        return []
    classes = rows["classes"].iloc[0]
    head = f"with a head of {int(classes)}, " if np.isfinite(classes) else ""
    return [
        "Tiny-ViT: the printed RAC fits the parameter count with a head of 1000 classes (5,392,764); ours is of the "
        f"network that is trained, {head}and differs in {len(other)} of "
        f"{len(rows)} rows ({'; '.join(other)})."
    ]


def _printed_follows(row: dict[object, float]) -> bool:
    return same_when_printed(row["rac_formula"], row["rac_printed"], 1)


def _about_bdm(numbers: pd.DataFrame) -> list[str]:
    ratios = numbers["bdm_ratio"].to_numpy(float)
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return []
    return [
        f"BDM ratios of the sign bits lie between {ratios.min():.3f} and {ratios.max():.3f}. They see neither the "
        "motifs nor the rounding, only signs; zeros count as negative, so a zero motif that many blocks take lowers "
        "them by the share of ones alone."
    ]
