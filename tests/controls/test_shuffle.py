"""Shuffle nulls against permuted weights, the law of the arrangements written out, and what a shuffle must keep."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import stats

from complexity_lab.binary.counting import SQUARE, STRING, block_counts
from complexity_lab.controls import shuffle
from complexity_lab.controls.arrangement import arrangement_histogram, ones_in_part
from complexity_lab.controls.shuffle import WITHIN, ShuffleNull, shuffled_counts
from complexity_lab.controls.shuffle_kernels import arrangements
from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from tests.naive import shuffle as naive

SURE = 1e-5  # of a chi-square test on a fixed seed
LARGE = 10_000  # values from which the compiled loop draws


def rng(seed=0):
    return np.random.Generator(np.random.SFC64(seed))


def weights(*shape, seed=0, mean=0.1):
    return np.random.default_rng(seed).normal(mean, 1, shape)


@pytest.mark.parametrize("values", [12, LARGE])
@pytest.mark.parametrize("length", [1, 3, 5, 6])
def test_every_arrangement_of_a_group_is_equally_likely(values, length):
    for ones in range(length + 1):
        groups = arrangements(np.full(20_000, ones), length, values, rng(ones))
        assert (groups.sum(axis=1) == ones).all()
        seen = np.bincount(groups @ (1 << np.arange(length)), minlength=2**length)
        possible = [sum(1 << i for i in places) for places in combinations(range(length), ones)]
        assert seen[possible].sum() == 20_000
        if len(possible) > 1:
            assert stats.chisquare(seen[possible]).pvalue > SURE


@pytest.mark.parametrize("length", [64, 65, 100, 128, 1000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.37, 0.5, 0.999, 1.0])
def test_the_loop_places_ones_evenly_and_without_ties_to_their_neighbours(length, share):
    ones = round(share * length)
    groups = arrangements(np.full(4_000, ones), length, LARGE, rng(7)).astype(float)
    assert (groups.sum(axis=1) == ones).all()
    if not 0 < ones < length:
        return
    p = ones / length
    variance = p * (1 - p)  # of a place; two places have covariance -variance / (length - 1)
    statistic = ((groups.mean(axis=0) - p) ** 2).sum() / (variance / 4_000) * (length - 1) / length
    assert SURE < stats.chi2(length - 1).sf(statistic) < 1 - SURE
    for distance in (1, 2, length // 2):
        products = (groups * np.roll(groups, distance, axis=1)).mean(axis=1)
        expected = p * (ones - 1) / (length - 1)
        error = products.std(ddof=1) / 4_000**0.5
        assert products.mean() == pytest.approx(expected, abs=5 * error + 1e-12)


def test_groups_of_different_ones_keep_theirs():
    ones = np.arange(0, 301)
    assert np.array_equal(arrangements(ones, 300, 301 * 300, rng()).sum(axis=1), ones)


def enumerated(blocks, size, ones):
    """Every histogram of codes and its probability, from all arrangements."""
    law = {}
    for places in combinations(range(blocks * size), ones):
        codes = [sum(1 << (i % size) for i in places if i // size == block) for block in range(blocks)]
        key = tuple(np.bincount(codes, minlength=2**size))
        law[key] = law.get(key, 0) + 1 / comb(blocks * size, ones)
    return law


@pytest.mark.parametrize(("blocks", "size", "ones"), [(3, 2, 3), (4, 2, 2), (3, 3, 4), (2, 4, 3), (5, 2, 8)])
def test_a_drawn_histogram_has_the_law_of_all_arrangements(blocks, size, ones):
    law = enumerated(blocks, size, ones)
    generator = rng(1)
    draws = 6_000
    seen = dict.fromkeys(law, 0)
    for _ in range(draws):
        seen[tuple(arrangement_histogram(blocks, size, ones, generator).tolist())] += 1
    keys = [key for key in law if law[key] * draws >= 5]
    observed = [*(seen[key] for key in keys), draws - sum(seen[key] for key in keys)]
    expected = [*(law[key] * draws for key in keys), draws * (1 - sum(law[key] for key in keys))]
    if expected[-1] < 1e-6:
        observed, expected = observed[:-1], expected[:-1]
    assert stats.chisquare(observed, np.array(expected) * (draws / np.sum(expected))).pvalue > SURE


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("size", [12, 16])
def test_a_drawn_histogram_keeps_blocks_and_ones(size, share):
    ones = round(share * 3_000 * size)
    histogram = arrangement_histogram(3_000, size, ones, rng(2))
    assert histogram.sum() == 3_000
    assert histogram.min() >= 0
    assert histogram @ np.bitwise_count(np.arange(2**size)) == ones


def test_mean_and_variance_of_drawn_counts_are_those_of_permuted_bits():
    """The number of blocks of one kind is a sum over blocks: its moments follow from falling factorials."""
    blocks, size, ones, draws = 400, 4, 700, 3_000
    generator = rng(3)
    found = np.array([arrangement_histogram(blocks, size, ones, generator) for _ in range(draws)])
    bits = blocks * size

    def probability(bits_fixed, ones_fixed):
        return comb(bits - bits_fixed, ones - ones_fixed) / comb(bits, ones)

    scores = []
    for code in range(2**size):
        j = code.bit_count()
        single, pair = probability(size, j), probability(2 * size, 2 * j)
        variance = blocks * single + blocks * (blocks - 1) * pair - (blocks * single) ** 2
        scores.append((found[:, code].mean() - blocks * single) / (variance / draws) ** 0.5)
        assert found[:, code].var(ddof=1) == pytest.approx(variance, rel=0.13)
    assert np.abs(scores).max() < 4.5


@pytest.mark.parametrize(("part", "bits", "ones"), [(0, 9, 4), (9, 9, 4), (3, 9, 4)])
def test_ones_in_a_part_are_hypergeometric(monkeypatch, part, bits, ones):
    for limit in (10**9, 1):  # numpy's draw, and the one for more bits than it takes
        monkeypatch.setattr("complexity_lab.controls.arrangement.HYPERGEOMETRIC_LIMIT", limit)
        generator = rng(4)
        seen = np.bincount([ones_in_part(part, bits, ones, generator) for _ in range(4_000)], minlength=part + 1)
        expected = stats.hypergeom(bits, ones, part).pmf(np.arange(seen.size)) * 4_000
        possible = expected > 0
        assert seen[~possible].sum() == 0
        if possible.sum() > 1:
            assert stats.chisquare(seen[possible], expected[possible]).pvalue > SURE


MODELS = {
    "vectors": [(5,), (13,), (40,)],
    "matrices": [(9, 14), (7,), (13, 21), ()],
    "convolutions": [(6, 5, 3, 3), (6,), (8, 1, 3, 3), (4, 3, 1)],
    "large": [(6, 5), (90, 133), (11,), (40, 30, 3, 3)],
}


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("within", WITHIN)
@pytest.mark.parametrize("model", MODELS)
def test_a_shuffled_model_counts_as_many_blocks_as_the_model(monkeypatch, model, within, drawn):
    monkeypatch.setattr(shuffle, "DENSE", 0 if drawn else 8)
    tensors = [weights(*shape, seed=i) for i, shape in enumerate(MODELS[model])]
    null = ShuffleNull(within, repetitions=3, seed=5)
    for tensor in tensors:
        null.add(tensor)
    whole = sum(tensor.size for tensor in tensors)
    for counts in null.strings():
        assert counts.blocks == naive.stream_codes(tensors).total()
        assert counts.dropped == whole % 12
        assert counts.scored + counts.dropped == whole
    for counts in null.squares():
        assert counts.blocks == naive.square_codes(tensors).total()
        assert counts.scored + counts.dropped == whole


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("within", WITHIN)
def test_constant_tensors_keep_their_place_in_the_stream(monkeypatch, within, drawn):
    """Nothing can move, so the null is the model's own counts, straddling blocks included."""
    monkeypatch.setattr(shuffle, "DENSE", 0 if drawn else 8)
    tensors = [np.full(shape, i % 2) for i, shape in enumerate([(5,), (30, 20), (3,), (2,), (7, 8, 3), (11,), (9,)])]
    null = ShuffleNull(within, repetitions=2)
    for tensor in tensors:
        null.add(tensor)
    for counts, wanted in zip(
        (null.strings()[1], null.squares()[1]), (naive.stream_codes, naive.square_codes), strict=True
    ):
        assert dict(zip(counts.codes.tolist(), counts.counts.tolist(), strict=True)) == wanted(tensors)


