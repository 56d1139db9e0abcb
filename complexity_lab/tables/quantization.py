"""Rows of a study of rounding: one Parquet part per network and table, each appearing by atomic rename.

A network is an architecture and the seed of its training. Its part of ``accuracies`` is written last, so its presence
means that the network is finished; one that failed is a single row there that says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from complexity_lab.errors import InputError
from complexity_lab.files import write_atomically, writing
from complexity_lab.tables.schema import Column, schema
from complexity_lab.tables.store import part_name, read_manifest

if TYPE_CHECKING:
    import pandas as pd

QuantizationTable = Literal["layers", "sensitivities", "accuracies"]
Row = Mapping[str, Any]

LAYERS: tuple[Column, ...] = (
    ("network", pa.string(), "key: model and seed"),
    ("model", pa.string(), "architecture"),
    ("seed", pa.int64(), "of the training"),
    ("tensor", pa.string(), "name of the parameter"),
    ("place", pa.int64(), "among the tensors of two or more axes, in model order, from 0"),
    ("kind", pa.string(), "matrix, norm, bias, embedding or other"),
    ("shape", pa.string(), "64x3x7x7"),
    ("weights", pa.int64(), "values in the tensor"),
    ("reference", pa.string(), "shuffle, initial or random"),
    ("profile", pa.list_(pa.float64()), "QuBD of each plane, least significant first; bits; null if not scored"),
    ("percent", pa.list_(pa.float64()), "of the reference, plane by plane; null if not scored"),
    ("t", pa.list_(pa.float64()), "standard errors from the reference, plane by plane; null if not scored"),
    ("shown", pa.int64(), "most significant planes that include every structured or unresolved one; null if none told"),
    ("suggested", pa.bool_(), "whether the planes told"),
    ("reason", pa.string(), "why they did not, null if they did"),
    ("bare_bits", pa.int64(), "planes down to the last below the threshold, chance not considered; null if not scored"),
)

SENSITIVITIES: tuple[Column, ...] = (
    ("network", pa.string(), "key: model and seed"),
    ("model", pa.string(), "architecture"),
    ("seed", pa.int64(), "of the training"),
    ("tensor", pa.string(), "name of the parameter"),
    ("weights", pa.int64(), "values in the tensor"),
    ("bits", pa.int64(), "of each weight of this tensor, all others left as trained"),
    ("relative_error", pa.float64(), "squared rounding error over squared norm of the tensor"),
    ("validation_accuracy", pa.float64(), "with this tensor alone rounded; fraction; null if not evaluated"),
    ("validation_loss", pa.float64(), "cross-entropy; nats; null if not evaluated"),
)

ACCURACIES: tuple[Column, ...] = (
    ("network", pa.string(), "key: model and seed"),
    ("model", pa.string(), "architecture"),
    ("family", pa.string(), "family of architectures"),
    ("parameters", pa.int64(), "trainable parameters"),
    ("seed", pa.int64(), "of the training"),
    ("method", pa.string(), "float, uniform, suggested; flat, bare, by_error: see statistics.quantization"),
    ("reference", pa.string(), "of a suggestion, or of the one whose budget this is; null otherwise"),
    ("margin", pa.int64(), "planes kept below the structure; null without reference"),
    ("bits", pa.int64(), "of uniform rounding; null otherwise"),
    ("mean_bits", pa.float64(), "mean over the rounded weights; 32 for float"),
    ("tensors", pa.int64(), "rounded tensors, those of two or more axes"),
    ("weights", pa.int64(), "values in them"),
    ("suggested_weights", pa.int64(), "values in tensors whose planes told; null without reference"),
    ("validation_accuracy", pa.float64(), "fraction of the validation images"),
    ("validation_loss", pa.float64(), "cross-entropy; nats"),
    ("validation_images", pa.int64(), "how many"),
    ("test_accuracy", pa.float64(), "fraction of the test images"),
    ("test_loss", pa.float64(), "cross-entropy; nats"),
    ("test_images", pa.int64(), "how many"),
    ("seconds", pa.float64(), "of the whole network; seconds"),
    ("status", pa.string(), "ok or failed"),
    ("error_type", pa.string(), "class of the error, null if ok"),
    ("error", pa.string(), "one sentence, null if ok"),
)

QUANTIZATION_TABLES = {"layers": LAYERS, "sensitivities": SENSITIVITIES, "accuracies": ACCURACIES}  # last: completion


def write_network(
    directory: Path, network: str, rows: Mapping[QuantizationTable, Sequence[Row]], metadata: Mapping[str, str]
) -> None:
    """Write the rows of one network, which is finished when this returns, and not before.

    Raises:
        OutputError: the directory cannot be written.
    """
    with writing(directory):
        for table, columns in QUANTIZATION_TABLES.items():
            content = list(rows.get(table, ()))  # type: ignore[call-overload]  # the literals
            sink = pa.BufferOutputStream()
            pq.write_table(
                pa.Table.from_pylist(content, schema=schema(columns, dict(metadata))), sink, compression="zstd"
            )
            (directory / table).mkdir(parents=True, exist_ok=True)
            write_atomically(directory / table / part_name(network), sink.getvalue())


def finished_networks(directory: Path) -> dict[str, str | None]:
    """Return the error of each finished network by its key, None where it is ok."""
    found: dict[str, str | None] = {}
    for path in sorted((directory / "accuracies").glob("*.parquet")):
        for row in pq.read_table(path, columns=["network", "status", "error"], partitioning=None).to_pylist():
            found[row["network"]] = None if row["status"] == "ok" else row["error"] or "no reason recorded"
    return found


def forget_networks(directory: Path, networks: Iterable[str]) -> None:
    """Remove the rows of networks, which will then be rounded again."""
    with writing(directory):
        for network in networks:
            for table in reversed(QUANTIZATION_TABLES):
                (directory / table / part_name(network)).unlink(missing_ok=True)


def read_quantization(directory: Path, table: QuantizationTable) -> pd.DataFrame:
    """Return one table of a study, sorted so that it does not depend on the order of work; finished networks only.

    Raises:
        InputError: the directory holds no such study, or a part is damaged.
    """
    if read_manifest(directory).get("plan", {}).get("kind") != "quantization":
        raise InputError(f"{directory} holds no study of quantization")
    done = {part_name(network) for network in finished_networks(directory)}
    parts = [part for part in sorted((directory / table).glob("*.parquet")) if part.name in done]
    try:
        tables = [pq.read_table(part, partitioning=None) for part in parts]
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"a part of {directory / table} is damaged ({error}); remove it and run again") from None
    columns = schema(QUANTIZATION_TABLES[table])
    frame: pd.DataFrame = pa.concat_tables([columns.empty_table(), *tables], promote_options="default").to_pandas()
    return frame.sort_values(["model", "seed"], kind="stable", ignore_index=True)
