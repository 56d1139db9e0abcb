import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

import complexity_lab as cl
from complexity_lab.errors import InputError, OutputError, WeightsError
from complexity_lab.momos.models import MLP
from complexity_lab.momos.mosaic import distinct_rows, mosaic_of, pack_bits, unpack_bits
from complexity_lab.momos.projection import MoMos

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.uint8)


def same_bits(found, wanted):
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        a, b = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (found[name], tensor))
        assert torch.equal(a, b), name


def motif_model(seed=0, hidden=(64, 64), **options):
    torch.manual_seed(seed)
    model = MLP(hidden, in_features=48)
    projection = MoMos(**({"s": 4, "capacity": 0.05} | options))(model)
    return model, projection


@given(
    shapes=st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=5),
    kinds=st.lists(st.sampled_from(DTYPES), min_size=5, max_size=5),
    levels=st.integers(1, 3),
    s=st.sampled_from([None, 1, 2, 3, 4, 16]),
    entropy=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_packed_comes_back_bit_for_bit(tmp_path_factory, shapes, kinds, levels, s, entropy):
    path = tmp_path_factory.mktemp("packed") / "model.safetensors"
    generator = torch.Generator().manual_seed(len(shapes))
    state = {
        f"t{i}": torch.randint(-levels, levels, shape, generator=generator).to(kind)
        for i, (shape, kind) in enumerate(zip(shapes, kinds, strict=False))
    }
    cl.pack(state, path, s=s, entropy=entropy)
    same_bits(cl.unpack(path), state)


def test_signs_of_zero_and_payloads_of_nan_survive(tmp_path):
    bits = torch.tensor([0, -(2**31), 0x7FC00001, 0x7FC00002, 1] * 40, dtype=torch.int32)
    state = {"odd": bits.view(torch.float32), "zeros": torch.tensor([0.0, -0.0] * 100)}
    cl.pack(state, tmp_path / "p", s=2)
    same_bits(cl.unpack(tmp_path / "p"), state)


def test_tied_and_sliced_tensors(tmp_path):
    shared = torch.randn(8, 8)
    state = {"a": shared, "view": shared.T, "b": shared, "part": shared[::2]}
    cl.pack(state, tmp_path / "p")
    found = cl.unpack(tmp_path / "p")
    same_bits(found, state)
    assert found["b"] is found["a"]


def test_a_mosaic_is_as_small_as_its_compression_says(tmp_path):
    model, projection = motif_model(hidden=(256, 256), capacity=0.01)
    report = cl.pack(model, tmp_path / "p")
    assert report.s == 4
    assert report.k <= projection.k + 8  # the last block of a tensor may be cut from a motif
    assert report.rac == pytest.approx(projection.rac, rel=0.02)
    assert 0.85 * report.rac < report.ratio < report.rac
    assert report.packed_bytes == (tmp_path / "p").stat().st_size
    same_bits(cl.unpack(tmp_path / "p"), model.state_dict())


def test_a_model_without_motifs_does_not_grow(tmp_path):
    report = cl.pack(MLP((64,), in_features=48), tmp_path / "p")
    assert report.packed_bytes < 1.01 * report.dense_bytes + 4096
    assert (report.k, report.rac) == (0, 1.0)


def test_dense_size_is_that_of_a_safetensors_file(tmp_path):
    model, _ = motif_model()
    save_file(model.state_dict(), tmp_path / "dense")
    report = cl.pack(model, tmp_path / "p", compare=True)
    assert report.dense_bytes == (tmp_path / "dense").stat().st_size
    assert report.gzip_bytes < report.dense_bytes
    assert report.zstd_bytes < report.dense_bytes


def test_entropy_coding_is_used_only_where_it_helps(tmp_path):
    skewed = {"w": torch.where(torch.rand(40_000, generator=torch.Generator().manual_seed(0)) < 0.02, 1.0, 0.0)}
    plain = cl.pack(skewed, tmp_path / "a", s=4)
    coded = cl.pack(skewed, tmp_path / "b", s=4, entropy=True)
    assert coded.entropy_coded
    assert coded.packed_bytes < plain.packed_bytes
    same_bits(cl.unpack(tmp_path / "b"), skewed)
    fair = {"w": torch.randint(0, 2, (40_000,), generator=torch.Generator().manual_seed(0)).float()}
    assert not cl.pack(fair, tmp_path / "c", s=4, entropy=True).entropy_coded


