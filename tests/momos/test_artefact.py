"""Packed files: every bit comes back, they are as small as they say, and damage is noticed."""

import errno
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import complexity_lab as cl
from complexity_lab.errors import ComplexityLabError, InputError, OutputError, UnreachableError, WeightsError
from complexity_lab.momos import bitpacking, codebook
from complexity_lab.momos.artefact import unpack_with_metadata
from complexity_lab.momos.bitpacking import decode, encode, pack_bits, unpack_bits
from complexity_lab.momos.container import Piece, packed_file, read_packed
from complexity_lab.momos.dense import DTYPES, dense_file
from complexity_lab.momos.models import MLP
from complexity_lab.momos.projection import MoMos


def octets(tensor):
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def assert_same_bits(found, wanted):
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(octets(found[name]), octets(tensor)), name


def there_and_back(state, path, *arguments, **options):
    report = cl.pack(state, path, *arguments, **options)
    assert report.packed_bytes == path.stat().st_size
    assert_same_bits(cl.unpack(path), state)
    return report


def projected(hidden=(64, 64, 64), in_features=48, **options):
    torch.manual_seed(0)
    model = MLP(hidden, in_features=in_features)
    generator = torch.Generator().manual_seed(1)
    return model, MoMos(**({"s": 4, "capacity": 0.01} | options), generator=generator)(model)


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "packed.safetensors"
    cl.pack(projected()[0], path)
    return path


# every bit comes back


