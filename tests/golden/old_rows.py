"""Directories of version 0.1 as the tables of today: pure functions from its Parquet parts to frames.

The golden comparison reads the old program through them, and the directories that ship were converted by them. Nothing
is measured here and nothing is guessed: a column that 0.1 did not write is null. Two facts come from the manifest
beside the parts, the rules of the bit planes of trainings and series, and the recipes where a table is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Frames = dict[str, pd.DataFrame]
Manifest = dict[str, Any]

COMPLETION = {  # a part is finished when the part of the same name in this table is there
    **dict.fromkeys(("models", "measurements", "histograms"), "models"),
    **dict.fromkeys(("steps", "series"), "series"),
    **dict.fromkeys(("epochs", "runs"), "runs"),
    **dict.fromkeys(("layers", "sensitivities", "accuracies"), "accuracies"),
}
MEASUREMENTS = (
    *("study", "model", "state", "seed", "step", "scope", "tensor", "kind", "shape"),
    *("metric", "plane", "null", "statistic", "value", "unit"),
    *("scored", "dropped", "ones", "blocks", "distinct_blocks", "raw_bytes", "compressed_bytes"),
    *("preset", "departures", "note", "order", "status", "reason"),
)
LOSSES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
PROJECTION = ("distortion", "num_changed_weights", "used_motifs", "distinct_motifs", "projections")
CURVES = (
    *("model", "seed", "step", "epoch", "learning_rate", *LOSSES, *PROJECTION),
    *("seconds_training", "seconds_projection"),
)
WATCHED = {"bdm": "bits", **dict.fromkeys(("gzip", "bz2", "lzma", "zstd", "gzip:float32"), "raw/compressed")}
MODEL = {"scope": "model", "tensor": "", "kind": "", "shape": ""}
EXAMPLES = {"digits": 1257}  # training images of data sets whose trainings were published without a table of series

TEXT = (
    *("study", "model", "state", "scope", "tensor", "kind", "shape", "metric", "null", "statistic", "unit", "preset"),
    *("departures", "note", "order", "status", "reason", "zoo", "architecture", "tag", "family", "dataset", "licence"),
    *("source", "revision", "error_type", "error", "block", "method", "every", "choice", "device", "precision"),
    *("optimizer", "name", "group", "labels", "method_kind"),
)
WHOLE = (
    *("seed", "step", "plane", "scored", "dropped", "ones", "blocks", "distinct_blocks", "raw_bytes"),
    *("compressed_bytes", "parameters", "peak_memory", "bits", "s", "k", "threads", "batch_size", "image_size"),
    *("patience", "classes", "epochs_planned", "epochs", "best_epoch", "used_motifs", "distinct_motifs", "projections"),
    *("num_changed_weights", "examples", "place", "weights", "shown", "bare_bits", "margin", "tensors"),
    *("suggested_weights", "validation_images", "test_images", "left_out"),
)
TYPES: dict[str, pa.DataType] = {  # of a column by its name, the same in all tables; any other is a float
    **dict.fromkeys(TEXT, pa.string()),
    **dict.fromkeys(WHOLE, pa.int64()),
    **dict.fromkeys(("suggested", "stopped_early"), pa.bool_()),
    **dict.fromkeys(("profile", "percent", "t"), pa.list_(pa.float64())),
    "codes": pa.list_(pa.int32()),
    "counts": pa.list_(pa.int64()),
}
PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}  # with nulls, and without becoming floats


class Name(NamedTuple):
    """What 0.1 glued into one name."""

    metric: str
    plane: int | None = None
    null: str | None = None
    statistic: str = "value"


_GLUED = re.compile(
    r"(?P<metric>.+?)(?:_plane(?P<plane>\d+))?"
    r"(?:_(?P<null>iid|shuffle_channel|shuffle_row|shuffle|gaussian|permutation)_(?P<statistic>mean|sd)"
    r"(?:_(?P<share>p45|p50))?)?"
)
_AT_A_SHARE = {"p50": "fair", "p45": "share_45"}  # iid nulls whose share of ones is not the observed one


@cache
def name_of(metric: str) -> Name:
    """Return the parts of a name of 0.1.

    >>> name_of("qubd_plane7_shuffle_sd")
    Name(metric='qubd', plane=7, null='shuffle', statistic='sd')
    >>> name_of("bdm_2d_iid_mean_p45"), name_of("block_entropy_2d_normalized")[:2]
    (Name(metric='bdm_2d', plane=None, null='share_45', statistic='mean'), ('block_entropy_2d_normalized', None))
    """
    found = _GLUED.fullmatch(metric)
    if found is None:
        raise ValueError(f"metric {metric!r} is no name of 0.1")
    plane, null = found["plane"], found["null"]
    null = _AT_A_SHARE[found["share"]] if found["share"] else null
    return Name(found["metric"], None if plane is None else int(plane), null, found["statistic"] or "value")


def convert(directory: Path, study: str | None = None) -> Frames:
    """Return the tables of today that an old directory holds, by name.

    Args:
        directory: of a survey, a series, a training, a watched training or a study of rounding.
        study: name in the column ``study``; the directory's if None.

    Raises:
        ValueError: it holds no old tables.
    """
    old = {table: frame for table in COMPLETION if (frame := read_old(directory, table)) is not None}
    manifest = manifest_of(directory)
    if {"steps", "series", "runs", "epochs"} & set(old):
        frames = _trained(old, manifest)
    elif "accuracies" in old:
        frames = {table: _keyed(frame, network="model", model="architecture") for table, frame in old.items()}
    elif old:
        frames = {"models": old["models"], "measurements": measurements(old["measurements"])}
        frames |= {"histograms": old["histograms"]} if "histograms" in old else {}
    else:
        raise ValueError(f"{directory} holds no tables of 0.1")
    frames = {table: typed(frame) for table, frame in frames.items()}
    if "measurements" in frames:
        frames["measurements"]["study"] = study or directory.resolve().name
    return frames


def write_converted(
    old_directory: Path,
    new_directory: Path,
    study: str | None = None,
    manifest: Callable[[Manifest, Frames], Manifest] | None = None,
) -> Frames:
    """Write one file ``TABLE.parquet`` (zstd) per table of an old directory, and its manifest; return the frames.

    Args:
        old_directory: left as it is.
        new_directory: made if it is not there.
        study: see ``convert``.
        manifest: makes the new manifest of the old one and the frames; ``new_manifest`` if None.
    """
    frames = convert(old_directory, study)
    new_directory.mkdir(parents=True, exist_ok=True)
    for table, frame in frames.items():
        pq.write_table(arrow(frame), new_directory / f"{table}.parquet", compression="zstd")
    text = json.dumps((manifest or new_manifest)(manifest_of(old_directory), frames), indent=1)
    (new_directory / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return frames


def new_manifest(old: Manifest, frames: Frames) -> Manifest:
    """Return the manifest of a converted directory: for now the old one.

    HOOK of the engine: title, question, kind, and the versions and commands of every run go here.
    """
    del frames
    return old


def manifest_of(directory: Path) -> Manifest:
    """Return the manifest of a directory, empty if there is none."""
    file = directory / "manifest.json"
    found: Manifest = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def read_old(directory: Path, table: str) -> pd.DataFrame | None:
    """Return the rows of all finished parts of an old table, None if it has none."""
    marks = directory / COMPLETION[table]
    parts = sorted((directory / table).glob("*.parquet"))
    if marks.is_dir():  # published trainings have no table of runs; what was published is finished
        parts = [part for part in parts if (marks / part.name).exists()]
    if not parts:
        return None
    whole = pa.concat_tables([pq.read_table(part, partitioning=None) for part in parts], promote_options="default")
    return whole.to_pandas(types_mapper=PANDAS.get)


def measurements(old: pd.DataFrame) -> pd.DataFrame:
    """Return rows with a column ``metric`` of 0.1 as rows of ``measurements``, in the same order."""
    names = pd.DataFrame([name_of(metric) for metric in old["metric"]], columns=list(Name._fields), index=old.index)
    found = old.drop(columns="metric").join(names.astype({"plane": "Int64"}))
    return found.reindex(columns=list(MEASUREMENTS))


def comparison(old: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of ``compare --json`` of 0.1 with metric and plane in columns of their own."""
    frame = pd.DataFrame(list(old))
    names = [name_of(metric) for metric in frame["metric"]]
    return typed(frame.assign(metric=[name.metric for name in names], plane=[name.plane for name in names]))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose columns have the types of TYPES, whatever nulls made of them.

    What 0.1 wrote as an empty text for the whole model is null today.
    """
    empty = {name: frame[name].replace("", None) for name in ("tensor", "kind", "shape") if name in frame}
    return arrow(frame.assign(**empty)).to_pandas(types_mapper=PANDAS.get)


def arrow(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as an Arrow table with the types of TYPES."""
    schema = pa.schema([(name, _type_of(name, "margin" in frame or "tensor" in frame)) for name in frame.columns])
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)


