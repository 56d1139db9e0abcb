"""Column names and types of every table on disk, with their meaning and unit."""

import pyarrow as pa

Column = tuple[str, pa.DataType, str]

MODELS: tuple[Column, ...] = (
    ("model", pa.string(), "id of the model, unique in the survey"),
    ("zoo", pa.string(), "zoo that supplied it"),
    ("architecture", pa.string(), "architecture without pretraining tag"),
    ("tag", pa.string(), "pretraining tag, empty if none"),
    ("family", pa.string(), "family of architectures"),
    ("parameters", pa.int64(), "trainable parameters, shared tensors once; counted if measured, else from the card"),
    ("dataset", pa.string(), "training data, as the zoo names it"),
    ("licence", pa.string(), "licence of the weights, as the publisher names it"),
    ("source", pa.string(), "where the weights come from: hub id, path or recipe"),
    ("revision", pa.string(), "commit, checksum or recipe version of the trained weights"),
    ("test_accuracy", pa.float64(), "mean over trained seeds, fraction of held-out examples; null if unknown"),
    ("test_accuracy_lowest", pa.float64(), "lowest of the trained seeds"),
    ("status", pa.string(), "ok, failed or skipped"),
    ("error_type", pa.string(), "class of the error, null if ok"),
    ("error", pa.string(), "one sentence, null if ok"),
    ("seconds_build", pa.float64(), "building and initializing the module, all seeds; seconds"),
    ("seconds_load", pa.float64(), "fetching or training, and reading trained weights; seconds"),
    ("seconds_measure", pa.float64(), "counting and estimating; seconds"),
    ("peak_memory", pa.int64(), "highest resident memory of the worker so far; bytes"),
)

MEASUREMENTS: tuple[Column, ...] = (
    ("model", pa.string(), "id of the model"),
    ("state", pa.string(), "initial or trained"),
    ("seed", pa.int64(), "seed of the initialization or training; null where there is only one set of weights"),
    ("scope", pa.string(), "model (the whole parameter stream) or tensor"),
    ("tensor", pa.string(), "name of the tensor, empty for scope model"),
    ("kind", pa.string(), "matrix, norm, bias, embedding or other; empty for scope model"),
    ("shape", pa.string(), "64x3x7x7; empty for scope model"),
    ("metric", pa.string(), "name in the registry of estimators"),
    ("value", pa.float64(), "the number, null unless status is ok"),
    ("unit", pa.string(), "unit of value"),
    ("scored", pa.int64(), "weights that entered the number"),
    ("dropped", pa.int64(), "weights that did not (incomplete blocks)"),
    ("ones", pa.int64(), "scored weights above zero; null for compressors"),
    ("blocks", pa.int64(), "blocks counted; null for compressors"),
    ("distinct_blocks", pa.int64(), "different blocks seen; null for compressors"),
    ("raw_bytes", pa.int64(), "payload of a compressor; null otherwise"),
    ("compressed_bytes", pa.int64(), "its compressed size; null otherwise"),
    ("status", pa.string(), "ok, failed or skipped"),
    ("reason", pa.string(), "why not ok, null if ok"),
)

HISTOGRAMS: tuple[Column, ...] = (
    ("model", pa.string(), "id of the model"),
    ("state", pa.string(), "initial or trained"),
    ("seed", pa.int64(), "as in measurements"),
    ("block", pa.string(), "12 or 4x4"),
    ("scored", pa.int64(), "weights in complete blocks"),
    ("dropped", pa.int64(), "weights outside"),
    ("ones", pa.int64(), "scored weights above zero"),
    ("codes", pa.list_(pa.int32()), "blocks that occur; bit i of a code is the i-th value of the block, row-major"),
    ("counts", pa.list_(pa.int64()), "occurrences of each code"),
)


def schema(columns: tuple[Column, ...], metadata: dict[str, str] | None = None) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its meaning as ``description``."""
    fields = [pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns]
    return pa.schema(fields, metadata=metadata)


TABLES = {"models": MODELS, "measurements": MEASUREMENTS, "histograms": HISTOGRAMS}
