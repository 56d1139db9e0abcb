"""What a person may name as a source, and the sentence when the file system does not agree."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from complexity_lab.errors import ComplexityLabError, UnreachableError, WeightsError
from complexity_lab.weights.from_safetensors import SafetensorsFile, SafetensorsShards
from complexity_lab.zoo.sources import INDEX, resolve


@pytest.mark.parametrize("source", ["x" * 300, "x" * 300 + ".pt", "digits:" + "x" * 300])
def test_a_source_too_long_for_the_file_system(source):
    with pytest.raises(
        UnreachableError, match=r"x\.\.\. \(\d+ characters\) cannot be looked up: File name too long; name"
    ):
        resolve(source)


def test_a_directory_without_permission(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(UnreachableError, match="cannot be looked up: Permission denied"):
        resolve(tmp_path)


def test_a_null_character():
    with pytest.raises(ComplexityLabError):
        resolve("a\0.pt")


def test_files_and_indexed_shards(tmp_path):
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "a.safetensors")
    assert resolve(tmp_path) == SafetensorsFile(tmp_path / "a.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"w": "a.safetensors"}}))
    assert resolve(str(tmp_path)) == SafetensorsShards((tmp_path / "a.safetensors",), str(tmp_path))


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"w": 3}}'])
def test_damaged_indices(tmp_path, index):
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(WeightsError, match="is damaged; fetch it again"):
        resolve(tmp_path)
