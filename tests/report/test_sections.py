"""Numbers on the page are those of the statistics."""

import math

import pandas as pd
import pytest

from complexity_lab.figures import numbers
from complexity_lab.report.page import build_page
from complexity_lab.report.sections.layers import layer_rows
from complexity_lab.report.sections.layers import sections as layer_sections
from complexity_lab.report.sections.survey import lie_below
from complexity_lab.statistics import columns as d
from complexity_lab.statistics.learning import paired
from complexity_lab.tables import columns as c
from tests import synthetic
from tests.report.pages import column, results_of, table_of


def keys(table, label):
    return [cell.key for cell in column(table, label)]


@pytest.fixture(scope="module")
def survey():
    results = results_of("survey")
    return results, build_page(results, [])


def test_models(survey):
    results, page = survey
    table = table_of(page, "models")
    ratios = results.ratios.loc[(results.ratios[c.METRIC] == "bdm")].set_index(c.MODEL)
    names = keys(table, "model")
    assert sorted(names) == sorted(results.models[c.MODEL])
    known = [name for name in names if name in ratios.index]
    assert keys(table, "ratio")[: len(known)] == sorted(ratios[d.RATIO])
    assert keys(table, "ratio")[len(known) :] == [None]
    assert keys(table, "q")[: len(known)] == list(ratios[d.Q_VALUE][known])
    assert [each.text for each in column(table, "status")].count("failed") == 1


def test_metrics_and_planes(survey):
    results, page = survey
    sums = [each for each in results.metric_summaries if each.plane is None]
    assert keys(table_of(page, "metrics"), "median ratio") == [each.median_ratio.estimate for each in sums]
    planes = table_of(page, "planes")
    assert keys(planes, "metric") == ["QuBD", *(f"QuBD, plane {plane}" for plane in (3, 2, 1, 0))]
    rows = results.plane_ratios
    shown = table_of(page, "plane_ratios")
    assert len(shown.rows) == len(rows[[c.MODEL, c.REFERENCE]].drop_duplicates())
    first = rows.loc[(rows[c.MODEL] == shown.rows[0][0].key) & (rows[c.REFERENCE] == "initial")].set_index(c.PLANE)
    assert keys(shown, "plane 3")[0] == first[d.PERCENT][3]
    assert next(each for each in shown.filters if each.label == "in percent of").chosen == "initial"


def test_null_models(survey):
    results, page = survey
    table = table_of(page, "null_models")
    parts = results.decomposition
    main = parts.loc[(parts[c.METRIC] == "bdm") & parts[c.PLANE].isna()].set_index(c.MODEL)
    mine = [row for row in table.rows if row[3].text == "BDM"]
    assert {row[0].key: row[6].key for row in mine} == main["sign_bias_percent"].to_dict()
    limits = results.resolution.loc[results.resolution[c.PLANE].isna()]
    resolved = limits.loc[limits[c.METRIC] == "bdm", d.RESOLVED]
    summary = table_of(page, "null_summary")
    assert column(summary, "change above resolution")[0].text == f"{int(resolved.sum())} of {len(resolved)}"


def test_associations(survey):
    results, page = survey
    found = [each.estimate.estimate for each in results.associations]
    assert keys(table_of(page, "associations"), "estimate") == [
        value if math.isfinite(value) else None for value in found
    ]


def test_the_sentence_has_the_same_words_whatever_the_numbers_are(survey):
    def words(text):
        return [word for word in text.replace(numbers.NBSP, " ").split() if word.strip("(),;:.%").isalpha()]

    other = synthetic.make_survey(n_models=20, seed=5)
    assert words(lie_below(survey[0].summary)) == words(lie_below(other.summary))


def test_layers_that_changed_least_are_left_out_of_long_tables(survey):
    results, _ = survey
    rows = layer_rows(results)
    assert table_of(survey[1], "layers").note == ""
    (section,) = layer_sections(results, most=2 * rows[c.MODEL].nunique())
    (table,) = section.tables
    assert set(pd.Series(keys(table, "model")).value_counts()) == {2}
    assert f"{len(table.rows)} of {len(rows)}" in table.note
    own = rows.loc[rows[c.MODEL] == rows[c.MODEL].iloc[0]]
    change = pd.concat([(own[d.RATIO] - 1).abs(), (own[d.PERCENT] / 100 - 1).abs()], axis=1).max(axis=1)
    largest = set(own.loc[change.nlargest(2).index, c.TENSOR])
    assert {row[1].key for row in table.rows if row[0].key == own[c.MODEL].iloc[0]} == largest


def test_groups_of_trainings():
    results = results_of("trajectory")
    page = build_page(results, [])
    table = table_of(page, "groups")
    last = results.last.loc[results.last[c.PLANE].isna()]
    means = last.groupby([c.GROUP, c.METRIC])[d.RATIO_SHUFFLED].mean()
    assert sorted(keys(table, "of shuffled self")) == sorted(means)
    assert sum(keys(table, "seeds")) == len(last)
    pairs = table_of(page, "pairs")
    row = next(row for row in pairs.rows if row[0].text == "BDM, of shuffled self" and row[1].text == "true labels")
    expected = paired(last.loc[last[c.METRIC] == "bdm"], d.RATIO_SHUFFLED, "labels", "true", "random")[d.DIFFERENCE]
    assert row[3].key == len(expected)
    assert row[5].key == pytest.approx(100 * expected.mean())


def test_steps_of_a_series():
    results = results_of("series")
    table = table_of(build_page(results, []), "steps")
    bdm = results.ratios.loc[results.ratios[c.METRIC] == "bdm"]
    assert keys(table, "step") == list(bdm[c.STEP])
    assert keys(table, "BDM, of the start") == list(bdm[d.RATIO])


def test_trainings_beside_the_paper():
    results = results_of("training")
    page = build_page(results, [])
    table, rows = table_of(page, "paper_table"), results.with_published
    assert keys(table, "accuracy (%)") == list(rows[d.ACCURACY])
    assert keys(table, "printed RAC") == list(rows[d.RAC_PRINTED])
    assert sum(key for key in keys(table, "failed") if key) == 1
    found = table_of(page, "discrepancies")
    assert len(found.rows) == rows[[d.ACCURACY_PRINTED, d.RAC_PRINTED, d.BDM_RATIO_PRINTED]].notna().sum().sum()
    for row in found.rows:
        assert row[5].key == pytest.approx(row[3].key - row[4].key)
    assert keys(table_of(page, "orderings"), "difference") == list(results.orderings[d.DIFFERENCE])


def test_rounding():
    results = results_of("rounding")
    page = build_page(results, [])
    table, means = table_of(page, "networks"), results.means_over_seeds
    uniform = means.loc[(means[c.METHOD] == "uniform") & (means[c.BITS] == 2)].set_index(c.ARCHITECTURE)[d.TEST_LOST]
    assert keys(table, "2 bit") == [uniform[name] for name in results.architectures]
    assert keys(table, "needs") == list(results.needs.groupby(c.ARCHITECTURE)[d.NEED].mean()[results.architectures])
    comparisons = table_of(page, "comparisons")
    assert len(comparisons.rows) == len(results.comparisons[[c.REFERENCE, c.MARGIN, d.OTHER]].drop_duplicates())
    main = results.references[0]
    broken = sum(results.share_that_break(main, margin)[0] for margin in (0, 1, 2))
    assert len(table_of(page, "layers_that_break").rows) == broken
