"""The page of a study of networks in training: what it shows, its numbers, its figures, and what it cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from complexity_lab.errors import InputError, OutputError
from complexity_lab.figures import watched
from complexity_lab.figures.learning import STUDY_FIGURES
from complexity_lab.figures.parts import tensors
from complexity_lab.figures.render import chosen_figures
from complexity_lab.report.trajectory_sentences import details, percent_of, verdict
from complexity_lab.statistics.learning import StudyTables, landmarks, rank_over_time
from complexity_lab.tables.store import read_manifest

PAGE: Final = "trajectory.md"
TITLES: Final = {
    "learning": "Does complexity follow learning?",
    "overfitting": "Does complexity see overfitting?",
    "grokking": "Does complexity see grokking?",
}
HEADER: Final = (
    *("network", "examples", "labels", "weight decay", "seeds", "train acc. (%)", "val. acc. (%)", "test acc. (%)"),
    *("lowest val. loss at step", "QuBD fell at step", "QuBD / self (%)", "QuBD / step 0 (%)", "BDM / self (%)", "rho"),
)
FAR_ABOVE: Final = 1.05  # ratio to the shuffled self
STRINGS: Final = 4096  # different blocks of 12 bits


def write_trajectory_page(directory: Path, *, title: str = "", figures: tuple[str, ...] = ()) -> Path:
    """Write ``trajectory.md`` into the directory of a study and return its path.

    Args:
        directory: of a finished or interrupted study; its figures are linked where they have been drawn.
        title: instead of that of the kind of study.
        figures: names of those to link; all that apply if empty.

    Raises:
        InputError: the directory holds no study, or no run has ended well.
        OutputError: the page cannot be written.
    """
    tables = StudyTables.read(directory)
    if tables.curves.empty:
        raise InputError(f"no run of {directory} has ended well yet, so there is nothing to write about")
    page = build_page(tables, read_manifest(directory), title=title, figures=figures)
    try:
        (directory / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write into {directory}: {error}") from error
    return directory / PAGE


def build_page(
    tables: StudyTables, manifest: Mapping[str, Any], *, title: str = "", figures: tuple[str, ...] = ()
) -> str:
    """Return the page as Markdown."""
    parts = [
        f"# {title or TITLES[tables.study]}",
        verdict(tables),
        "\n".join(f"- {sentence}" for sentence in details(tables)),
        table_of(tables),
        _legend(tables),
        *_plates(tables, figures),
        "## What this cannot say",
        "\n".join(f"- {limit}" for limit in limits(tables)),
        "## How it was made",
        _made(tables, manifest),
        *_failures(tables),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_of(tables: StudyTables) -> str:
    """Return the Markdown table: a row per group of runs that differ only in their seed."""
    marks = landmarks(tables)
    rho = {row["group"]: row for row in rank_over_time(tables, "qubd_self").to_dict("records")}
    order = ["parameters", "examples", "labels", "weight_decay"]
    groups = tables.last.sort_values(order, ascending=[True, True, False, True]).groupby("group", sort=False)
    rows = [_row(group, marks.loc[marks["group"] == name], rho[name]) for name, group in groups]
    rule = ["---"] * 4 + ["---:"] * (len(HEADER) - 4)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, rule, *rows))


def _row(group: pd.DataFrame, marks: pd.DataFrame, rho: Mapping[Any, Any]) -> tuple[str, ...]:
    first = group.iloc[0]
    accuracies = [f"{100 * group[name].mean():.1f}" for name in ("train_accuracy", "validation_accuracy")]
    ratios = [_mean(100 * group[name]) for name in ("qubd_self", "qubd_start", "bdm_self")]
    known = np.isfinite([rho["low"], rho["high"]]).all()
    spread = f" [{rho['low']:.2f}, {rho['high']:.2f}]" if known else ""
    return (
        *(str(first["network"]), f"{int(first['examples']):,}", str(first["labels"]), f"{first['weight_decay']:g}"),
        *(str(len(group)), *accuracies, f"{100 * group['test_accuracy'].mean():.1f}"),
        *(_steps(marks["best"], len(group)), _steps(marks["fell"], len(group)), *ratios),
        f"{rho['rho']:.2f}{spread}".replace("-", "−") if np.isfinite(rho["rho"]) else "–",
    )


def _mean(values: pd.Series[float]) -> str:
    spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{percent_of(float(values.mean())).removesuffix(' %')}{spread}"


def _steps(steps: pd.Series[float], runs: int) -> str:
    """Return the median step, and of how many runs if not of all."""
    known = steps.dropna()
    if known.empty:
        return "never"
    return f"{known.median():,.0f}" + (f" ({len(known)} of {runs})" if len(known) < runs else "")


def _legend(tables: StudyTables) -> str:
    return (
        "Last weights, mean ± sd over seeds. *Self*: the same weights shuffled within each tensor (mean of "
        f"{tables.plan['shuffles']} shuffles). *QuBD fell*: median step from which on it stays more than three sd "
        "below that. *rho*: Spearman's rank correlation over the measured steps between QuBD / self and "
        "validation loss, mean over seeds with its bootstrap interval over them."
    )


def _plates(tables: StudyTables, names: tuple[str, ...]) -> list[str]:
    wanted = {name: STUDY_FIGURES[name] for name in names} if names else STUDY_FIGURES
    chosen, _ = chosen_figures(tables, wanted)
    return [
        f"![{figure.title}](figures/{figure.name}.png)\n\n*{figure.title}.* {figure.caption(figure.prepare(tables))}"
        for figure in chosen
    ]


def limits(tables: StudyTables) -> list[str]:
    """Return what the numbers cannot say, with the sizes that limit them."""
    seeds = tables.last.groupby("group")["seed"].nunique()
    sizes = tables.last["parameters"]
    steps = tables.curves.groupby("run")["step"].nunique()
    tied = (
        f"{_count(seeds)} seeds per group: an interval over them is close to their range, and no test has power. The "
        f"{_count(steps)} steps measured of a run are one trajectory, not as many observations."
    )
    saturated = (
        f"The networks have {_count(sizes)} weights, {_count(sizes / 12 / STRINGS, 2)} strings of 12 bits for each of "
        f"the {STRINGS:,} that exist: above 1, BDM of signs is near its ceiling and moves little whatever the weights "
        "do; below it, few blocks repeat and a number rests on small counts. Ratios of networks of different size are "
        "not comparable."
    )
    order = (
        "Blocks are cut in the order in which the units happen to stand. Structure that a permutation of units hides "
        "(a Fourier basis, a low rank) is invisible to BDM and QuBD unless it shows in neighbours, so no fall does not "
        "mean no structure."
    )
    dead = (
        "Weight decay drives unused weights towards zero, where the sign of a remnant is read as a bit and the upper "
        "planes agree: part of what is measured is which weights are in use."
    )
    small = {
        "learning": "Digits of 8×8 pixels are easy: there is little between learning and having learned.",
        "overfitting": "Training runs for the same number of steps on all sets, so small sets are seen more often.",
        "grokking": "One task, one architecture; the published study trains a network four times as wide.",
    }[tables.study]
    decays = [dead] if (tables.last["weight_decay"] > 0).any() else []
    return [tied, saturated, order, *decays, *_above_self(tables), small]


def _above_self(tables: StudyTables) -> list[str]:
    """Say where a layer ends far above its shuffled self, which is no lack of structure."""
    layers = tensors(tables).merge(tables.last[["run", "step", "group", "network"]], on=["run", "step"])
    means = layers.groupby(["group", "network", "part"], as_index=False)["ratio"].mean()
    far = means.loc[means["ratio"] > FAR_ABOVE].sort_values("ratio", ascending=False).to_dict("records")
    if not far:
        return []
    top = far[0]
    return [
        f"{len(far)} of {len(means)} layers, counted in every arm, end more than {100 * FAR_ABOVE - 100:.0f} % above "
        f"their shuffled selves ({top['part']} of {top['network']} at {percent_of(100 * top['ratio'])}). Where few "
        "weights are left, gathered in a few units, they make more different blocks than the same weights scattered: "
        "structure can raise these numbers, and the sum over layers then hides it."
    ]


def _count(values: pd.Series[Any], places: int = 0) -> str:
    low, high = (f"{end:,.{places}f}" for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _made(tables: StudyTables, manifest: Mapping[str, Any]) -> str:
    plan, seconds = tables.plan, tables.runs["seconds"]
    recipe = plan["runs"][0]["recipe"]
    batch = "all examples" if recipe["batch_size"] is None else f"batches of {recipe['batch_size']}"
    planes = f"; QuBD with {plan['bits']} bits, rules {plan['preset']}" if plan["preset"] else ""
    command = manifest.get("command")
    versions = manifest.get("versions", {})
    named = ", ".join(f"{name} {versions[name]}" for name in ("complexity-lab", "torch", "numpy") if name in versions)
    arms = "; ".join(f"{labels} labels, weight decay {decay:g}" for labels, decay in watched.arms_of(tables.last))
    return (
        f"{len(tables.runs)} of {len(plan['runs'])} runs finished, {seconds.sum() / 60:.0f} minutes of wall time "
        f"added up over runs ({seconds.min():.0f} to {seconds.max():.0f} s each, whatever else the machine did), "
        f"threads per run: {plan['threads']}. "
        f"{recipe['optimizer']}, learning rate {recipe['learning_rate']:g}, {batch}, {recipe['steps']:,} steps; arms: "
        f"{arms}. Metrics: {', '.join(plan['metrics'])}{planes}; {plan['shuffles']} shuffles. "
        f"Plan {manifest.get('plan_hash', '')}; {named}." + (f" Command: `{command}`." if command else "")
    )


def _failures(tables: StudyTables) -> list[str]:
    failed = tables.runs.loc[tables.runs["status"] != "ok"]
    if failed.empty:
        return []
    return ["## Runs that failed", "\n".join(f"- {row['run']}: {row['error']}" for row in failed.to_dict("records"))]
