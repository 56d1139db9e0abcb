"""The rule: what is structured, what cannot be told, and what a layer gets."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from complexity_lab.errors import InputError, WeightsError
from complexity_lab.estimators.qubd import QUBD_PRESETS, QuBD
from complexity_lab.quantization.references import (
    OwnInitial,
    PlaneReference,
    RandomWeights,
    ShuffledSelf,
    profiles_of,
)
from complexity_lab.quantization.suggestion import (
    Rule,
    critical_t,
    evidence,
    mean_bits,
    suggest_bits,
    suggest_layer,
)
from complexity_lab.weights.from_checkpoint import StateDict
from complexity_lab.weights.source import NamedTensor

RULES = QUBD_PRESETS["fixed"]


def profile(planes, distinct=100):
    count = len(planes)
    return QuBD(tuple(planes), (distinct,) * count, (8,) * count, 400, 6400, 0, -1.0, 1.0, 0.1)


def reference(count, sd, draws=20, mean=1000.0):
    return PlaneReference(np.full(count, mean), np.full(count, sd), draws, draws - 1)


def test_a_plane_is_structured_by_effect_and_by_chance():
    planes = [1000.0, 989.0, 989.0, 985.0]
    sure, unsure = (
        evidence(profile(planes), reference(4, 1.0), Rule()),
        evidence(profile(planes), reference(4, 8.0), Rule()),
    )
    assert sure.structured == (False, True, True, True)
    assert sure.shown == 3
    assert unsure.structured == (False, False, False, False)  # 1.5 % lower, but the spread is 0.8 %
    small = evidence(profile([1000.0, 995.0]), reference(2, 0.1), Rule())
    assert small.t[1] < -40  # far beyond chance, but half a percent does not matter
    assert small.structured == (False, False)


def test_a_plane_that_could_hide_a_drop_is_not_dropped():
    hazy = evidence(profile([1000.0] * 4), reference(4, 20.0), Rule())
    assert hazy.unresolved == (True,) * 4
    assert hazy.shown == 4
    clear = evidence(profile([1000.0] * 4), reference(4, 10.0), Rule())
    assert critical_t(0.01 / 4, 19) * 1.0 * np.sqrt(1 + 1 / 20) < 5  # percent: a drop to 95 would stand out
    assert clear.unresolved == (False,) * 4
    assert clear.shown == 0
    full = evidence(profile([1000.0] * 4, distinct=65536), reference(4, 0.1), Rule())
    assert full.unresolved == (True,) * 4


def test_a_constant_plane_in_the_reference_is_no_structure():
    flat = evidence(profile([1000.0, 1000.0]), reference(2, 0.0), Rule())
    assert flat.t == (0.0, 0.0)
    assert flat.structured == (False, False)
    assert flat.unresolved == (False, False)
    assert evidence(profile([900.0, 1000.0]), reference(2, 0.0), Rule()).structured == (True, False)


def test_of_random_tensors_few_are_called_structured():
    rng = np.random.default_rng(3)
    rule, seen = Rule(threshold=99.9, visible=50.0, alpha=0.05), 0
    for place in range(60):
        tensor = NamedTensor("w", rng.normal(size=(32, 32)), "matrix")
        found = suggest_layer(place, tensor, ShuffledSelf(draws=8), RULES, rule)
        seen += any(found.evidence.structured)
    assert stats.binomtest(seen, 60, rule.alpha, alternative="greater").pvalue > 1e-3


def striped(rows=96, columns=96, seed=0):
    """Signs follow a chessboard of squares of 4, sizes are random: the most significant plane is simple, no other."""
    rng = np.random.default_rng(seed)
    board = np.kron(np.indices((rows // 4, columns // 4)).sum(0) % 2, np.ones((4, 4))) * 2 - 1
    return rng.uniform(0, 1, (rows, columns)) * board


def test_structure_in_the_signs_alone_keeps_one_plane_and_the_margin():
    tensor = NamedTensor("w", striped(), "matrix")
    found = suggest_layer(0, tensor, ShuffledSelf(), RULES, Rule(margin=2))
    assert found.evidence.shown == 1
    assert (found.bits, found.suggested, found.reason) == (3, True, None)
    assert suggest_layer(0, tensor, ShuffledSelf(), RULES, Rule(margin=20)).bits == 8


def test_structure_in_a_low_plane_keeps_all_above():
    """A plane in the middle that follows a chessboard; those above it are random and kept all the same."""
    rng = np.random.default_rng(1)
    board = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((4, 4)))
    levels = rng.integers(0, 256, (96, 96))
    levels = (levels & ~16) | (board.astype(int) << 4)
    found = suggest_layer(0, NamedTensor("w", levels / 255.0, "matrix"), ShuffledSelf(), RULES, Rule())
    assert found.evidence.shown == 4
    assert found.bits == 7


def test_a_small_tensor_keeps_the_highest_bits_and_says_so():
    tensor = NamedTensor("w", np.random.default_rng(0).normal(size=(8, 8)), "matrix")
    found = suggest_layer(0, tensor, ShuffledSelf(), RULES, Rule(margin=0))
    assert (found.bits, found.suggested) == (8, False)
    assert found.reason == "too small: 4 blocks cannot show a drop to 95 % beyond chance"


def test_other_reasons_for_no_suggestion():
    shuffled = ShuffledSelf()
    row = suggest_layer(0, NamedTensor("w", np.ones((1, 64)), "other"), shuffled, RULES, Rule())
    assert "1x64" in row.reason
    constant = suggest_layer(0, NamedTensor("w", np.ones((64, 64)), "matrix"), shuffled, RULES, Rule())
    assert constant.reason == "all its values have one level"
    assert constant.bits == 8
    stranger = OwnInitial({"w": ((3, 3), np.ones(8))}, shuffled)
    other = suggest_layer(0, NamedTensor("w", np.ones((64, 64)), "matrix"), stranger, RULES, Rule())
    assert other.reason == "the reference has no tensor of this name and shape"


def test_vectors_are_not_listed_and_mean_bits_are_weighted():
    rng = np.random.default_rng(0)
    source = StateDict({"a.weight": rng.normal(size=(96, 96)), "a.bias": np.zeros(96), "b.weight": np.ones((1, 5))})
    layers = suggest_bits(source, ShuffledSelf(), RULES, Rule())
    assert [layer.tensor for layer in layers] == ["a.weight", "b.weight"]
    assert [layer.bits for layer in layers] == [4, 8]
    assert mean_bits(layers) == pytest.approx((4 * 9216 + 8 * 5) / 9221)


def test_nan_is_an_error_that_names_the_tensor():
    bad = np.ones((8, 8))
    bad[0, 0] = np.nan
    with pytest.raises(WeightsError, match=r"tensor a\.weight of"):
        suggest_bits(StateDict({"a.weight": bad}), ShuffledSelf(), RULES, Rule())


def test_references_know_mean_spread_and_freedom():
    rng = np.random.default_rng(5)
    tensor = NamedTensor("w", rng.normal(size=(64, 64)).astype(np.float32), "matrix")
    own = ShuffledSelf(draws=8, seed=3)
    first, again = own.planes(2, tensor, RULES), own.planes(2, tensor, RULES)
    np.testing.assert_array_equal(first.mean, again.mean)
    assert (first.draws, first.freedom) == (8, 7)
    assert (own.planes(3, tensor, RULES).mean != first.mean).any()
    others = [rng.normal(size=(64, 64)) for _ in range(3)]
    profiles = [profiles_of(StateDict({"w": other, "v": np.ones(3)}), RULES) for other in others]
    random = RandomWeights(profiles).planes(0, tensor, RULES)
    drawn = np.array([RULES.score(other).planes for other in others])
    np.testing.assert_allclose(random.mean, drawn.mean(0))
    np.testing.assert_allclose(random.sd, drawn.std(0, ddof=1))
    initial = OwnInitial(profiles[0], own).planes(2, tensor, RULES)
    np.testing.assert_array_equal(initial.mean, profiles[0]["w"][1])
    np.testing.assert_array_equal(initial.sd, first.sd)
    assert (initial.draws, initial.freedom) == (1, 7)
    with pytest.raises(InputError, match="2 or more"):
        PlaneReference.of(np.ones((1, 8)))


@pytest.mark.parametrize(
    "choice",
    [{"threshold": 100.0}, {"threshold": 0}, {"visible": 99.5}, {"alpha": 0.0}, {"alpha": 1.0}, {"margin": -1}],
)
def test_a_rule_out_of_range_is_refused(choice):
    with pytest.raises(InputError, match="wanted"):
        replace(Rule(), **choice)


def test_more_planes_than_weights_are_rounded_to_are_refused():
    with pytest.raises(InputError, match="1 to 8"):
        suggest_bits(StateDict({}), ShuffledSelf(), replace(RULES, bits=12), Rule())