@pytest.mark.parametrize("drawn", [False, True])
def test_ones_are_kept_by_the_stream_and_shared_out_between_squares_and_border(monkeypatch, drawn):
    monkeypatch.setattr(shuffle, "DENSE", 0 if drawn else 8)
    tensors = [weights(7, 9, seed=1), weights(5, seed=2), weights(10, 13, seed=3), weights(6, seed=4)]  # 204 values
    null = ShuffleNull(repetitions=100, seed=1)
    for tensor in tensors:
        null.add(tensor)
    assert {counts.ones for counts in null.strings()} == {sum((tensor > 0).sum() for tensor in tensors)}
    ones = [counts.ones for counts in null.squares()]
    laws = [stats.hypergeom(t.size, (t > 0).sum(), t.shape[0] // 4 * 4 * (t.shape[1] // 4 * 4)) for t in tensors[::2]]
    variance = sum(law.var() for law in laws)
    assert np.mean(ones) == pytest.approx(sum(law.mean() for law in laws), abs=4.5 * (variance / 100) ** 0.5)
    assert np.var(ones, ddof=1) == pytest.approx(variance, rel=0.6)


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("within", WITHIN)
def test_mean_and_sd_of_bdm_are_those_of_permuted_weights(monkeypatch, within, drawn):
    """Three tensors whose channels and rows have very different shares of ones, so that the groups matter."""
    if drawn and within != "tensor":
        return
    monkeypatch.setattr(shuffle, "DENSE", 0 if drawn else 8)
    monkeypatch.setattr("complexity_lab.controls.shuffle_kernels.SMALL", 300)
    tensors = [weights(12, 6, 3, 3, seed=1), weights(13, seed=2), weights(31, 20, seed=3)]
    tensors[0] += np.linspace(-2, 2, 12).reshape(12, 1, 1, 1)
    tensors[0] += np.array([-1, 0, 1.0]).reshape(1, 1, 3, 1)
    tensors[2] += np.linspace(-2, 2, 31).reshape(31, 1)
    repetitions = 120 if drawn else 300
    null = ShuffleNull(within, repetitions=repetitions, seed=11)
    for tensor in tensors:
        null.add(tensor)
    generator = np.random.default_rng(0)
    expected = {STRING: [], SQUARE: []}
    for _ in range(repetitions):
        shuffled = [naive.shuffled(tensor, within, generator) for tensor in tensors]
        for shape, codes in ((STRING, naive.stream_codes(shuffled)), (SQUARE, naive.square_codes(shuffled))):
            histogram = np.zeros(2 ** int(np.prod(shape)), dtype=int)
            histogram[list(codes)] = list(codes.values())
            expected[shape].append(bdm_of(shuffle.BlockCounts.from_histogram(shape, histogram)))
    for shape, found in ((STRING, null.strings()), (SQUARE, null.squares())):
        values, wanted = np.array(list(map(bdm_of, found))), np.array(expected[shape])
        error = (values.var(ddof=1) / repetitions + wanted.var(ddof=1) / repetitions) ** 0.5
        assert values.mean() == pytest.approx(wanted.mean(), abs=4.5 * error)
        assert values.std(ddof=1) == pytest.approx(wanted.std(ddof=1), rel=0.3)


def test_channel_and_row_keep_the_ones_of_their_groups():
    tensor = np.zeros((16, 3, 4, 12))  # a row of 12 is a string of 12, a channel twelve of them
    tensor.reshape(-1, 12)[:, :5] = 1
    tensor[8:] = 1
    rows = shuffled_counts(tensor, within="row", repetitions=2)
    for counts in rows:
        ones = np.bitwise_count(counts.codes)
        assert counts.counts[ones == 5].sum() == counts.counts[ones == 12].sum() == 96
    channels = shuffled_counts(tensor, within="channel", repetitions=2)
    for counts in channels:
        ones = np.bitwise_count(counts.codes)
        assert counts.counts[ones == 12].sum() == 96
        assert set(ones.tolist()) - {5, 12}
    assert all(counts.ones == 96 * 17 for counts in rows + channels)


def test_a_matrix_row_is_its_channel():
    matrix = weights(40, 300)
    assert shuffled_counts(matrix, within="row") == shuffled_counts(matrix, within="channel")


def test_a_vector_is_one_row_and_many_channels():
    vector = np.repeat([1.0, 0.0], 60)
    assert shuffled_counts(vector, within="channel", repetitions=1) == [block_counts(vector)]
    assert shuffled_counts(vector, within="row", repetitions=1)[0].distinct > 2


@pytest.mark.parametrize("size", [(40, 50), (100, 130)])
def test_a_seed_fixes_the_result_and_a_tensor_does_not_disturb_the_next(size):
    tensor = weights(*size)
    assert shuffled_counts(tensor, seed=3) == shuffled_counts(tensor, seed=3)
    assert shuffled_counts(tensor, seed=3) != shuffled_counts(tensor, seed=4)
    assert len({tuple(counts.codes.tolist()) for counts in shuffled_counts(tensor, SQUARE, repetitions=5)}) == 5


def test_pieces_are_cut_between_rows_of_blocks(monkeypatch):
    monkeypatch.setattr(shuffle, "PIECE", 1)
    tensor = weights(130, 91)
    for counts in shuffled_counts(tensor, SQUARE, within="channel", repetitions=2):
        assert counts.blocks == 32 * 22
    found = shuffled_counts(tensor, within="channel", repetitions=2)
    assert [counts.blocks for counts in found] == [130 * 91 // 12] * 2


def test_bad_input_is_named():
    with pytest.raises(InputError, match="within 'filter'"):
        ShuffleNull("filter")
    with pytest.raises(InputError, match="0 repetitions"):
        ShuffleNull(repetitions=0)
    with pytest.raises(InputError, match="shapes"):
        ShuffleNull(shapes=((3, 3),))
    with pytest.raises(WeightsError, match="1 of 20"):
        ShuffleNull().add(np.array([np.nan] + [0.0] * 19))
    with pytest.raises(InputError, match="9 ones among 8"):
        arrangement_histogram(2, 4, 9, rng())


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), ()])
@pytest.mark.parametrize("within", WITHIN)
def test_empty_tensors_hold_no_blocks(shape, within):
    assert shuffled_counts(np.zeros(shape), within=within, repetitions=1)[0].blocks == 0
    assert shuffled_counts(np.zeros(shape), SQUARE, within=within, repetitions=1)[0].blocks == 0
