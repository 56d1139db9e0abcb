"""LZ76 against antropy, its definition and worked examples, on both routes; and its windows."""

import math
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import complexity_lab.estimators.lz76 as module
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.lz76 import LZ76_KERNELS, WINDOW, LZ76Density, lz76_components, lz76_density
from tests.naive import lz76 as naive

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from antropy import lziv_complexity

BITS = st.lists(st.integers(0, 1), max_size=120)
REPEATED = st.builds(lambda unit, times, tail: unit * times + tail, BITS, st.integers(1, 5), BITS)


ROUTES = {"compiled": 10**18, "search": -(10**18)}


@pytest.fixture(params=ROUTES)
def path(request):
    """Each test runs on both routes: the compiled automaton and the search of bytes."""
    with route(ROUTES[request.param]):
        yield


@contextmanager
def route(seen):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LZ76_KERNELS, "seen", seen)
        yield


def on_both_routes(bits):
    """The number of components, by the automaton and by search."""
    found = []
    for seen in ROUTES.values():
        with route(seen):
            found.append(lz76_components(np.asarray(bits, dtype=np.uint8)))
    return found


def random_bits(size, seed=0, ones=0.5):
    return (np.random.default_rng(seed).random(size) < ones).astype(np.uint8)


def de_bruijn(order):
    """A cycle in which every word of ``order`` bits occurs once, by preferring ones."""
    bits, seen = [0] * order, {(0,) * order}
    while True:
        for bit in (1, 0):
            word = (*bits[len(bits) - order + 1 :], bit)
            if word not in seen:
                seen.add(word)
                bits.append(bit)
                break
        else:
            return bits


@pytest.mark.parametrize(
    ("text", "components"),
    [
        ("0001101001000101", 6),  # Lempel and Ziv 1976: 0.001.10.100.1000.101
        ("1001111011000010", 6),
        ("", 0),
        ("1", 1),
        ("11", 2),
        ("01", 2),
        ("0" * 1000, 2),
        ("01" * 500, 3),
        ("10" * 500 + "0", 3),
    ],
)
def test_worked_examples(path, text, components):
    assert lz76_components(np.array(list(text), dtype=np.uint8)) == components


@given(bits=st.one_of(BITS, REPEATED))
def test_every_short_string_has_the_components_of_the_definition(bits):
    expected = len(naive.components(bits))
    assert on_both_routes(bits) == [expected, expected]
    if bits:
        assert lziv_complexity(bits) == expected


@pytest.mark.parametrize("size", [500, 3000])
@pytest.mark.parametrize("ones", [0.0, 0.02, 0.3, 0.5, 1.0])
def test_long_strings_equal_antropy_and_the_definition(path, size, ones):
    bits = random_bits(size, ones=ones)
    assert lz76_components(bits) == lziv_complexity(bits) == len(naive.components(bits.tolist()))


@pytest.mark.parametrize("order", [1, 2, 5, 9, 11])
def test_de_bruijn_strings_are_as_rich_as_random_ones(path, order):
    bits = de_bruijn(order)
    assert len(bits) == 2**order + order - 1
    assert lz76_components(bits) == lziv_complexity(bits)
    if order > 8:
        assert lz76_density(bits) > 0.95


def test_both_routes_agree_on_structured_strings():
    fibonacci, thue = [[0], [0, 1]], [0]
    while len(fibonacci[-1]) < 3000:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    while len(thue) < 4000:
        thue += [1 - bit for bit in thue]
    block = random_bits(700, 3)
    for bits in (fibonacci[-1], thue, np.tile(block, 6), np.concatenate([block, 1 - block, block[::-1]])):
        expected = lziv_complexity(np.asarray(bits))
        assert on_both_routes(bits) == [expected, expected]


def test_the_density_is_per_bit_and_not_defined_for_one():
    bits = random_bits(1000)
    assert lz76_density(bits) == naive.density(bits.tolist())
    assert lz76_density(np.where(bits > 0, 0.3, -0.1)) == lz76_density(bits)
    assert math.isnan(lz76_density([]))
    assert math.isnan(lz76_density([1]))
    assert lz76_density([1, 0]) == 1.0


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 100, 127, 128, 129, 192, 193, 1000])
def test_above_a_window_it_is_the_mean_of_windows_that_cover_every_bit(path, monkeypatch, size):
    monkeypatch.setattr(module, "WINDOW", 64)
    bits = random_bits(size)
    expected = naive.windowed_density(bits.tolist(), 64)
    assert lz76_density(bits) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(lengths=st.lists(st.integers(0, 300), max_size=12))
def test_tensors_are_read_as_one_string(lengths):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW", 128)
        tensors, accumulator = [random_bits(length, seed) for seed, length in enumerate(lengths)], LZ76Density()
        for place, tensor in enumerate(tensors):
            accumulator.add(tensor)
            whole = np.concatenate(tensors[: place + 1])
            expected = naive.windowed_density(whole.tolist(), 128)
            assert accumulator.value() == pytest.approx(expected, rel=1e-12, nan_ok=True)
            assert accumulator.scored == whole.size
            assert accumulator._kept_size <= 2 * 128


def test_random_bits_have_the_density_that_the_module_says():
    for size, mean, sd in ((1024, 1.062, 0.018), (16_384, 1.025, 0.0035), (WINDOW, 1.0146, 0.0007)):
        found = [lz76_density(random_bits(size, seed)) for seed in range(4)]
        assert np.mean(found) == pytest.approx(mean, abs=3 * sd)


def test_fewer_ones_have_less_density():
    for ones in (0.3, 0.1, 0.01):
        entropy = -(ones * np.log2(ones) + (1 - ones) * np.log2(1 - ones))
        assert lz76_density(random_bits(100_000, ones=ones)) == pytest.approx(entropy, rel=0.12)


def test_what_has_no_bits_is_refused_and_adds_nothing():
    accumulator = LZ76Density()
    with pytest.raises(WeightsError, match="1 of 2 weights are NaN or infinite"):
        accumulator.add(np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="wanted 0/1 bits or floating-point weights"):
        accumulator.add(np.array([3, 4]))
    assert accumulator.scored == 0
    with pytest.raises(InputError, match="bits in one string, wanted fewer than 1073741824"):
        lz76_components(np.broadcast_to(np.zeros(1, dtype=bool), (1 << 30,)))
