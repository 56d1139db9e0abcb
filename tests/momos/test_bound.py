"""RAC against the printed table, the naive formula, and its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import complexity_lab as cl
from complexity_lab.errors import InputError
from complexity_lab.momos.bound import index_bits, mosaic_bits, motifs_of, rac
from tests.naive import momos as naive

CAPACITIES = (0.10, 0.05, 0.01, 0.005)
RESNET20, TINY_VIT, MLP = 269_722, 5_392_764, 986_634


def at_capacity(n, s, capacity):
    return rac(n=n, s=s, k=motifs_of(capacity, -(-n // s)))


@pytest.mark.parametrize(
    ("n", "s", "printed"),
    [
        (RESNET20, 2, (3.1, 4.0, 5.5, 6.2)),
        (RESNET20, 4, (5.0, 7.0, 11.3, 13.3)),
        (TINY_VIT, 2, (2.5, 3.0, 4.1, None)),  # 4.5 by the formula, 4.7 in print
        (TINY_VIT, 4, (4.2, 5.5, 8.4, 9.4)),
    ],
)
def test_the_printed_values_of_table_1(n, s, printed):
    for capacity, value in zip(CAPACITIES, printed, strict=True):
        assert value is None or round(at_capacity(n, s, capacity), 1) == value


@pytest.mark.parametrize(
    ("n", "s", "values"),
    [
        (RESNET20, 2, (3.137, 3.951, 5.498, 6.202)),
        (RESNET20, 4, (4.961, 6.957, 11.348, 13.278)),
        (TINY_VIT, 2, (2.520, 3.019, 4.092, 4.469)),
        (TINY_VIT, 4, (4.156, 5.470, 8.377, 9.384)),
        (MLP, 2, (2.857, 3.517, 4.692, 5.195)),
        (MLP, 4, (4.604, 6.275, 9.639, 10.997)),
    ],
)
def test_the_values_of_the_formula(n, s, values):
    found = [round(at_capacity(n, s, capacity), 3) for capacity in CAPACITIES]
    assert found == pytest.approx(values, abs=0.0011)  # the references are cut or rounded to three digits


@pytest.mark.parametrize(
    ("m", "expected"),
    [
        (134_861, (13486, 6743, 1348, 674)),
        (67_431, (6743, 3371, 674, 337)),
        (493_317, (49331, 24665, 4933, 2466)),
        (246_659, (24665, 12332, 2466, 1233)),
    ],
)
def test_motifs_of_a_capacity(m, expected):
    assert tuple(motifs_of(capacity, m) for capacity in CAPACITIES) == expected


@given(n=st.integers(1, 10**7), s=st.integers(1, 64), k=st.integers(1, 10**6), q=st.integers(1, 64))
def test_rac_is_the_naive_one(n, s, k, q):
    assert rac(n=n, s=s, k=k, q=q) == naive.rac(n, s, k, q)


def test_one_motif_needs_no_index():
    assert [index_bits(k) for k in (1, 2, 3, 4, 5, 2**20, 2**20 + 1)] == [0, 1, 2, 2, 3, 20, 21]
    assert mosaic_bits(s=4, k=1, m=1000) == 4 * 32


def test_break_even_is_where_the_mosaic_is_as_long_as_the_vector():
    assert rac(n=32, s=1, k=16, q=8) == 1.0  # 16 motifs of 8 bits and 32 indices of 4 bits: 256 bits either way
    assert rac(n=32, s=1, k=17, q=8) < 1.0


def test_blocks_of_padded_tensors_count_where_given():
    assert rac(n=8, s=4, k=2, m=3) == 8 * 32 / (2 * 4 * 32 + 3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: rac(n=0, s=1, k=1), "n = 0 parameters, wanted at least 1"),
        (lambda: rac(n=1, s=0, k=1, m=1), "s = 0, wanted at least 1"),
        (lambda: rac(n=1, s=1, k=0), "k = 0 motifs, wanted at least 1"),
        (lambda: rac(n=1, s=1, k=1, q=0), "q = 0, wanted at least 1"),
        (lambda: rac(n=4, s=0, k=1), "s = 0, wanted at least 1"),
        (lambda: motifs_of(0.0, 10), r"capacity 0.0, wanted above 0 and at most 1 \(a share of the blocks\)"),
        (lambda: motifs_of(1.5, 10), "capacity 1.5, wanted above 0"),
        (lambda: motifs_of(float("nan"), 10), "capacity nan, wanted above 0"),
    ],
)
def test_impossible_mosaics_are_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


def test_the_public_name():
    assert cl.rac is rac
