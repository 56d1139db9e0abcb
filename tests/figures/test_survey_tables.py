"""The numbers that figures of surveys draw, without drawing them: they equal the statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from complexity_lab.figures.registry import figures_of
from complexity_lab.figures.survey.bdm_ratio import bin_edges
from complexity_lab.figures.survey.layers import BINS, strip
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.nulls import null_values
from complexity_lab.tables import columns as c
from tests.synthetic import make_survey

FIGURES = figures_of("survey")


@pytest.fixture(scope="module")
def results():
    return make_survey(n_models=8, failed=1)


@pytest.fixture(scope="module")
def rich():
    return make_survey(n_models=9, planes=4, nulls=("shuffle", "gaussian", "permutation"), accuracy=True, tensors=4)


def of_bdm(results):
    ratios = results.ratios
    return ratios.loc[(ratios[c.METRIC] == "bdm") & ratios[c.PLANE].isna()].set_index(c.MODEL)


def test_bdm_ratio_is_the_comparison_smallest_model_first(results):
    table = FIGURES["bdm_ratio"].prepare(results)
    assert table[c.PARAMETERS].is_monotonic_increasing
    expected = of_bdm(results)
    assert len(table) == len(expected) == 7
    for name in (d.RATIO, d.RATIO_SD, d.IID_RATIO, d.RATIO_P45):
        np.testing.assert_array_equal(table[name], expected.loc[table[c.MODEL], name])
    np.testing.assert_allclose(table["change_percent"], 100 * (table[d.RATIO] - 1))


def test_effect_size_is_the_distance_from_one_in_percent(results):
    table, ratio = FIGURES["effect_size"].prepare(results), FIGURES["bdm_ratio"].prepare(results)
    np.testing.assert_allclose(table["effect_percent"], 100 * abs(1 - ratio[d.RATIO]))
    np.testing.assert_allclose(table["noise_percent"], 100 * ratio[d.RATIO_SD])
    np.testing.assert_allclose(table["null_percent"], 100 * abs(1 - ratio[d.IID_RATIO]))
    np.testing.assert_array_equal(table["rises"], ratio[d.RATIO] > 1)


def test_decomposition_is_sorted_and_adds_up(results):
    table = FIGURES["decomposition"].prepare(results)
    assert table["drop_percent"].is_monotonic_decreasing
    np.testing.assert_allclose(
        table["sign_bias_percent"] + table["arrangement_percent"], table["drop_percent"], atol=1e-9
    )
    assert len(table) == (results.decomposition[c.METRIC] == "bdm").sum()


def test_compressors_change_is_negative_where_simpler(results):
    table = FIGURES["compressor_ratios"].prepare(results)
    np.testing.assert_allclose(table["change_percent"], 100 * (table[d.RATIO] - 1), atol=1e-12)
    assert table[c.METRIC].unique().tolist() == ["bdm", "bdm_2d", "block_entropy", "gzip", "bz2", "lzma", "zstd"]


def test_initial_spread_has_every_measured_model(results):
    table = FIGURES["initial_spread"].prepare(results)
    assert len(table) == 7
    assert (table[d.N] == 3).all()
    np.testing.assert_allclose(1000 * table["mean_kbit"], table[d.MEAN])


def test_layers_group_models_of_one_family_and_are_white_within_the_noise(results):
    table = FIGURES["layers"].prepare(results)
    assert len(table) == 7 * 6
    order = table.drop_duplicates(c.MODEL)[[c.FAMILY, c.PARAMETERS]]
    assert order.equals(order.sort_values([c.FAMILY, c.PARAMETERS]))
    quiet = (table[d.RATIO] - 1).abs() < 2 * table[d.RATIO_SD]
    assert 0 < quiet.sum() < len(table)
    assert (table.loc[quiet, "shown_percent"] == 0).all()
    np.testing.assert_allclose(table.loc[~quiet, "shown_percent"], 100 * (table.loc[~quiet, d.RATIO] - 1))


def test_ranked_planes_have_a_cell_per_model_and_plane_simplest_first(rich):
    table = FIGURES["ranked_planes"].prepare(rich)
    assert (
        table.groupby("rank")[c.PLANE].apply(lambda planes: planes.fillna(-1).tolist()).tolist()
        == [[-1, 0, 1, 2, 3]] * 9
    )
    assert table.loc[table[c.PLANE].isna(), d.PERCENT].is_monotonic_increasing
    both = table.merge(rich.ratios, on=[c.MODEL, c.METRIC, c.PLANE])
    assert len(both) == len(table)
    np.testing.assert_allclose(both[d.PERCENT], 100 * both[d.RATIO])


def test_profiles_have_every_reference(rich):
    table = FIGURES["plane_profiles"].prepare(rich)
    assert table[c.REFERENCE].unique().tolist() == ["initial", "own", "shuffled"]
    assert len(table) == 3 * 9 * 4


@pytest.mark.parametrize(("name", "most"), [("layer_planes", 6), ("layer_bars", 4)])
def test_few_models_stand_for_many(rich, name, most):
    table = FIGURES[name].prepare(rich)
    shown = table.drop_duplicates(c.MODEL)
    assert len(shown) == most
    whole = rich.ratios.loc[(rich.ratios[c.METRIC] == "qubd") & rich.ratios[c.PLANE].isna()]
    ranked = whole.sort_values(d.RATIO)[c.MODEL].tolist()
    assert [shown[c.MODEL].iloc[0], shown[c.MODEL].iloc[-1]] == [ranked[0], ranked[-1]]
    assert shown["total"].is_monotonic_increasing


def test_controls_are_changes_from_the_initial_mean(rich):
    table = FIGURES["controls"].prepare(rich)
    assert set(table[c.METRIC]) == {"bdm", "qubd"}
    assert set(table[c.NULL]) == {"trained", "iid", "shuffle", "gaussian", "permutation"}
    ratios = of_bdm(rich)
    for null in ("iid", "shuffle", "permutation"):
        rows = table.loc[(table[c.NULL] == null) & (table[c.METRIC] == "bdm")].set_index(c.MODEL)
        means = null_values(ratios, null, "mean").loc[rows.index]
        np.testing.assert_allclose(rows["change_percent"], 100 * (means / ratios.loc[rows.index, d.INITIAL_MEAN] - 1))


def test_resolution_says_what_statistics_say(rich):
    table = FIGURES["resolution"].prepare(rich)
    both = table.merge(rich.resolution.loc[rich.resolution[c.PLANE].isna()], on=[c.MODEL, c.METRIC])
    np.testing.assert_array_equal(both["resolved_x"], both["resolved_y"])
    np.testing.assert_allclose(both["limit_percent"], 100 * both[d.LIMIT])


def test_accuracy_has_the_models_whose_accuracy_is_known(rich):
    table = FIGURES["accuracy"].prepare(rich)
    known = rich.accuracies.set_index(c.MODEL)[d.ACCURACY]
    np.testing.assert_array_equal(table[d.ACCURACY], known.loc[table[c.MODEL]])
    assert set(table[d.ORIGIN]) == {"file", "survey"}


def test_single_planes_stay_out_of_the_comparison_of_metrics(rich):
    table = FIGURES["compressor_ratios"].prepare(rich)
    assert (table[c.METRIC] == "qubd").sum() == 9


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
    results = make_survey(**shape)
    assert {name for name, figure in FIGURES.items() if figure.applies(results)} == missing


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=200))
def test_a_strip_of_layers_shows_tensors_in_order(values):
    found = strip(np.array(values))
    assert found.shape == (BINS,)
    assert set(found) <= set(values)
    if len(values) <= BINS:
        assert [found[i] for i in range(BINS) if i == 0 or found[i] != found[i - 1]] == [
            v for i, v in enumerate(values) if i == 0 or v != values[i - 1]
        ]


@given(st.lists(st.floats(-7.0, 7.0), min_size=1, max_size=50))
def test_histogram_bins_cover_all_values_and_split_at_zero(values):
    edges = bin_edges(np.array(values))
    counts, _ = np.histogram(values, edges)
    assert counts.sum() == len(values)
    assert np.isclose(edges, 0, rtol=0, atol=1e-12).any()
    assert np.all(np.diff(edges) > 0)
