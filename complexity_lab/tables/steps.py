"""Columns of complexity over training: one long table that series of checkpoints and watched trainings share."""

import pyarrow as pa

from complexity_lab.tables.schema import Column

STEPS: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run or series, unique in the directory"),
    ("step", pa.int64(), "optimizer steps taken; 0 is before training; of a series, the number in its name"),
    ("epoch", pa.float64(), "passes over the training data; null where that is not known"),
    ("seed", pa.int64(), "seed of the run; null where there is none"),
    ("scope", pa.string(), "model (the whole network) or tensor"),
    ("tensor", pa.string(), "name of the tensor, empty for scope model"),
    ("kind", pa.string(), "matrix, norm, bias, embedding or other; empty for scope model"),
    ("shape", pa.string(), "64x3x7x7; empty for scope model"),
    ("metric", pa.string(), "name as in measurements: bdm, qubd, qubd_plane0, qubd_shuffle_mean, gzip, ..."),
    ("value", pa.float64(), "the number, null unless status is ok"),
    ("unit", pa.string(), "unit of value"),
    ("scored", pa.int64(), "weights that entered the number"),
    ("dropped", pa.int64(), "weights that did not"),
    ("train_loss", pa.float64(), "of these weights on the training data, mean over examples; null if unknown"),
    ("train_accuracy", pa.float64(), "fraction of training examples; null if unknown"),
    ("validation_loss", pa.float64(), "of these weights, mean over examples; null if unknown"),
    ("validation_accuracy", pa.float64(), "fraction of validation examples; null if unknown"),
    ("source", pa.string(), "file, revision or network that was measured"),
    ("status", pa.string(), "ok, failed or skipped"),
    ("reason", pa.string(), "why not ok, null if ok"),
)

SERIES: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run or series"),
    ("name", pa.string(), "what a reader calls it: a network and its training data"),
    ("group", pa.string(), "runs that differ only in their seed share it"),
    ("network", pa.string(), "architecture"),
    ("parameters", pa.int64(), "trainable parameters"),
    ("examples", pa.int64(), "training examples; null if unknown"),
    ("seed", pa.int64(), "of initialization, data order and split; null where there is none"),
    ("optimizer", pa.string(), "optimizer and its settings, in words; null if unknown"),
    ("test_accuracy", pa.float64(), "of the last weights; fraction of test examples; null if unknown"),
    ("seconds", pa.float64(), "wall time; seconds"),
    ("status", pa.string(), "ok or failed"),
    ("error_type", pa.string(), "class of the error, null if ok"),
    ("error", pa.string(), "one sentence, null if ok"),
)

TRAJECTORY_TABLES = {"steps": STEPS, "series": SERIES}  # series last: a row of it marks completion