def _type_of(column: str, of_rounding: bool) -> pa.DataType:
    if column == "reference":  # of rounding, what planes are compared with; of a run, a step
        return pa.string() if of_rounding else pa.int64()
    return TYPES.get(column, pa.float64())


def _keyed(frame: pd.DataFrame, **columns: str) -> pd.DataFrame:
    return frame.rename(columns=columns)


def _trained(old: Frames, manifest: Manifest) -> Frames:
    """Return runs, curves and measurements of a training, a watched training or a series."""
    runs = _runs(old, manifest)
    steps = _keyed(old["steps"], run="model") if "steps" in old else None
    epochs = _with_steps(_keyed(old["epochs"], run="model"), runs) if "epochs" in old else None
    rows = [] if steps is None else [_marked(measurements(steps), manifest)]
    if epochs is not None:
        done = set() if steps is None else set(steps["model"])
        rows.append(measurements(_watched(epochs[~epochs["model"].isin(done)])))
    curves = epochs if epochs is not None else _losses(steps)
    return {
        "runs": runs,
        "curves": curves.reindex(columns=list(CURVES)),
        "measurements": pd.concat(rows, ignore_index=True),
    }


def _runs(old: Frames, manifest: Manifest) -> pd.DataFrame:
    """Return one row per run: columns of ``runs``, and those of ``series`` that it lacks."""
    series = _keyed(old["series"], run="model", network="architecture") if "series" in old else None
    if "runs" in old:
        runs = _keyed(old["runs"], run="model", model="architecture")
        if series is None:
            return runs
        more = ["model", *(name for name in series.columns if name not in runs.columns)]
        return runs.merge(series[more], on="model", how="left", validate="1:1")
    return series if series is not None else _runs_of_keys(old["epochs"]["run"].unique(), manifest["plan"])


