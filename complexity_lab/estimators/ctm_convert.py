"""Convert pybdm's CTM tables, which are pickles, to the checked array file that this package reads.

Run once, by a developer: ``python -m complexity_lab.estimators.ctm_convert``. It reads the data files of the installed
pybdm (MIT licence, see NOTICE) with an unpickler that can build dictionaries of strings and floats and nothing else.
"""

import gzip
import hashlib
import importlib.util
import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from complexity_lab.errors import InputError
from complexity_lab.estimators.ctm import SOURCES, TABLE_FILE, Shape


class _PlainUnpickler(pickle.Unpickler):
    """Allows the two classes that the tables need and no other."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an allowed class or raise."""
        allowed: dict[str, Any] = {"defaultdict": defaultdict, "OrderedDict": OrderedDict}
        if module == "collections" and name in allowed:
            return allowed[name]
        raise InputError(f"the CTM pickle asks for {module}.{name}, wanted plain dictionaries only")


def read_source(path: Path, sha256: str) -> dict[Shape, dict[str, float]]:
    """Read one of pybdm's gzipped pickles after checking its sha256."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(f"{path.name} has sha256 {found}, wanted {sha256}; install pybdm 0.1.0")
    tables: dict[Shape, dict[str, float]] = _PlainUnpickler(io.BytesIO(gzip.decompress(data))).load()
    return tables


def dense(table: Mapping[str, float], length: int) -> np.ndarray:
    """Turn {bit string: CTM} into an array indexed by block code; bit i of the code is character i of the string.

    A string that begins with 1 has the value of its complement (the tables hold one of each pair).
    """
    values = np.full(2**length, np.nan)
    for bits, ctm in table.items():
        code = sum(1 << i for i, bit in enumerate(bits) if bit == "1")
        values[code] = values[(2**length - 1) ^ code] = ctm
    if np.isnan(values).any():
        raise InputError(f"CTM table of {length} bits lacks {int(np.isnan(values).sum())} blocks")
    return values


def convert(target: Path) -> None:
    """Write every binary table (1-D 1 to 12, 2-D 1x1 to 4x4) to ``target`` with the checksums of its sources."""
    spec = importlib.util.find_spec("pybdm")  # found, not imported: pybdm 0.1.0 does not import on a fresh Python
    if spec is None or spec.origin is None:
        raise InputError("pybdm is not installed; run pip install pybdm==0.1.0")
    arrays: dict[str, np.ndarray] = {}
    for filename, sha256 in SOURCES.items():
        for shape, table in read_source(Path(spec.origin).parent / "ctmdata" / filename, sha256).items():
            arrays["x".join(map(str, shape))] = dense(table, int(np.prod(shape)))
    arrays["sources"] = np.array([f"{sha256}  {filename}" for filename, sha256 in SOURCES.items()])
    np.savez_compressed(target, allow_pickle=False, **arrays)


if __name__ == "__main__":
    convert(TABLE_FILE)
