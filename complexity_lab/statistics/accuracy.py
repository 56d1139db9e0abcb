"""How accurate the models of a survey are: from a file of results, or from the survey's own test data."""

from pathlib import Path
from typing import Any, Final

import pandas as pd

from complexity_lab.errors import InputError
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c

PUBLISHED_COLUMNS: Final[dict[str, str]] = {
    c.NAME: "model as the file names it",
    c.ARCHITECTURE: "the name up to its first dot",
    d.IMG_SIZE: "pixels per side of the images; NaN if the file does not say",
    d.TOP1: "fraction of images",
    d.TOP5: "fraction of images; NaN if the file does not say",
    c.PARAMETERS: "number, from millions in the file; NaN if the file does not say",
}
ACCURACY_COLUMNS: Final[dict[str, str]] = {
    c.MODEL: "id of the model in the survey",
    d.ACCURACY: "fraction of held-out examples; NaN if unknown",
    d.ORIGIN: "file, survey (measured by the zoo on the surveyed weights), or empty",
    d.MATCHED: "model in the file whose number this is; empty if none",
    c.REASON: "why there is no accuracy; empty if there is",
}
NOT_IN_FILE: Final = "not in the file"
NO_SOURCE: Final = "no file of accuracies, and the zoo reports none"


def read_accuracy(path: Path) -> pd.DataFrame:
    """Read a file of results in timm's format, columns PUBLISHED_COLUMNS.

    Columns ``model`` and ``top1`` (percent) must be there; ``img_size``, ``top5`` (percent) and ``param_count``
    (millions) may be; others are ignored. Numbers may have commas between thousands.

    Raises:
        InputError: no such file, no CSV, columns missing, or what is not a percentage from 0 to 100.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as CSV ({why}); wanted timm's results format") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} has rows of more fields than its header; wanted timm's results format")
    missing = [name for name in ("model", "top1") if name not in table.columns]
    if missing:
        raise InputError(f"{path} has columns {', '.join(table.columns)}; wanted also {', '.join(missing)}")
    if (table[c.MODEL].str.strip() == "").any():
        raise InputError(f"{path}: row {1 + int((table[c.MODEL].str.strip() == '').argmax())} names no model")
    names = table[c.MODEL].str.strip()
    return pd.DataFrame(
        {
            c.NAME: names.astype("str"),
            c.ARCHITECTURE: names.str.split(".", n=1).str[0].astype("str"),
            d.IMG_SIZE: _numbers(path, table, "img_size"),
            d.TOP1: _percentages(path, table, "top1", required=True) / 100,
            d.TOP5: _percentages(path, table, "top5") / 100,
            c.PARAMETERS: _numbers(path, table, "param_count") * 1e6,
        }
    )


def model_accuracy(models: pd.DataFrame, published: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row per model with its accuracy and where it is from, columns ACCURACY_COLUMNS.

    In this order: the row of the file with the model's id; the survey's own ``test_accuracy``; the only name in the
    file with the model's architecture, that is, whatever comes before the first dot. Several names of that
    architecture are ambiguous, since pretraining changes accuracy, and leave the accuracy unknown.

    A model may be in the file several times, at several image sizes: the smallest counts, which is nearest to what
    networks are trained at. Rows of one size that disagree are ambiguous.

    Args:
        models: the survey's table of models.
        published: what :func:`read_accuracy` returned, or None.
    """
    rows = [_one(row, published) for row in models[[c.MODEL, c.ARCHITECTURE, c.TEST_ACCURACY]].to_dict("records")]
    table = pd.DataFrame(rows, columns=list(ACCURACY_COLUMNS))
    return table.astype({d.ACCURACY: float} | dict.fromkeys((c.MODEL, d.ORIGIN, d.MATCHED, c.REASON), "str"))


def _one(row: dict[Any, Any], published: pd.DataFrame | None) -> dict[Any, Any]:
    found = {c.MODEL: row[c.MODEL], d.ACCURACY: float("nan"), d.ORIGIN: "", d.MATCHED: "", c.REASON: ""}
    own = row[c.TEST_ACCURACY]
    named = None if published is None else published.loc[published[c.NAME] == row[c.MODEL]]
    if named is not None and len(named):
        return found | _from_file(named)
    if isinstance(own, float) and own == own:
        return found | {d.ACCURACY: own, d.ORIGIN: "survey"}
    if published is None:
        return found | {c.REASON: NO_SOURCE}
    alike = published.loc[published[c.ARCHITECTURE] == (row[c.ARCHITECTURE] or row[c.MODEL])]
    if alike.empty:
        return found | {c.REASON: NOT_IN_FILE}
    if alike[c.NAME].nunique() > 1:
        names = ", ".join(sorted(alike[c.NAME].unique())[:3])
        return found | {c.REASON: f"{alike[c.NAME].nunique()} models of this architecture in the file: {names}"}
    return found | _from_file(alike)


def _from_file(rows: pd.DataFrame) -> dict[Any, Any]:
    """Return the number of one name: that of its smallest images, if rows of that size agree."""
    name = rows[c.NAME].iloc[0]
    smallest = rows.loc[rows[d.IMG_SIZE] == rows[d.IMG_SIZE].min()] if rows[d.IMG_SIZE].notna().any() else rows
    values = smallest[d.TOP1].unique()
    if len(values) > 1:
        shown = ", ".join(f"{100 * value:g}" for value in values[:3])
        return {c.REASON: f"{name} is in the file {len(smallest)} times with different top1: {shown}"}
    return {d.ACCURACY: float(values[0]), d.ORIGIN: "file", d.MATCHED: name}


def _percentages(path: Path, table: pd.DataFrame, column: str, required: bool = False) -> "pd.Series[float]":
    values = _numbers(path, table, column, required)
    wrong = (values < 0) | (values > 100)
    if wrong.any():
        raise InputError(
            f"{path}: {column} of {table[c.MODEL][wrong].iloc[0]} is {values[wrong].iloc[0]:g}, wanted 0 to 100 percent"
        )
    return values


def _numbers(path: Path, table: pd.DataFrame, column: str, required: bool = False) -> "pd.Series[float]":
    """Return a column as numbers, NaN where it is empty or absent; refuses empty cells of a required one."""
    if column not in table:
        return pd.Series(float("nan"), index=table.index)
    text = table[column].str.strip().str.replace(",", "", regex=False)
    values = pd.to_numeric(text, errors="coerce").astype(float)
    wrong = ~values.abs().lt(float("inf")) & (text.ne("") | required)
    if wrong.any():
        raise InputError(
            f"{path}: {column} of {table[c.MODEL][wrong].iloc[0]} is {table[column][wrong].iloc[0]!r}, wanted a number"
        )
    return values