@st.composite
def states(draw):
    """State dicts of few different values, so that much of them is packed, or of many."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    different = draw(st.sampled_from([1, 2, 3, 1000]))
    state = {}
    for number in range(draw(st.integers(1, 5))):
        dtype = getattr(torch, draw(st.sampled_from([*DTYPES, "float32", "float32"])))
        shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 17, 40]), max_size=3))
        pool = rng.integers(0, 256, (different, dtype.itemsize), dtype=np.uint8)
        if dtype == torch.bool:
            pool %= 2
        values = pool[rng.integers(0, different, int(np.prod(shape)))].reshape(-1)
        state[f"layer.{number}"] = torch.from_numpy(values).view(dtype).reshape(shape)
    return state


@given(
    states(),
    st.sampled_from([None, 1, 2, 3, 4, 32]),
    st.sampled_from([None, "tensor", "vector"]),
    st.sampled_from([None, None, (1, 1), (2, 1), (2, 3)]),
    st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_whatever_is_packed_comes_back_bit_for_bit(tmp_path_factory, state, s, padding, tile, entropy):
    path = tmp_path_factory.mktemp("packed") / "model.safetensors"
    wanted = {"padding": padding} if tile is None else {"tile": tile}
    wanted["s"] = s if tile is None else None
    try:
        report = cl.pack(state, path, entropy=entropy, **wanted)
    except InputError as error:
        assert "there is room for" in str(error)
        return
    assert_same_bits(cl.unpack(path), state)
    assert report.packed_bytes == path.stat().st_size
    assert report.packed_bytes < 1.01 * report.dense_bytes + 4096


def test_most_of_those_states_hold_blocks(tmp_path):
    """The property above would say nothing if all tensors were stored as they are."""
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        kind = getattr(torch, dtype)
        pool = rng.integers(0, 2 if dtype == "bool" else 256, (3, kind.itemsize), dtype=np.uint8)
        bits = torch.from_numpy(pool[rng.integers(0, 3, 6000)].reshape(-1))
        report = there_and_back({"w": bits.view(kind).reshape(60, 100)}, tmp_path / "p.safetensors")
        assert report.codebooks[0].dtype == dtype
        assert report.ratio > 2


def test_signs_of_zero_and_payloads_of_nan_survive(tmp_path):
    patterns = torch.tensor([0, -(2**31), 0x7FC00000, 0x7FC00001, 0x7F800001, -1], dtype=torch.int32)
    state = {"w": patterns.repeat(500).view(torch.float32).reshape(60, 50)}
    for s in (1, 2, 3, 4):
        report = there_and_back(state, tmp_path / "p.safetensors", s)
        assert report.codebooks, s
    assert cl.pack(state, tmp_path / "p.safetensors", 1).k == 6


def test_tied_tensors_are_stored_once_and_tied_again(tmp_path):
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40), nn.Linear(40, 40))
    model[2].weight = model[0].weight
    report = there_and_back(model.state_dict(), tmp_path / "p.safetensors")
    assert report.n == 2 * 40 * 40 + 3 * 40
    found = cl.unpack(tmp_path / "p.safetensors")
    assert found["2.weight"] is found["0.weight"]
    assert report.packed_bytes < 1.01 * report.dense_bytes + 4096
    model.load_state_dict(found)


def test_views_of_one_memory_that_differ_are_not_tied(tmp_path):
    whole = torch.randn(12, 12)
    state = {"whole": whole, "turned": whole.T, "half": whole[:, ::2], "row": whole[3], "wide": whole[0].expand(9, 12)}
    there_and_back(state, tmp_path / "p.safetensors")
    found = cl.unpack(tmp_path / "p.safetensors")
    assert len({tensor.data_ptr() for tensor in found.values()}) == len(state)


def test_buffers_integers_frozen_and_gradients(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3))
    model[0].requires_grad_(False)
    model[1].running_mean.normal_()
    MoMos(s=4, k=20)(model)
    report = there_and_back(model.state_dict(), tmp_path / "p.safetensors")
    assert report.codebooks[0].values < report.n
    cl.pack(model, tmp_path / "q.safetensors")
    fresh = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3))
    fresh.load_state_dict(cl.unpack(tmp_path / "q.safetensors"))
    assert_same_bits(fresh.state_dict(), model.state_dict())


def test_conjugates_are_resolved(tmp_path):
    state = {"w": torch.randn(20, dtype=torch.complex64).conj()}
    cl.pack(state, tmp_path / "p.safetensors")
    assert torch.equal(cl.unpack(tmp_path / "p.safetensors")["w"], state["w"])


def test_metadata_are_kept_and_the_bytes_do_not_depend_on_the_run(tmp_path):
    model = projected()[0]
    for name in ("a", "b"):
        cl.pack(model, tmp_path / name, metadata={"bits": "8", "ü": '"\n'})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert unpack_with_metadata(tmp_path / "a")[1] == {"bits": "8", "ü": '"\n'}


# they are as small as they say


def test_a_projected_mlp_is_as_short_as_its_mosaic(tmp_path):
    model, projection = projected((256, 256), 1024)
    report = cl.pack(model, tmp_path / "p.safetensors")
    assert report.s == 4
    assert report.k <= projection.k + 3  # the padded last block of a tensor may differ from its motif
    assert report.blocks == projection.blocks
    assert report.rac == pytest.approx(projection.rac, rel=0.01)
    assert 0.95 * report.rac < report.ratio < report.rac


def test_a_million_weights_take_no_longer_than_they_may(tmp_path):
    model, _ = projected((256,) * 4, 3072)
    started = time.process_time()
    report = cl.pack(model, tmp_path / "p.safetensors")
    assert time.process_time() - started < 5  # 0.6 s on an idle core
    assert report.n == 986_634
    assert report.ratio > 9.5


@pytest.mark.parametrize(("options", "cut"), [({"padding": "vector"}, "vector"), ({"tile": (2, 3)}, (2, 3))])
def test_other_cuts_are_packed_by_the_rule_they_were_projected_with(tmp_path, options, cut):
    s = None if "tile" in options else 5
    model, projection = projected((63, 63), 49, s=s, capacity=0.05, **options)
    report = cl.pack(model, tmp_path / "p.safetensors", s, **options)
    assert (report.codebooks[0].cut.tile or report.codebooks[0].cut.padding) == cut
    assert report.rac > 0.8 * projection.rac  # padding of tiles makes some motifs differ
    if s:  # and found where nothing is told but s
        assert cl.pack(model, tmp_path / "p.safetensors", 5).codebooks[0].cut.padding == "vector"


def test_a_random_model_does_not_grow(tmp_path):
    many_small = {f"stage.{i}.bias": torch.randn(3) for i in range(500)}
    for state in (MLP((64, 64)).state_dict(), many_small):
        report = there_and_back(state, tmp_path / "p.safetensors")
        assert report.packed_bytes < 1.01 * report.dense_bytes + 4096
        assert (report.codebooks, report.rac, report.s) == ((), None, None)


def test_a_random_tensor_beside_motifs_stays_out_of_the_codebook(tmp_path):
    model, projection = projected((256, 256), 256)
    state = {"embedding": torch.randn(200, 50), **model.state_dict(), "running_mean": torch.randn(256)}
    report = there_and_back(state, tmp_path / "p.safetensors")
    assert report.k <= projection.k + 3
    places = {entry.name: entry.place for entry in read_packed(tmp_path / "p.safetensors")[0].tensors}
    assert [name for name, place in places.items() if place == "dense"] == ["embedding", "running_mean"]


def test_each_dtype_has_a_codebook_of_its_own(tmp_path):
    single, half = projected((128,), 200)[0].state_dict(), projected((128,), 200, s=8)[0].half().state_dict()
    state = {**single, **{f"half.{name}": tensor for name, tensor in half.items()}}
    report = there_and_back(state, tmp_path / "p.safetensors")
    assert {book.dtype: book.cut.s for book in report.codebooks} == {"float32": 4, "float16": 8}


def test_the_size_of_the_dense_file_is_the_real_one(tmp_path):
    model = projected()[0]
    save_file(model.state_dict(), tmp_path / "dense.safetensors")
    report = cl.pack(model, tmp_path / "p.safetensors")
    assert report.dense_bytes == (tmp_path / "dense.safetensors").stat().st_size
    assert report.packed_bytes < report.zstd_bytes < report.gzip_bytes < report.dense_bytes


def test_skewed_indices_are_compressed_and_even_ones_are_not(tmp_path):
    rng = np.random.default_rng(0)
    skewed = torch.from_numpy(np.where(rng.random(40_000) < 0.01, rng.integers(0, 200, 40_000), 0).astype(np.float32))
    plain = there_and_back({"w": skewed}, tmp_path / "p.safetensors", 1)
    coded = there_and_back({"w": skewed}, tmp_path / "q.safetensors", 1, True)
    assert coded.packed_bytes < plain.packed_bytes / 3
    assert coded.entropy_coded_bytes == coded.index_bytes < plain.index_bytes
    assert coded.rac == plain.rac
    even = torch.from_numpy(rng.integers(0, 16, 40_000).astype(np.float32))
    assert there_and_back({"w": even}, tmp_path / "p.safetensors", 1, True).entropy_coded_bytes == 0


# indices and blocks, against obvious twins


def naive_bits(indices, bits):
    stream = [index >> bit & 1 for index in indices for bit in range(bits)]
    stream += [0] * (-len(stream) % 8)
    return bytes(sum(stream[at + bit] << bit for bit in range(8)) for at in range(0, len(stream), 8))


@given(st.integers(0, 32), st.integers(0, 50), st.integers(0, 2**32))
def test_bit_packing_equals_its_naive_twin(bits, m, seed):
    indices = np.random.default_rng(seed).integers(0, 2**bits, m, dtype=np.uint64).astype(np.uint32)
    packed = pack_bits(indices, bits)
    assert packed == naive_bits(indices.tolist(), bits)
    assert np.array_equal(unpack_bits(packed, bits, m), indices)


@pytest.mark.parametrize("bits", [1, 3, 12, 17])
def test_bit_packing_across_chunks(bits, monkeypatch):
    monkeypatch.setattr(bitpacking, "CHUNK", 64)
    indices = np.random.default_rng(0).integers(0, 2**bits, 1001).astype(np.uint32)
    packed = pack_bits(indices, bits)
    assert packed == naive_bits(indices.tolist(), bits)
    assert np.array_equal(unpack_bits(packed, bits, 1001), indices)


@pytest.mark.parametrize("coding", ["bits", "bits+zstd", "bytes+zstd", "bits+lzma", "bytes+lzma"])
@pytest.mark.parametrize("bits", [0, 5, 9, 20])
def test_every_coding_is_undone_and_refuses_another_length(coding, bits, monkeypatch):
    order, _, name = coding.partition("+")
    indices = np.random.default_rng(0).integers(0, 2**bits, 500).astype(np.uint32)
    plain = pack_bits(indices, bits) if order == "bits" else bitpacking._byte_planes(indices, bits)
    coded = bitpacking.COMPRESSORS[name][0](plain) if name else plain
    assert np.array_equal(decode(coding, coded, bits, 500), indices)
    if bits:
        for m in (499 - 8, 500 + 8):
            with pytest.raises(WeightsError, match="bytes of indices, wanted"):
                decode(coding, coded, bits, m)
    if name:
        with pytest.raises(WeightsError, match=r"bytes of indices|are not"):
            decode(coding, b"\xff" * 30, 5, 500)
    with pytest.raises(WeightsError, match="indices coded as"):
        decode("huffman", coded, bits, 500)
    assert len(encode(indices, bits, entropy=True)[1]) <= len(pack_bits(indices, bits))


@given(st.integers(1, 60), st.integers(1, 9), st.sampled_from(["u1", "u2", "u4", "u8"]), st.integers(0, 2**32))
def test_a_codebook_holds_each_different_row_once_the_most_frequent_first(m, s, dtype, seed):
    blocks = np.random.default_rng(seed).integers(0, 3, (m, s)).astype(dtype)
    found = codebook.codebook_of(blocks)
    rows = [tuple(row) for row in blocks.tolist()]
    wanted = sorted(dict.fromkeys(rows), key=lambda row: (-rows.count(row), rows.index(row)))
    assert [tuple(row) for row in found.motifs.tolist()] == wanted
    assert [wanted[index] for index in found.indices] == rows


def test_rows_that_share_a_key_are_told_apart(monkeypatch):
    monkeypatch.setattr(codebook, "keys_of", lambda blocks: np.zeros(len(blocks), dtype=np.uint64))
    blocks = np.array([[1, 2, 3], [1, 2, 4], [1, 2, 3]], dtype=np.uint32)
    assert codebook.codebook_of(blocks).motifs.tolist() == [[1, 2, 3], [1, 2, 4]]


# damage and other files


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_every_flipped_bit_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "whole.safetensors"
    if not path.exists():
        cl.pack({**projected((16,), 8)[0].state_dict(), "more": torch.randn(7)}, path, metadata={"by": "test"})
    whole = bytearray(path.read_bytes())
    half = data.draw(st.sampled_from([len(whole), 8 + int.from_bytes(whole[:8], "little")]))  # the header is half
    whole[data.draw(st.integers(0, half - 1))] ^= 1 << data.draw(st.integers(0, 7))
    broken = path.with_name("broken.safetensors")
    broken.write_bytes(whole)
    with pytest.raises(ComplexityLabError) as caught:
        cl.unpack(broken)
    assert "\n" not in str(caught.value)


def test_a_flipped_payload_bit_is_named(packed):
    damaged = bytearray(packed.read_bytes())
    damaged[-1] ^= 1
    packed.write_bytes(damaged)
    with pytest.raises(WeightsError, match="was changed or damaged: its checksum"):
        cl.unpack(packed)


@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, 0.999])
def test_a_truncated_file_is_refused(packed, kept):
    whole = packed.read_bytes()
    packed.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsError, match="truncated or not a safetensors file"):
        cl.unpack(packed)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UnreachableError, match="does not exist"):
        cl.unpack(tmp_path / "nothing.safetensors")
    with pytest.raises(UnreachableError, match="is a directory"):
        cl.unpack(tmp_path)
    torch.save({"w": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        cl.unpack(tmp_path / "w.pt")
    save_file({"w": torch.zeros(3)}, tmp_path / "foreign.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="holds no packed model"):
        cl.unpack(tmp_path / "foreign.safetensors")
    save_file({"w": torch.zeros(3)}, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match="holds no packed model"):
        cl.unpack(tmp_path / "bare.safetensors")


def with_header(path, change):
    """Rewrite the header of a safetensors file."""
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[end:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header["__metadata__"].update(version="2"), "has version 2 of the packed format, wanted 1"),
        (lambda header: header["__metadata__"].pop("layout"), "lacks the description of its layout"),
        (lambda header: header["__metadata__"].pop("sha256"), "lacks the description of its layout or the checksum"),
    ],
)
def test_other_headers_are_refused(packed, change, message):
    with_header(packed, change)
    with pytest.raises(WeightsError, match=message):
        cl.unpack(packed)


def rewritten(path, **changes):
    """Write a file again with other pieces and a checksum that is right."""
    description, pieces = read_packed(path)
    pieces = {name: piece for name, piece in ({**pieces, **changes}).items() if piece is not None}
    path.write_bytes(packed_file(description, pieces))


def test_pieces_that_contradict_the_layout_are_refused(packed):
    original = packed.read_bytes()
    _, pieces = read_packed(packed)
    motifs, indices = pieces["codebook.float32"].bits, pieces["indices.float32"].bits
    broken = {
        "lacks codebook.float32": {"codebook.float32": None},
        "lacks indices.float32": {"indices.float32": None},
        r"is float32 \[\d+, 4\], wanted": {"codebook.float32": Piece("float32", motifs[:-1])},
        "wanted float32": {"codebook.float32": Piece("int32", motifs)},
        r"wanted uint8 \[": {"indices.float32": Piece("uint8", indices[:-1])},
        "is beyond the codebook of": {"indices.float32": Piece("uint8", np.full_like(indices, 255))},
    }
    for message, changes in broken.items():
        packed.write_bytes(original)
        rewritten(packed, **changes)
        with pytest.raises(WeightsError, match=message):
            cl.unpack(packed)


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ('"padding":"tensor"', '"padding":"none"'),
        ('"tensors":[[', '"tensors":[["x"],['),
        ('"float32",[64]', '"os.system",[64]'),
        ('"s":4', '"s":0'),
        ('"coding":"bits"', '"coding":"pickle"'),
        ('"metadata":{}', '"metadata":3'),
    ],
)
def test_a_layout_that_is_not_defined_is_refused(packed, monkeypatch, found, instead):
    from complexity_lab.momos import container

    original = container._to_json
    monkeypatch.setattr(container, "_to_json", lambda description: original(description).replace(found, instead, 1))
    rewritten(packed)
    assert instead in read_packed.__globals__["metadata_of"](packed)["layout"]
    with pytest.raises(WeightsError, match="layout"):
        cl.unpack(packed)


def test_the_file_is_plain_safetensors(packed):
    with safe_open(packed, framework="pt") as file:
        description = json.loads(file.metadata()["layout"])
        book = description["codebooks"][0]
        assert file.get_tensor("codebook.float32").shape == (book["k"], book["s"])
        assert file.get_tensor("indices.float32").dtype == torch.uint8
    assert [entry[0] for entry in description["tensors"]] == list(projected()[0].state_dict())


# what cannot be packed or written


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        ({}, {}, "nothing to pack"),
        (3, {}, "a int, wanted a module or a state dict"),
        ({"epoch": 3}, {}, "entry epoch is a int"),
        ({"w": torch.zeros(3, 3).to_sparse()}, {}, "wanted a dense one"),
        ({"w": torch.zeros(3, dtype=torch.complex128)}, {}, "complex128, which safetensors cannot hold"),
        ({"w": torch.zeros(8)}, {"s": 0}, "s = 0 values, wanted at least 1"),
        ({"w": torch.zeros(8)}, {"s": 9}, "room for 8"),
        ({"w": torch.zeros(8)}, {"padding": "both"}, "wanted tensor or vector"),
        ({"w": torch.zeros(8)}, {"tile": (2, 2), "s": 4}, "wanted one way to cut"),
        ({"w": torch.zeros(8)}, {"tile": (0, 2)}, "wanted at least 1 x 1"),
    ],
)
def test_what_cannot_be_packed_is_refused_and_leaves_no_file(tmp_path, state, options, message):
    with pytest.raises(InputError, match=message):
        cl.pack(state, tmp_path / "p.safetensors", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_without_values_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="meta device"):
        cl.pack({"w": torch.zeros(3, device="meta")}, tmp_path / "p.safetensors")


@pytest.mark.parametrize(("number", "message"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "Permission denied")])
def test_a_write_that_fails_leaves_what_was_there(packed, monkeypatch, number, message):
    before = packed.read_bytes()

    def fail(self, target):
        raise OSError(number, "Permission denied")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match=f"cannot write .*: {message}"):
        cl.pack({"w": torch.zeros(8)}, packed)
    assert packed.read_bytes() == before
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_a_directory_that_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*No such file or directory; name another file"):
        cl.pack({"w": torch.zeros(8)}, tmp_path / "nowhere" / "p.safetensors")


def test_the_dense_file_of_an_unpacked_model_is_the_original(tmp_path):
    model = projected()[0]
    cl.pack(model, tmp_path / "p.safetensors")
    assert dense_file(cl.unpack(tmp_path / "p.safetensors")) == dense_file(model.state_dict())


def test_the_reader_in_the_description_of_the_format_reads_it(packed):
    text = (Path(__file__).parents[2] / "docs" / "packed-format.md").read_text()
    scope = {}
    exec(text.partition("```python\n")[2].partition("```")[0], scope)
    found = scope["read_flat"](packed)
    assert_same_bits({name: torch.from_numpy(values) for name, values in found.items()}, cl.unpack(packed))
