"""What changed between two tensors, against loops over single values."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.measurement import changes
from complexity_lab.measurement.changes import Change, NotFiniteError, change

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ">f4")


def slowly(a, b):
    """The obvious twin: one pair of Python floats after the other."""
    pairs = [(float(x), float(y)) for x, y in zip(a.ravel(), b.ravel(), strict=True)]
    return Change(
        weights=len(pairs),
        changed=sum(x != y for x, y in pairs),
        signs_changed=sum((x > 0) != (y > 0) for x, y in pairs),
        zeros_a=sum(x == 0 for x, _ in pairs),
        zeros_b=sum(y == 0 for _, y in pairs),
        ones_a=sum(x > 0 for x, _ in pairs),
        ones_b=sum(y > 0 for _, y in pairs),
        squares=math.fsum(x * x for x, _ in pairs),
        squares_moved=math.fsum((y - x) ** 2 for x, y in pairs),
    )


@given(
    st.lists(st.tuples(*[st.sampled_from((0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 1e-3, 100.5))] * 2), max_size=30),
    st.sampled_from(DTYPES),
    st.sampled_from(DTYPES),
    st.sampled_from((1, 7, 1 << 20)),
)
def test_counts_and_norms_are_those_of_single_values(values, dtype_a, dtype_b, together):
    pairs = np.array(values, np.float64).reshape(-1, 2)
    a, b = pairs[:, 0].astype(dtype_a), pairs[:, 1].astype(dtype_b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "PIECE", together)
        found = change(a, b)
    wanted = slowly(a, b)
    for name in ("weights", "changed", "signs_changed", "zeros_a", "zeros_b", "ones_a", "ones_b"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.squares == pytest.approx(wanted.squares, rel=1e-12)
    assert found.squares_moved == pytest.approx(wanted.squares_moved, rel=1e-12)


def test_views_are_read_in_the_order_of_their_indices():
    a = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    assert change(np.asfortranarray(a), a).changed == 0
    assert change(a.T.copy().T, a).changed == 0


def test_distance_is_relative_and_none_where_it_is_not_defined():
    one, zero = np.full(4, 2.0), np.zeros(4)
    assert change(one, one * 1.5).distance == 0.5
    assert change(zero, zero).distance == 0
    assert change(zero, one).distance is None
    assert change(np.full(4, 1e200), np.full(4, 2e200)).distance is None
    assert (change(one, one * 3) + change(one, one)).distance == pytest.approx(math.sqrt(2))
    assert Change().distance == 0


@pytest.mark.parametrize("side", "AB")
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_side_and_number(side, dtype, bad):
    good, broken = np.ones(9, dtype), np.ones(9, dtype)
    broken[[2, 5]] = bad
    pair = (broken, good) if side == "A" else (good, broken)
    with pytest.raises(NotFiniteError, match=rf"^{side}: 2 of 9 weights are NaN or infinite; they have no bit$"):
        change(*pair)
