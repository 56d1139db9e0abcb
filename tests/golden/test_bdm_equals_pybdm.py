"""BDM, entropy and their normalized forms against pybdm, to 1e-12 relative."""

import numpy as np
import pytest

import complexity_lab as cl
from complexity_lab.binary.counting import block_counts
from complexity_lab.estimators.bdm import bdm_normalized, bdm_of
from complexity_lab.estimators.ctm import SHAPES
from complexity_lab.estimators.entropy import block_entropy_normalized, block_entropy_of
from tests.oracle import pybdm

BOUNDARIES = ("ignore", "recursive", "correlated")
LENGTHS = (12, 13, 24, 25, 35, 100, 5000)
SIDES = ((4, 4), (5, 4), (7, 9), (8, 8), (16, 13), (30, 41))


def exactly(value):
    return pytest.approx(value, rel=1e-12)


def kinds_of_bits(shape):
    rng = np.random.default_rng(0)
    yield rng.integers(0, 2, shape)
    yield (rng.random(shape) < 0.1).astype(int)
    yield np.zeros(shape, dtype=int)
    yield np.ones(shape, dtype=int)
    yield np.indices(shape).sum(axis=0) % 2


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [*((n,) for n in LENGTHS), *SIDES])
def test_bdm_and_entropy(boundary, shape):
    oracle = pybdm(len(shape), boundary)
    for bits in kinds_of_bits(shape):
        assert cl.bdm(bits, boundary=boundary) == exactly(oracle.bdm(bits))
        assert cl.block_entropy(bits, boundary=boundary) == pytest.approx(oracle.ent(bits), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shape", [*((n,) for n in LENGTHS if n >= 24), *(s for s in SIDES if min(s) >= 8)])
def test_normalized_forms_at_the_ignore_boundary(shape):
    oracle = pybdm(len(shape))
    for bits in kinds_of_bits(shape):
        assert cl.bdm(bits, normalized=True) == pytest.approx(oracle.nbdm(bits), rel=1e-12, abs=1e-12)
        assert cl.block_entropy(bits, normalized=True) == pytest.approx(oracle.nent(bits), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shape", [(24,), (29,), (5000,)])
def test_normalized_bdm_at_the_recursive_boundary(shape):
    oracle = pybdm(len(shape), "recursive")
    for bits in kinds_of_bits(shape):
        assert cl.bdm(bits, boundary="recursive", normalized=True) == pytest.approx(oracle.nbdm(bits), abs=1e-12)


def test_normalized_bdm_above_one_cycle_of_blocks():
    bits = np.random.default_rng(1).integers(0, 2, 12 * 9000)
    assert cl.bdm(bits, normalized=True) == exactly(pybdm(1).nbdm(bits))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ((12,), (4, 4))])
def test_every_block_shape_of_the_tables(shape):
    bits = np.random.default_rng(2).integers(0, 2, (60,) if len(shape) == 1 else (9, 14))
    counts = block_counts(bits, shape)
    oracle = pybdm(len(shape), shape=shape)
    assert bdm_of(counts) == exactly(oracle.bdm(bits))
    assert block_entropy_of(counts) == exactly(oracle.ent(bits))


def test_printed_golden_values():
    assert cl.bdm(np.ones(12, dtype=int)) == exactly(25.610413747641715)
    assert cl.bdm(np.ones((12, 12), dtype=int)) == exactly(25.176631293734488)


def test_normalized_bounds_are_reached():
    table = cl.ctm_table((12,))
    simplest = int(table.argmin())
    constant = np.array([simplest >> i & 1 for i in range(12)] * 5)
    assert bdm_normalized(block_counts(constant)) == 0
    order = np.argsort(-table)[:7]
    varied = np.array([int(code) >> i & 1 for code in order for i in range(12)])
    assert bdm_normalized(block_counts(varied)) == pytest.approx(1)
    assert block_entropy_normalized(block_counts(varied)) == pytest.approx(1)
