"""The numbers that are drawn, without drawing them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.figures import FIGURES, bdm_ratio, strips
from complexity_lab.figures.axes import thinned
from complexity_lab.figures.layers import BINS, strip
from complexity_lab.statistics import SurveyTables, decompose
from tests.synthetic import make_survey


@pytest.fixture(scope="module")
def tables():
    survey = make_survey(n_models=8, failed=1)
    return SurveyTables(survey.models, survey.measurements)


def test_bdm_ratio_is_the_comparison_smallest_model_first(tables):
    table = FIGURES["bdm_ratio"].prepare(tables)
    assert table["parameters"].is_monotonic_increasing
    expected = tables.ratios.loc[tables.ratios["metric"] == "bdm"].set_index("model")
    assert len(table) == len(expected) == 7
    for name in ("ratio", "ratio_sd", "iid_ratio", "ratio_p45"):
        np.testing.assert_array_equal(table[name], expected.loc[table["model"], name])


def test_effect_size_is_the_distance_from_one_in_percent(tables):
    table = FIGURES["effect_size"].prepare(tables)
    ratio = FIGURES["bdm_ratio"].prepare(tables)
    np.testing.assert_allclose(table["effect_percent"], 100 * abs(1 - ratio["ratio"]))
    np.testing.assert_allclose(table["noise_percent"], 100 * ratio["ratio_sd"])
    np.testing.assert_allclose(table["null_percent"], 100 * abs(1 - ratio["iid_ratio"]))


def test_decomposition_is_sorted_and_adds_up(tables):
    table = FIGURES["decomposition"].prepare(tables)
    assert table["drop_percent"].is_monotonic_decreasing
    np.testing.assert_allclose(
        table["sign_bias_percent"] + table["arrangement_percent"], table["drop_percent"], atol=1e-9
    )
    assert len(table) == (decompose(tables.ratios)["metric"] == "bdm").sum()


def test_compressors_change_is_negative_where_simpler(tables):
    table = FIGURES["compressor_ratios"].prepare(tables)
    np.testing.assert_allclose(table["change_percent"], 100 * (table["ratio"] - 1), atol=1e-12)
    assert table["metric"].unique().tolist() == ["bdm", "bdm_2d", "block_entropy", "gzip", "bz2", "lzma", "zstd"]


def test_initial_spread_has_every_measured_model(tables):
    table = FIGURES["initial_spread"].prepare(tables)
    assert len(table) == 7
    assert (table["n"] == 3).all()


def test_layers_group_models_of_one_family(tables):
    table = FIGURES["layers"].prepare(tables)
    assert len(table) == 7 * 6
    order = table.drop_duplicates("model")[["family", "parameters"]]
    assert order.equals(order.sort_values(["family", "parameters"]))


def test_layers_within_the_noise_of_the_seeds_are_shown_as_unchanged(tables):
    table = FIGURES["layers"].prepare(tables)
    quiet = (table["ratio"] - 1).abs() < 2 * table["ratio_sd"]
    assert 0 < quiet.sum() < len(table)
    assert (table.loc[quiet, "shown_percent"] == 0).all()
    np.testing.assert_allclose(table.loc[~quiet, "shown_percent"], 100 * (table.loc[~quiet, "ratio"] - 1))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=200))
def test_a_strip_shows_tensors_in_order(values):
    found = strip(np.array(values))
    assert found.shape == (BINS,)
    assert set(found) <= set(values)
    if len(values) <= BINS:
        assert [found[i] for i in range(BINS) if i == 0 or found[i] != found[i - 1]] == [
            v for i, v in enumerate(values) if i == 0 or v != values[i - 1]
        ]


@given(st.lists(st.floats(0, 1), max_size=60))
def test_a_swarm_stays_in_its_strip_and_separates_points_of_a_bin(positions):
    offsets = strips.swarm(np.array(positions, dtype=float), bins=20, half_width=0.4)
    assert np.all(np.abs(offsets) <= 0.4 + 1e-12)
    slots = np.minimum((np.array(positions, dtype=float) * 20).astype(int), 19)
    for slot in set(slots.tolist()):
        members = offsets[slots == slot]
        assert len(set(members.tolist())) == len(members)
        assert members.sum() == pytest.approx(0, abs=1e-9)


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=50))
def test_histogram_bins_cover_all_ratios_and_split_at_one(ratios):
    edges = bdm_ratio.bin_edges(np.array(ratios))
    counts, _ = np.histogram(ratios, edges)
    assert counts.sum() == len(ratios)
    assert np.isclose(edges, 1, rtol=0, atol=1e-12).any()
    assert np.all(np.diff(edges) > 0)
    # The colour says which side a bin is on, so no model may land on the wrong one.
    assert counts[edges[1:] <= 1 + 1e-12].sum() == sum(ratio < 1 for ratio in ratios)


PLANES = {"ranked_planes", "plane_profiles", "layer_planes", "decomposition_planes"}
OF_BDM = {"bdm_ratio", "effect_size", "decomposition", "controls", "layers"}
ABSENT = OF_BDM | PLANES | {"compressor_ratios", "layer_bars", "resolution", "accuracy"}
LAYERS = {"layers", "layer_planes", "layer_bars"}
FULL = {"n_models": 2, "planes": 3, "nulls": ("shuffle", "gaussian", "permutation"), "accuracy": True, "tensors": 2}


@pytest.mark.parametrize(
    ("shape", "missing"),
    [
        (FULL, set()),
        ({"n_models": 2}, PLANES),
        (FULL | {"nulls": ()}, {"decomposition_planes"}),
        (FULL | {"tensors": 0}, PLANES | LAYERS),
        (FULL | {"zoo": "timm", "accuracy": False}, {"accuracy"}),
        (FULL | {"metrics": ()}, OF_BDM - {"controls", "layers"} | {"initial_spread"}),
        ({"n_models": 2, "trained_seeds": 0}, ABSENT),
        ({"n_models": 2, "failed": 2}, set(FIGURES)),
        ({"n_models": 0}, set(FIGURES)),
        ({"n_models": 2, "metrics": ("gzip",), "tensors": 0}, set(FIGURES) - {"compressor_ratios"}),
        ({"n_models": 2, "tensors": 0}, PLANES | LAYERS),
    ],
)
def test_figures_say_why_they_do_not_apply(shape, missing):
    survey = make_survey(**shape)
    tables = survey.tables
    reasons = {name: figure.applies(tables) for name, figure in FIGURES.items()}
    assert {name for name, reason in reasons.items() if reason} == missing


@pytest.fixture(scope="module")
def rich():
    nulls = ("shuffle", "gaussian", "permutation")
    return make_survey(n_models=9, planes=4, nulls=nulls, accuracy=True, tensors=4).tables


def test_ranked_planes_have_a_cell_per_model_and_plane_simplest_first(rich):
    table = FIGURES["ranked_planes"].prepare(rich)
    assert table.groupby("rank")["plane"].apply(list).tolist() == [[-1, 0, 1, 2, 3]] * 9
    totals = table.loc[table["plane"] == -1]
    assert totals["percent"].is_monotonic_increasing
    expected = rich.ratios.set_index(["model", "metric"])["ratio"]
    np.testing.assert_allclose(
        table["percent"], 100 * expected.loc[list(zip(table["model"], table["metric"], strict=True))]
    )


def test_profiles_have_every_reference(rich):
    table = FIGURES["plane_profiles"].prepare(rich)
    assert table["reference"].unique().tolist() == ["initial", "own", "shuffled"]
    assert len(table) == 3 * 9 * 4


@pytest.mark.parametrize(("name", "most"), [("layer_planes", 6), ("layer_bars", 4)])
def test_few_models_stand_for_many(rich, name, most):
    table = FIGURES[name].prepare(rich)
    shown = table.drop_duplicates("model")
    assert len(shown) == most
    ranked = rich.ratios.loc[rich.ratios["metric"] == "qubd"].sort_values("ratio")["model"].tolist()
    assert shown["model"].tolist()[0] == ranked[0]
    assert shown["model"].tolist()[-1] == ranked[-1]
    assert shown["total"].is_monotonic_increasing


def test_controls_are_changes_from_the_initial_mean(rich):
    table = FIGURES["controls"].prepare(rich)
    assert set(table["metric"]) == {"bdm", "qubd"}
    ratios = rich.ratios.set_index(["metric", "model"])
    for null, column in (("trained", "trained_mean"), ("iid", "iid_mean"), ("shuffle", "shuffle_mean")):
        rows = table.loc[(table["null"] == null) & (table["metric"] == "bdm")].set_index("model")
        expected = ratios.loc["bdm"].loc[rows.index]
        np.testing.assert_allclose(rows["change_percent"], 100 * (expected[column] / expected["initial_mean"] - 1))


def test_accuracy_has_the_models_whose_accuracy_is_known(rich):
    table = FIGURES["accuracy"].prepare(rich)
    known = rich.accuracies.set_index("model")["accuracy"]
    np.testing.assert_array_equal(table["accuracy"], known.loc[table["model"]])
    assert set(table["origin"]) == {"file", "survey"}


def test_single_planes_stay_out_of_the_comparison_of_metrics(rich):
    assert not FIGURES["compressor_ratios"].prepare(rich)["metric"].str.contains("plane").any()
    assert "qubd" in set(FIGURES["compressor_ratios"].prepare(rich)["metric"])


@given(st.lists(st.sampled_from([0.0, 1e-3, -1e-3, 1e-2, -1e-2, 0.1, -0.1, 1.0, 10.0]), unique=True), st.integers(3, 9))
def test_thinned_ticks_keep_zero_and_the_largest(ticks, most):
    ticks = sorted({*ticks, 0.0})
    kept = thinned(ticks, most)
    assert set(kept) <= set(ticks)
    assert 0.0 in kept
    assert max(map(abs, kept)) == max(map(abs, ticks))
    assert len(kept) <= max(most, 3)
