"""A study of rounding, table to table: what is left of the accuracy, and whether plane profiles knew it before.

Methods of rounding, all per output channel and without data (``quantization.rounding``):

``float``      not rounded
``uniform``    every tensor of two or more axes to the same bits
``suggested``  bits by the planes of each tensor: those that show structure, and ``margin`` more
``flat``       the same as if no plane had shown any: 1 + margin, and the highest bits for tensors too small to tell
``bare``       planes below the threshold and ``margin`` more, without asking whether chance put them there
``by_error``   as many bits in all as ``suggested``, spent where the rounding error of the weights falls most

Losses are in percentage points of accuracy, a network's own float accuracy less that of its rounded weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from complexity_lab.statistics.correlation import RankCorrelation, partial_spearman, spearman
from complexity_lab.statistics.intervals import Interval, median_interval
from complexity_lab.tables.quantization import read_quantization
from complexity_lab.tables.store import read_manifest

Floats = npt.NDArray[np.float64]
Part = Literal["validation", "test"]
TOLERANCE: Final = 1.0  # percentage points that may be lost
SEED: Final = 0  # of bootstraps and permutations
KEYS: Final = ["method", "reference", "margin", "bits"]


@dataclass(frozen=True)
class QuantizationTables:
    """The tables of one study."""

    layers: pd.DataFrame
    sensitivities: pd.DataFrame
    accuracies: pd.DataFrame
    plan: dict[str, Any]

    @classmethod
    def read(cls, directory: Path) -> QuantizationTables:
        """Read a study, as far as it went.

        Raises:
            InputError: the directory holds none.
        """
        layers, sensitivities, accuracies = (
            read_quantization(directory, name) for name in ("layers", "sensitivities", "accuracies")
        )
        return cls(layers, sensitivities, accuracies, read_manifest(directory)["plan"])

    @cached_property
    def losses(self) -> pd.DataFrame:
        """Rows of networks that ended well, with ``validation_lost`` and ``test_lost`` in percentage points."""
        ok = self.accuracies.loc[self.accuracies["status"] == "ok"]
        floats = ok.loc[ok["method"] == "float"].set_index("network")
        lost = {
            f"{part}_lost": 100 * (ok["network"].map(floats[f"{part}_accuracy"]).astype(float) - ok[f"{part}_accuracy"])
            for part in ("validation", "test")
        }
        return ok.assign(**lost).reset_index(drop=True)

    @cached_property
    def models(self) -> list[str]:
        """Architectures in the order of the plan, those without a finished network left out."""
        found = set(self.losses["model"])
        return [model for model in self.plan["models"] if model in found]

    @property
    def references(self) -> list[str]:
        """References in the order of the plan; the first is the one that a lone checkpoint allows."""
        return list(self.plan["references"])


def means_over_seeds(tables: QuantizationTables) -> pd.DataFrame:
    """Return a row per model and way of rounding: means over seeds, and the lowest and highest test accuracy.

    Accuracies are percent, losses percentage points.
    """
    groups = tables.losses.groupby(["model", "family", "parameters", *KEYS], dropna=False, sort=False)
    table = groups.agg(
        seeds=("seed", "nunique"),
        mean_bits=("mean_bits", "mean"),
        validation_lost=("validation_lost", "mean"),
        test_lost=("test_lost", "mean"),
        test_accuracy=("test_accuracy", "mean"),
        test_low=("test_accuracy", "min"),
        test_high=("test_accuracy", "max"),
    ).reset_index()
    for name in ("test_accuracy", "test_low", "test_high"):
        table[name] *= 100
    return table


def margin_by_validation(tables: QuantizationTables, reference: str) -> int:
    """Return the least margin at which no model loses more than TOLERANCE on validation images, mean over seeds.

    The largest margin of the study if there is none.
    """
    table = means_over_seeds(tables)
    rows = table.loc[(table["method"] == "suggested") & (table["reference"] == reference)]
    worst = rows.groupby("margin")["validation_lost"].max()
    enough = worst.index[worst <= TOLERANCE + 1e-9]
    return int(enough.min() if len(enough) else rows["margin"].max())


def needs(tables: QuantizationTables, part: Part = "test") -> pd.DataFrame:
    """Return ``network model seed need``: the fewest uniform bits from which on no more than TOLERANCE is lost.

    ``need`` is one above the most bits tried where even those lose more.
    """
    uniform = tables.losses.loc[tables.losses["method"] == "uniform"]
    rows = []
    for (network, model, seed), group in uniform.groupby(["network", "model", "seed"], sort=False):
        lost = group.sort_values("bits")[f"{part}_lost"].to_numpy(float)
        rows.append({"network": network, "model": model, "seed": seed, "need": fewest_enough(lost)})
    return pd.DataFrame(rows, columns=["network", "model", "seed", "need"])


def fewest_enough(lost: Floats) -> int:
    """Return from which number of bits on, 1 first, no loss exceeds TOLERANCE.

    >>> fewest_enough(np.array([40.0, 0.5, 1.2, 0.0, 0.1])), fewest_enough(np.array([9.0, 9.0]))
    (4, 3)
    """
    (too_many,) = (lost > TOLERANCE + 1e-9).nonzero()
    return int(too_many[-1]) + 2 if len(too_many) else 1


def predictions(tables: QuantizationTables, margin: int, part: Part = "test") -> pd.DataFrame:
    """Return a row per model and reference: bits suggested and uniform bits needed, means and range over seeds."""
    needed = needs(tables, part)[["network", "need"]]
    rows = tables.losses.loc[(tables.losses["method"] == "suggested") & (tables.losses["margin"] == margin)]
    rows = rows.merge(needed, on="network")
    rows["told"] = 100 * rows["suggested_weights"] / rows["weights"]
    groups = rows.groupby(["reference", "model", "family", "parameters"], sort=False)
    table = groups.agg(
        seeds=("seed", "nunique"),
        suggested=("mean_bits", "mean"),
        suggested_low=("mean_bits", "min"),
        suggested_high=("mean_bits", "max"),
        need=("need", "mean"),
        need_low=("need", "min"),
        need_high=("need", "max"),
        lost=(f"{part}_lost", "mean"),
        told_percent=("told", "mean"),
    )
    return table.reset_index()


@dataclass(frozen=True)
class Prediction:
    """Whether the suggestion ranks models as their need does, alone and with the number of parameters held fixed."""

    reference: str
    plain: RankCorrelation
    given_size: RankCorrelation
    size_alone: RankCorrelation  # of parameters with need, which needs no planes


def rank_predictions(table: pd.DataFrame) -> list[Prediction]:
    """Return Spearman's rho over models of suggested mean bits and need; ``table`` is that of ``predictions``."""
    found = []
    for reference, rows in table.groupby("reference", sort=False):
        suggested, need, size = (rows[name].to_numpy(float) for name in ("suggested", "need", "parameters"))
        rng = np.random.default_rng(SEED)
        found.append(
            Prediction(
                str(reference),
                spearman(suggested, need, rng=rng),
                partial_spearman(suggested, need, numbers=[size], rng=rng),
                spearman(size, need, rng=rng),
            )
        )
    return found


