"""One battery for every null model: a new one is held to it without a line here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from complexity_lab.binary.block_counts import BlockCounts
from complexity_lab.binary.counting import SQUARE, STRING, StreamCounter, block_counts
from complexity_lab.controls import nulls, registry
from complexity_lab.controls.gaussian import matched_gaussian
from complexity_lab.controls.null import CountNull, NetworkNull, TensorNull
from complexity_lab.controls.registry import checked_controls, null_models, opt_in_names
from complexity_lab.errors import InputError, UnknownNameError, WeightsError
from complexity_lab.estimators.bdm import bdm_of
from complexity_lab.estimators.estimator import CountEstimator, estimator
from complexity_lab.estimators.qubd import Rules

NULLS = null_models().values()
EVERY = pytest.mark.parametrize("null", NULLS, ids=lambda null: null.name)
OF_COUNTS = [null for null in NULLS if isinstance(null, CountNull)]
OF_TENSORS = [null for null in NULLS if isinstance(null, TensorNull)]
OF_NETWORKS = [null for null in NULLS if isinstance(null, NetworkNull)]
EVERY_COUNT = pytest.mark.parametrize("null", OF_COUNTS, ids=lambda null: null.name)
EVERY_TENSOR = pytest.mark.parametrize("null", OF_TENSORS, ids=lambda null: null.name)
EVERY_PLANE = pytest.mark.parametrize("null", [n for n in OF_TENSORS if n.planes], ids=lambda null: null.name)
EVERY_NETWORK = pytest.mark.parametrize("null", OF_NETWORKS, ids=lambda null: null.name)
RULES = Rules(bits=3, boundary="recursive", min_side=2)
SHAPES = ((30, 33), (50,), (8, 3, 3, 3), (110, 100), (7, 5), (13,))


def weights(seed=0, shift=0.2):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(shape) + shift).astype(np.float32) for shape in SHAPES]


def constant_within(kept):
    """Weights of both signs that no null model changes which keeps the share of ones of such parts."""
    signs = np.random.default_rng(1)
    of = {"tensor": lambda shape: (1,) * len(shape), "moments": lambda shape: (1,) * len(shape)}
    of |= {"channel": lambda shape: (shape[0], *(1,) * (len(shape) - 1)), "row": lambda shape: (*shape[:-1], 1)}
    found = [np.broadcast_to(signs.choice([-1, 1], of[kept](shape)), shape).astype(np.float32) for shape in SHAPES]
    return [array for array in found if array.ndim > 1 or kept != "channel"]  # a vector has one value per channel


def drawn(null, tensors, *, seed=0, repetitions=3, shapes=(STRING, SQUARE)):
    """Return the counts of strings, then of squares, of every draw."""
    draws = null.bits(repetitions=repetitions, seed=seed, shapes=shapes)
    for array in tensors:
        draws.add(array)
    return [*(draws.strings() if STRING in shapes else []), *(draws.squares() if SQUARE in shapes else [])]


def counts_of(tensors):
    stream = StreamCounter()
    for array in tensors:
        stream.add(array)
    lines = BlockCounts.empty(SQUARE, dropped=sum(array.size for array in tensors if array.ndim == 1))
    squares = [lines, *(block_counts(array, SQUARE) for array in tensors if array.ndim > 1)]
    return stream.result(), sum(squares[1:], start=squares[0])


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 7))


def score_of(module):
    def score():
        counts = StreamCounter()
        for values in module.parameters():
            counts.add(values)
        return [bdm_of(counts.result())]

    return score


@EVERY
def test_it_says_what_it_is(null):
    assert Path(nulls.__path__[0], f"{null.name}.py").exists()
    assert null.label
    assert null.description
    assert all(isinstance(estimator(name), CountEstimator) for name in null.metrics)
    assert null.metrics


def test_names_and_labels_are_told_apart():
    assert list(null_models()) == [
        *("iid", "fair", "share_45", "shuffle", "shuffle_channel", "shuffle_row", "gaussian", "permutation")
    ]
    assert len({null.label for null in NULLS}) == len({null.description for null in NULLS}) == len(NULLS)


def test_what_can_be_asked_for():
    assert opt_in_names() == ("shuffle", "shuffle_channel", "shuffle_row", "gaussian", "permutation")
    assert checked_controls(["all"]) == opt_in_names()
    assert checked_controls([]) == ()
    with pytest.raises(UnknownNameError, match="did you mean shuffle_row"):
        checked_controls(["shuffle_rows"])


@EVERY_COUNT
def test_counts_of_noise_are_what_it_expects(null):
    """Draws of fair bits have the mean and sd that a null model of fair bits names; a biased one is below."""
    found = [block_counts(np.random.default_rng(seed).integers(0, 2, 2400)) for seed in range(200)]
    scores = np.array([bdm_of(counts) for counts in found])
    expected = [null.distribution(counts) for counts in found]
    mean = np.mean([each.mean for each in expected])
    error = 4 * scores.std() / np.sqrt(200)
    assert mean < scores.mean() + error if null.name == "share_45" else abs(mean - scores.mean()) < error
    if null.has_sd:
        assert scores.std(ddof=1) == pytest.approx(np.mean([each.sd for each in expected]), rel=0.2)


@EVERY_COUNT
def test_it_keeps_the_share_of_the_model_or_its_size_alone(null):
    ones, noise = block_counts(np.ones(1200)), block_counts(np.random.default_rng(0).integers(0, 2, 1200))
    if null.keeps == "model":
        found = null.distribution(ones)
        assert (found.mean, found.sd) == (pytest.approx(bdm_of(ones)), 0)
    else:
        assert null.keeps == "size"
        assert null.distribution(ones) == null.distribution(noise)


@EVERY_TENSOR
def test_what_it_keeps_stays(null):
    if null.keeps == "size":
        return
    tensors = constant_within(null.keeps)
    strings, squares = counts_of(tensors)
    found = drawn(null, tensors)
    assert all(counts == strings for counts in found[:3])
    assert all(counts == squares for counts in found[3:])


@EVERY_TENSOR
def test_every_tensor_keeps_its_share_of_ones_exactly_or_on_average(null):
    side = 120
    array = (np.random.default_rng(0).standard_normal((side, side)) + 0.3).astype(np.float32)
    ones = [counts.ones for counts in drawn(null, [array], repetitions=20)]
    if null.keeps == "moments":
        share = matched_gaussian(array).ones_fraction
        sd = np.sqrt(share * (1 - share)) * side
        assert abs(np.mean(ones) - share * side**2) < 5 * sd / np.sqrt(20)
    else:
        assert set(ones) == {int((array > 0).sum())}


@EVERY_TENSOR
def test_it_scores_and_drops_what_the_model_does(null):
    strings, squares = counts_of(weights())
    for counts in drawn(null, weights()):
        of_model = strings if counts.shape == STRING else squares
        assert (counts.scored, counts.dropped) == (of_model.scored, of_model.dropped)


@EVERY_TENSOR
def test_draws_differ_from_one_another_and_are_those_of_their_seed(null):
    first, same, other = (drawn(null, weights(), seed=seed, repetitions=5) for seed in (1, 1, 2))
    assert first == same
    assert first != other
    for part in (first[:5], first[5:]):
        assert np.std([bdm_of(counts) for counts in part], ddof=1) > 0


@EVERY_TENSOR
def test_order_is_lost(null):
    """Weights as arranged as can be score less than any draw of them."""
    array = np.sort(weights()[3], axis=None).reshape(110, 100)
    array = array.T if null.keeps in ("channel", "row") else array  # both signs in every part
    array = np.sort(array, axis=1)
    measured = bdm_of(block_counts(array))
    assert all(bdm_of(counts) > measured for counts in drawn(null, [array], shapes=(STRING,)))


@EVERY_TENSOR
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(null, bad):
    array = weights()[0]
    array[2, 2] = bad
    with pytest.raises(WeightsError, match=r"finite|NaN"):
        drawn(null, [array])


@EVERY_TENSOR
def test_planes_are_drawn_or_there_is_a_reason(null):
    assert (null.planes is None) == bool(null.why_no_planes(RULES))
    overlapping = null.why_no_planes(Rules(boundary="correlated"))
    assert overlapping is None or len(overlapping) > 10


@EVERY_PLANE
def test_planes_are_those_of_their_seed_whatever_the_threads(null):
    array = weights()[0]

    def planes(seed, threads=1, draws=4):
        return null.planes(array, RULES, repetitions=draws, seed=seed, threads=threads)

    first = planes((0, 1))
    assert first.shape == (4, 3)
    assert np.array_equal(first, planes((0, 1), threads=2))
    assert np.array_equal(first[:2], planes((0, 1), draws=2))
    assert (first.std(axis=0, ddof=1) > 0).all()
    assert not np.array_equal(first, planes((0, 2)))
    assert not np.array_equal(first, planes((1, 1)))


@EVERY_PLANE
def test_planes_of_random_weights_are_near_their_null_model(null):
    array = np.random.default_rng(0).standard_normal((120, 100)).astype(np.float32)
    found = null.planes(array, RULES, repetitions=3, seed=(0, 1), threads=1).mean(axis=0)
    np.testing.assert_allclose(found, RULES.score(array).planes, rtol=0.03)


@EVERY_NETWORK
def test_the_function_stays_and_scores_do_not(null):
    assert null.keeps == "function"
    module, example = network(), torch.linspace(-1, 1, 20)
    before = {name: values.clone() for name, values in module.state_dict().items()}
    outputs = module(example).detach().numpy()
    found = null.scores(module, lambda: module(example).tolist(), repetitions=4, seed=0, model="")
    np.testing.assert_allclose(found.scores, np.broadcast_to(outputs, (4, 7)), atol=1e-6)
    assert found.moved + found.left == sum(values.numel() for values in before.values())
    first, same, other = (
        null.scores(module, score_of(module), repetitions=4, seed=seed, model="").scores for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert first.std(ddof=1) > 0
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())


@EVERY_NETWORK
def test_a_network_that_cannot_be_drawn_has_a_reason(null):
    with pytest.raises(InputError, match="no units"):
        null.scores(nn.Linear(3, 4), list, repetitions=2, seed=0, model="")


def test_the_registry_is_read_once():
    assert registry.null_models() is registry.null_models()
