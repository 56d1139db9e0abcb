"""The shipped CTM tables against the pickles of the installed pybdm, entry by entry."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators import ctm
from complexity_lab.estimators.ctm import SHAPES, SOURCES, TABLE_FILE, TABLE_SHA256, ctm_table
from complexity_lab.estimators.ctm_convert import convert, dense, read_source
from tests.oracle import pybdm


@pytest.mark.parametrize("shape", SHAPES)
def test_every_entry_and_its_complement(shape):
    tables = pybdm(len(shape))._ctm[shape]
    found = ctm_table(shape)
    assert len(tables) == found.size // 2
    for bits, value in tables.items():
        code = int(bits[::-1], 2)
        assert found[code] == value
        assert found[found.size - 1 - code] == value


def test_ranges_and_means_as_published():
    assert (ctm_table((12,)).min(), ctm_table((12,)).max()) == pytest.approx((25.610, 37.479), abs=1e-3)
    assert (ctm_table((4, 4)).min(), ctm_table((4, 4)).max()) == pytest.approx((22.007, 36.023), abs=1e-3)
    assert ctm_table((12,)).mean() == pytest.approx(32.505, abs=1e-3)
    assert ctm_table((4, 4)).mean() == pytest.approx(30.379, abs=1e-3)


def test_the_shipped_file_is_what_the_conversion_writes(tmp_path):
    convert(tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again, np.load(TABLE_FILE) as shipped:
        assert set(again.files) == set(shipped.files)
        for name in shipped.files:
            np.testing.assert_array_equal(again[name], shipped[name])
    assert hashlib.sha256(TABLE_FILE.read_bytes()).hexdigest() == TABLE_SHA256


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "ctm.npz"
    changed.write_bytes(TABLE_FILE.read_bytes()[:-1])
    monkeypatch.setattr(ctm, "TABLE_FILE", changed)
    with pytest.raises(WeightsError, match="sha256"):
        ctm._arrays.__wrapped__()


def test_a_foreign_source_is_refused(tmp_path):
    import gzip
    import pickle

    path = tmp_path / "ctm-b2-d12.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps({(1,): {"0": 1.0}})))
    with pytest.raises(InputError, match="sha256"):
        read_source(path, SOURCES["ctm-b2-d12.pkl.gz"])
    path.write_bytes(gzip.compress(pickle.dumps({(1,): Path})))
    with pytest.raises(InputError, match="plain dictionaries"):
        read_source(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="lacks 2 blocks"):
        dense({"00": 1.0}, 2)


def test_tables_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        ctm_table((12,))[0] = 0
    with pytest.raises(InputError, match="no CTM table for blocks of 13"):
        ctm_table((13,))