def layer_losses(tables: QuantizationTables, reference: str) -> pd.DataFrame:
    """Return a row per network, scored tensor and bits that were tried with that tensor alone rounded.

    Columns: those of the tensor, ``shown`` planes, ``at_once`` (1 or ``shown``: what a margin of 0 suggests), ``bits``,
    ``relative_error``, ``lost`` (percentage points of validation accuracy) and ``loss_rise`` (nats of validation
    cross-entropy). Tensors without a suggestion are left out.
    """
    told = tables.layers.loc[(tables.layers["reference"] == reference) & tables.layers["suggested"]]
    told = told[["network", "model", "seed", "tensor", "kind", "shape", "weights", "shown"]]
    tried = tables.sensitivities.loc[tables.sensitivities["validation_loss"].notna()]
    rows = told.merge(tried.drop(columns=["model", "seed", "weights"]), on=["network", "tensor"])
    floats = tables.losses.loc[tables.losses["method"] == "float"].set_index("network")
    return rows.assign(
        at_once=rows["shown"].clip(lower=1),
        lost=100 * (rows["network"].map(floats["validation_accuracy"]) - rows["validation_accuracy"]),
        loss_rise=rows["validation_loss"] - rows["network"].map(floats["validation_loss"]),
    )


@dataclass(frozen=True)
class LayerRank:
    """How well something known of a layer beforehand ranks what rounding it alone costs.

    ``rho`` is the median over models of the rank correlation over their layers (mean over seeds), with a bootstrap
    interval over models; ``models`` are those where it is defined.
    """

    predictor: str
    bits: int
    rho: Interval
    models: int