def _runs_of_keys(keys: Iterable[str], plan: Mapping[str, Any]) -> pd.DataFrame:
    """Return what keys and plan say of runs whose table is missing: network, method, seed and recipe."""
    rows = []
    for key in keys:
        rest, _, seed = key.removeprefix(f"{plan['dataset']}-").rpartition("-")
        network = max((name for name in plan["models"] if rest.startswith(f"{name}-")), key=len)
        recipe = plan["recipes"][network]
        facts = {name: recipe[name] for name in ("optimizer", "learning_rate", "weight_decay", "batch_size")}
        facts |= {"dataset": plan["dataset"], "preset": plan["preset"], "seed": int(seed)}
        rows.append({"model": key, "architecture": network, "method": rest.removeprefix(f"{network}-")} | facts)
    return pd.DataFrame(rows)


def _with_steps(epochs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return epochs with seed and step of their run, 0 being before training."""
    known = runs.set_index("model")
    each = {run: _steps_per_epoch(_examples(row), int(row["batch_size"])) for run, row in known.iterrows()}
    seed = epochs["model"].map(known["seed"])
    return epochs.assign(seed=seed, step=epochs["epoch"] * epochs["model"].map(each))


def _examples(run: pd.Series) -> int:
    known = run.get("examples")
    return EXAMPLES[run["dataset"]] if known is None or pd.isna(known) else int(known)


def _steps_per_epoch(examples: int, batch_size: int) -> int:
    """Return the optimizer steps of an epoch, where a last batch of a single image is left out."""
    alone = examples > 1 and examples % batch_size == 1
    return -(-(examples - alone) // batch_size)


def _watched(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per watched metric of an epoch, in the order of epochs; for runs without a table of steps."""
    found = [
        epochs[["model", "seed", "step"]].assign(metric=metric, value=epochs[metric], unit=unit, status="ok", **MODEL)
        for metric, unit in WATCHED.items()
    ]
    return pd.concat(found).dropna(subset="value").sort_index(kind="stable")


def _losses(steps: pd.DataFrame) -> pd.DataFrame:
    """Return a row per step that has a loss, an accuracy or an epoch."""
    each = steps.drop_duplicates(["model", "step"])
    return each.dropna(subset=["epoch", *LOSSES], how="all")


def _marked(rows: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Return rows with the preset that the plan names: of planes, or of all if it is one without planes."""
    plan = manifest.get("plan", {})
    chosen = plan.get("preset") if plan.get("kind") == "trajectory" else "fixed"  # what a training watches planes by
    whole = chosen == "momos-paper"
    return rows.assign(preset=rows["metric"].map(lambda metric: chosen if whole or metric == "qubd" else None))
