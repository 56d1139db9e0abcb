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
    ("metric", pa.string(), "name in the registry of estimators; qubd, qubd_plane0 (least significant), ...; nulls"),
    ("value", pa.float64(), "the number, null unless status is ok"),
    ("unit", pa.string(), "unit of value"),
    ("scored", pa.int64(), "weights that entered the number"),
    ("dropped", pa.int64(), "weights that did not (incomplete blocks)"),
    ("ones", pa.int64(), "scored weights above zero; null for compressors"),
    ("blocks", pa.int64(), "blocks counted; null for compressors"),
    ("distinct_blocks", pa.int64(), "different blocks seen; null for compressors"),
    ("raw_bytes", pa.int64(), "payload of a compressor; null otherwise"),
    ("compressed_bytes", pa.int64(), "its compressed size; null otherwise"),
    ("note", pa.string(), "how the values were read, if not as they are stored: dequantized, float8; null otherwise"),
    ("preset", pa.string(), "rules the number was made by: qubd-paper, fixed or momos-paper; null if none was chosen"),
    (
        "departures",
        pa.string(),
        "where these rules, as computed here, differ from the publication; null without preset",
    ),
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

RUNS: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run, unique in the experiment"),
    ("dataset", pa.string(), "images it was trained on"),
    ("model", pa.string(), "architecture"),
    ("method", pa.string(), "baseline, qat-8, momos-s4-c0.01, ..."),
    ("kind", pa.string(), "baseline, qat, momos or momos+qat"),
    ("bits", pa.int64(), "bits of a weight in the forward pass; 32 without rounding"),
    ("s", pa.int64(), "values in a block; null without motifs"),
    ("capacity", pa.float64(), "motifs as a share of the blocks; null if their number was given"),
    ("k", pa.int64(), "motifs"),
    ("blocks", pa.int64(), "blocks, incomplete ones included"),
    ("every", pa.string(), "when weights are projected: step, epoch, or a number of steps"),
    ("choice", pa.string(), "how motifs are chosen"),
    ("seed", pa.int64(), "seed of initialization, order of images, augmentation and motifs"),
    ("preset", pa.string(), "recipe: paper, reference or quick"),
    ("device", pa.string(), "where it was trained"),
    ("threads", pa.int64(), "of the CPU; sums in another order end in other last bits"),
    ("precision", pa.string(), "of the forward pass"),
    ("optimizer", pa.string(), "sgd or adamw"),
    ("learning_rate", pa.float64(), "at the start"),
    ("weight_decay", pa.float64(), "of every trainable parameter"),
    ("batch_size", pa.int64(), "images in a step"),
    ("image_size", pa.int64(), "pixels per side that the network sees"),
    ("patience", pa.int64(), "epochs without a lower validation loss before training stops; null never stops"),
    ("classes", pa.int64(), "of the images; guessing is right once in so many"),
    ("parameters", pa.int64(), "trainable parameters"),
    ("epochs_planned", pa.int64(), "epochs of the recipe"),
    ("epochs", pa.int64(), "epochs trained"),
    ("stopped_early", pa.bool_(), "whether the validation loss stopped falling for the recipe's patience"),
    ("best_epoch", pa.int64(), "epoch of the lowest validation loss"),
    ("validation_accuracy_best", pa.float64(), "at the best epoch; fraction of images"),
    ("validation_accuracy_final", pa.float64(), "at the last epoch; fraction of images"),
    ("test_accuracy_best", pa.float64(), "of the weights of the best epoch; fraction of images"),
    ("test_accuracy_final", pa.float64(), "of the last weights; fraction of images"),
    ("rac", pa.float64(), "relative algorithmic compression: dense bits over bits of the mosaic"),
    ("bdm_initial", pa.float64(), "BDM of the sign bits before training; bits"),
    ("bdm_final", pa.float64(), "BDM of the sign bits of the last weights; bits"),
    ("bdm_ratio", pa.float64(), "bdm_final / bdm_initial"),
    ("distortion_first", pa.float64(), "sum of squared changes of the last projection of the first epoch"),
    ("distortion_final", pa.float64(), "sum of squared changes of the last projection"),
    ("used_motifs", pa.int64(), "motifs that a block was given in the last projection"),
    ("distinct_motifs", pa.int64(), "motifs of different values in the last projection"),
    ("projections", pa.int64(), "projections in all"),
    ("seconds", pa.float64(), "wall time; seconds"),
    ("seconds_projection", pa.float64(), "of that in projections; seconds"),
    ("status", pa.string(), "ok or failed"),
    ("error_type", pa.string(), "class of the error, null if ok"),
    ("error", pa.string(), "one sentence, null if ok"),
)

EPOCHS: tuple[Column, ...] = (
    ("run", pa.string(), "key of the run"),
    ("epoch", pa.int64(), "0 is before training"),
    ("learning_rate", pa.float64(), "of the first group of parameters"),
    ("train_loss", pa.float64(), "mean over batches; null before training"),
    ("train_accuracy", pa.float64(), "fraction of images, in training mode; null before training"),
    ("validation_loss", pa.float64(), "mean over images"),
    ("validation_accuracy", pa.float64(), "fraction of images"),
    ("distortion", pa.float64(), "sum of squared changes of the last projection of the epoch"),
    ("num_changed_weights", pa.int64(), "weights that the last projection changed"),
    ("used_motifs", pa.int64(), "motifs that a block was given"),
    ("distinct_motifs", pa.int64(), "motifs of different values"),
    ("projections", pa.int64(), "projections in this epoch"),
    ("bdm", pa.float64(), "BDM of the sign bits of the raw parameters; bits"),
    ("bdm_ratio", pa.float64(), "over the BDM before training"),
    ("gzip", pa.float64(), "raw over compressed bytes of the packed sign bits; null if not asked for"),
    ("bz2", pa.float64(), "as gzip"),
    ("lzma", pa.float64(), "as gzip"),
    ("zstd", pa.float64(), "as gzip"),
    ("gzip:float32", pa.float64(), "raw over compressed bytes of the float32 values; null if not asked for"),
    ("seconds_training", pa.float64(), "optimizer steps, projections included; seconds"),
    ("seconds_projection", pa.float64(), "projections; seconds"),
)


def schema(columns: tuple[Column, ...], metadata: dict[str, str] | None = None) -> pa.Schema:
    """Return the Arrow schema of a table; each field carries its meaning as ``description``."""
    fields = [pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns]
    return pa.schema(fields, metadata=metadata)


TABLES = {"models": MODELS, "measurements": MEASUREMENTS, "histograms": HISTOGRAMS}
TRAINING_TABLES = {"epochs": EPOCHS, "runs": RUNS}  # runs last: they mark completion
