"""Why our numbers differ from the printed ones, each remark from the numbers themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from complexity_lab.figures import mosaics
from complexity_lab.statistics.training import same_when_printed


def remarks(numbers: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return sentences about data, RAC and BDM ratios; ``numbers`` are those of ``beside_published``."""
    return [*_about_data(numbers, runs), *_about_rac(numbers), *_about_bdm(numbers)]


def _about_data(numbers: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    dataset = str(numbers["dataset"].iloc[0])
    epochs = runs.groupby("model")["epochs_planned"].max()
    planned = ", ".join(f"{mosaics.label(str(model))} {int(epochs[model])}" for model in numbers["model"].unique())
    found = [f"Epochs at most: {planned}; the paper trains 200 with a patience of 20."]
    if dataset != "cifar10":
        found.insert(
            0,
            f"The printed accuracies are of CIFAR-10 and cannot be compared with those on {dataset}; what can be "
            "compared is the order of the methods, RAC (which does not depend on the data) and, with care, BDM ratios.",
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
                f"{name}: the printed RAC is {at[0.01]:.1f} at both 1 % and 0.5 % (s = 4), which no number of motifs "
                "but one can give."
            )
    if (numbers["model"] == "tiny_vit_5m").any():
        found.append(
            "Tiny-ViT: the printed RAC fits the parameter count with the 1000-class head (5,392,764); ours is of the "
            "model that is trained, with a head of 10 classes, so it differs in the second digit at s = 2."
        )
    return found


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
