import gzip
import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.errors import InputError
from complexity_lab.estimators.compressors import PAYLOADS, PayloadStream, compress, payload
from tests.naive import compressors as naive


@pytest.mark.parametrize("kind", PAYLOADS)
@given(lengths=st.lists(st.integers(0, 30), max_size=8))
def test_a_payload_streamed_in_tensors_is_that_of_the_whole(kind, lengths):
    tensors = [np.random.default_rng(n).standard_normal(n, dtype=np.float32) for n in lengths]
    stream = PayloadStream(kind)
    for tensor in tensors:
        stream.add(tensor)
    whole = np.concatenate([np.zeros(0, np.float32), *tensors])
    assert stream.payload() == payload(whole, kind) == naive.payload(whole, kind)


def test_sizes_are_those_of_the_payload():
    found = compress(b"ab" * 500, "gzip")
    assert (found.raw_bytes, found.compressed_bytes) == (1000, len(gzip.compress(b"ab" * 500, 9, mtime=0)))
    assert found.rate == found.raw_bytes / found.compressed_bytes


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="did you mean gzip"):
        compress(b"", "gzp")
    with pytest.raises(InputError, match="payload 'bits', wanted one of bits-packed"):
        payload([1, 0], "bits")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 70_000, 300_000])
@pytest.mark.parametrize("ones", [0.5, 0.1])
def test_lzma_takes_what_its_preset_takes(size, ones):
    bits = np.packbits(np.random.default_rng(size).random(8 * size) < ones).tobytes()
    assert compress(bits, "lzma").compressed_bytes == len(lzma.compress(bits, preset=9))