PREDICTORS: Final[dict[str, tuple[str, int]]] = {
    "planes that cannot be dropped": ("shown", 1),
    "rounding error of the weights": ("relative_error", 1),
    "fewer weights": ("weights", -1),
}


def layer_ranks(losses: pd.DataFrame) -> list[LayerRank]:
    """Return how well planes, rounding errors and sizes rank the rise of the loss in a table of ``layer_losses``."""
    found = []
    for bits in sorted(losses["bits"].unique()):
        rows = losses.loc[losses["bits"] == bits]
        for predictor, (column, sign) in PREDICTORS.items():
            rhos = [
                {"model": model, "rho": _rho(sign * group[column].to_numpy(float), group["loss_rise"].to_numpy(float))}
                for (model, _), group in rows.groupby(["model", "seed"], sort=False)
            ]
            means = pd.DataFrame(rhos).groupby("model")["rho"].mean().dropna().to_numpy(float)
            interval = median_interval(means, rng=np.random.default_rng(SEED))
            found.append(LayerRank(predictor, int(bits), interval, len(means)))
    return found


def _rho(x: Floats, y: Floats) -> float:
    """Return Spearman's rho; NaN for fewer than four layers, or where one of the two is constant."""
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])


def layers_that_break(losses: pd.DataFrame, margin: int) -> pd.DataFrame:
    """Return layers whose suggestion with this margin was tried alone and lost more than TOLERANCE, worst first."""
    tried = losses.loc[losses["bits"] == losses["at_once"] + margin]
    return tried.loc[tried["lost"] > TOLERANCE + 1e-9].sort_values("lost", ascending=False, ignore_index=True)


def share_that_break(losses: pd.DataFrame, margin: int) -> tuple[int, int]:
    """Return how many layers ``layers_that_break`` has, and how many were tried."""
    return len(layers_that_break(losses, margin)), int((losses["bits"] == losses["at_once"] + margin).sum())


def against(
    tables: QuantizationTables, reference: str, margin: int, other: str, part: Part = "test"
) -> tuple[Floats, Floats]:
    """Return per model (mean over seeds) the loss of the suggestion less that of another method, and the bits less.

    ``other`` is ``flat``, ``bare`` or ``by_error`` of the same reference and margin.
    """
    rows = means_over_seeds(tables)
    rows = rows.loc[(rows["reference"] == reference) & (rows["margin"] == margin)]
    ours, theirs = (
        rows.loc[rows["method"] == method].set_index("model").loc[tables.models] for method in ("suggested", other)
    )
    lost, bits = (ours[name].to_numpy(float) - theirs[name].to_numpy(float) for name in (f"{part}_lost", "mean_bits"))
    return lost, bits


def model_profiles(tables: QuantizationTables) -> pd.DataFrame:
    """Return ``model reference plane percent``: the planes of whole models against each reference, mean over seeds.

    Planes count from 0, the least significant. A model's profile is the sum over its scored tensors, and so is its
    reference's.
    """
    scored = tables.layers.loc[tables.layers["profile"].notna() & tables.layers["percent"].notna()]
    rows = []
    for (model, reference), group in scored.groupby(["model", "reference"], sort=False):
        profiles = np.stack(group["profile"].to_list())
        percents = np.stack(group["percent"].to_list())
        references = 100 * profiles / percents
        whole = 100 * profiles.sum(axis=0) / references.sum(axis=0)
        rows += [
            {"model": model, "reference": reference, "plane": plane, "percent": value}
            for plane, value in enumerate(whole)
        ]
    return pd.DataFrame(rows, columns=["model", "reference", "plane", "percent"])