def test_buffers_and_other_types_are_kept(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    MoMos(s=4, k=4)(model)
    cl.pack(model, tmp_path / "p")
    found = cl.unpack(tmp_path / "p")
    same_bits(found, model.state_dict())
    model.load_state_dict(found)


@given(bits=st.integers(0, 20), count=st.integers(0, 300))
def test_indices_are_packed_least_significant_bit_first(bits, count):
    indices = np.random.default_rng(count).integers(0, 2**bits, count)
    packed = pack_bits(indices, bits)
    stream = "".join(format(index, f"0{bits}b")[::-1] for index in indices) if bits else ""
    assert packed.size == -(-len(stream) // 8)
    assert "".join(format(byte, "08b")[::-1] for byte in packed)[: len(stream)] == stream
    assert unpack_bits(packed, bits, count).tolist() == (indices if bits else np.zeros(count)).tolist()


def test_pieces_of_the_packing_join():
    indices = np.arange(200_000) % 5
    assert np.array_equal(unpack_bits(pack_bits(indices, 3), 3, 200_000), indices)


def test_rows_that_share_a_hash_are_told_apart(monkeypatch):
    rows = np.array([[1, 2], [1, 2], [3, 4]], dtype=np.uint32)
    whole = np.unique
    monkeypatch.setattr(np, "unique", lambda a, **k: whole(a * np.uint64(0) if a.ndim == 1 and k else a, **k))
    different, inverse = distinct_rows(rows)
    assert different.tolist() == [[1, 2], [3, 4]]
    assert inverse.tolist() == [0, 0, 1]


def test_a_mosaic_gives_its_arrays_back():
    arrays = [np.arange(7, dtype=np.uint32), np.zeros(0, dtype=np.uint32), np.ones(4, dtype=np.uint32)]
    for found, wanted in zip(mosaic_of(arrays, 3).arrays(), arrays, strict=True):
        assert np.array_equal(found, wanted)


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "model.safetensors"
    cl.pack(motif_model()[0], path)
    return path


def header_of(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_every_flipped_byte_is_noticed(packed):
    data = bytearray(packed.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 40):
        broken = bytearray(data)
        broken[place] ^= 1
        packed.write_bytes(broken)
        with pytest.raises((WeightsError, InputError)):
            cl.unpack(packed)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file(packed, share):
    data = packed.read_bytes()
    packed.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match="is no whole safetensors file"):
        cl.unpack(packed)


def test_foreign_files(tmp_path, packed):
    save_file({"w": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="is not a packed model"):
        cl.unpack(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="does not exist"):
        cl.unpack(tmp_path / "nothing")
    header, body = header_of(packed)
    header["__metadata__"]["version"] = "2"
    write(packed, header, body)
    with pytest.raises(WeightsError, match="layout version 2, this program reads 1"):
        cl.unpack(packed)


def test_an_index_beyond_the_codebook(packed, monkeypatch):
    from complexity_lab.momos import artefact

    header, body = header_of(packed)
    layout = json.loads(header["__metadata__"]["layout"])
    layout["mosaics"]["float32"]["k"] = 2
    header["__metadata__"]["layout"] = json.dumps(layout)
    write(packed, header, body)
    monkeypatch.setattr(artefact, "_digest", lambda stored, layout: header["__metadata__"]["sha256"])
    with pytest.raises(WeightsError, match="an index lies beyond the codebook"):
        cl.unpack(packed)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({}, {}, "no tensors"),
        ({"w": 3}, {}, "wanted a module or a state dict"),
        ({"w": torch.zeros(4)}, {"s": 0}, "s = 0, wanted at least 1"),
    ],
)
def test_what_cannot_be_packed(tmp_path, model, options, message):
    with pytest.raises(InputError, match=message):
        cl.pack(model, tmp_path / "p", **options)
    assert not list(tmp_path.iterdir())


def test_nowhere_to_write(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        cl.pack(motif_model()[0], tmp_path / "missing" / "p")


def test_the_file_is_plain_safetensors(packed):
    tensors = load_file(packed)
    assert set(tensors) == {"codebook.float32", "indices.float32"}
    assert tensors["indices.float32"].dtype == torch.uint8
