"""Captions: sentences whose numbers are those of the tables."""

import pytest

from complexity_lab.figures.numbers import NBSP, near_hundred
from complexity_lab.figures.registry import figures_of
from complexity_lab.statistics import columns as d
from complexity_lab.tables import columns as c
from tests.synthetic import Study, make_survey, model_row, null_row, row

FIGURES = figures_of("survey")
STATES = ("initial", "trained")
MORE = {"planes": 3, "tensors": 2, "nulls": ("shuffle", "gaussian", "permutation"), "accuracy": True}


def survey(models, rows):
    return Study(kind="survey", rows=[*(model_row(model) for model in models), *rows], plan={}).results


def captions(results):
    return {
        name: figure.caption(figure.prepare(results)).replace(NBSP, " ")
        for name, figure in FIGURES.items()
        if figure.applies(results) is None
    }


@pytest.mark.parametrize(
    "shape",
    [
        *({}, {"n_models": 1}, {"initial_seeds": 1, "trained_seeds": 1}, {"n_models": 60, "trained_seeds": 1}),
        *(
            MORE | {"n_models": 5},
            MORE | {"n_models": 1},
            MORE | {"n_models": 3} | {"initial_seeds": 1, "trained_seeds": 1},
        ),
        MORE | {"n_models": 20, "trained_seeds": 1, "nulls": ("shuffle",)},
    ],
)
def test_captions_are_sentences_without_holes(shape):
    found = captions(make_survey(**shape))
    assert set(found) == set(FIGURES) or "planes" not in shape
    for caption in found.values():
        assert caption.endswith(".")
        assert "nan" not in caption
        assert "  " not in caption
        assert " 1 models" not in caption
        assert "_" not in caption.replace("mlp_wide", "")  # no names of columns or metrics


def test_numbers_in_the_caption_of_the_ratio():
    values = {"a": 90.0, "b": 110.0, "c": 95.0, "d": 50.0}
    rows = [row(name, "initial", s, "bdm", 100.0 + s - 1) for name in values for s in range(3)]
    rows += [row(name, "trained", None, "bdm", value) for name, value in values.items()]
    caption = captions(survey(values, rows))["bdm_ratio"]
    assert (
        "3 of 4 models (75 %; 95 % Wilson interval 30 to 95 %) lie below a ratio of 1; the median is 0.925." in caption
    )
    assert "dash" not in caption
    assert "45 %" not in caption


def test_one_seed_has_no_error_bars():
    found = captions(make_survey(n_models=3, initial_seeds=1, trained_seeds=1))
    assert "unknown" in found["bdm_ratio"]
    assert "unknown" in found["initial_spread"]
    assert "ticks" not in found["effect_size"]


def test_unchanged_sizes_are_not_counted_as_simpler():
    sizes = {("a", "initial"): 100, ("a", "trained"): 100, ("b", "initial"): 100, ("b", "trained"): 90}
    rows = [row(m, state, 0, "gzip", 1.0, compressed_bytes=size) for (m, state), size in sizes.items()]
    assert "gzip 1 of 2 (1 unchanged)" in captions(survey("ab", rows))["compressor_ratios"]


def test_changes_of_exactly_zero_are_mentioned_where_they_cannot_be_drawn():
    values = {("a", "initial"): 100.0, ("a", "trained"): 90.0, ("b", "initial"): 100.0, ("b", "trained"): 100.0}
    rows = [row(model, state, 0, "bdm", value) for (model, state), value in values.items()]
    assert "1 model did not change" in captions(survey("ab", rows))["effect_size"]


@pytest.mark.parametrize(
    ("null", "words"), [(210.0, "explains none of the drop."), (180.0, "makes up 40 % of the drop.")]
)
def test_a_negative_share_of_sign_bias_is_not_a_percentage(null, words):
    trained = row("a", "trained", None, "bdm", 150.0)
    rows = [row("a", "initial", 0, "bdm", 200.0), trained, *null_row(trained, "iid", null)]
    assert f"Sign bias {words}" in captions(survey("a", rows))["decomposition"]


def test_three_parts_and_those_that_are_merged():
    first, second = (
        [row(name, state, 0, "bdm", 200.0 if state == "initial" else 150.0) for state in STATES] for name in "ab"
    )
    first += [*null_row(first[1], "iid", 190.0), *null_row(first[1], "shuffle", 170.0)]
    second += null_row(second[1], "iid", 190.0)
    both = captions(survey("ab", [*first, *second]))["decomposition"]
    assert "split in three" in both
    assert "Of 1 model a null model was not stored" in both
    alone = captions(survey("a", first))["decomposition"]
    assert "Sign bias makes up 20 % of the drop; value distribution makes up 40 %" in alone
    assert "not stored" not in alone


def test_planes_in_numbers():
    results = make_survey(n_models=30, zoo="timm", trained_seeds=1, planes=3, tensors=2, metrics=("bdm",))
    qubd = results.ratios.loc[results.ratios[c.METRIC] == "qubd"]
    found = captions(results)["ranked_planes"]
    assert f"{(qubd.loc[qubd[c.PLANE].isna(), d.RATIO] < 1).sum()} of 30 models" in found
    for plane in (0, 2):
        median = qubd.loc[qubd[c.PLANE] == plane, d.RATIO].median()
        assert near_hundred(100 * median).replace(NBSP, " ") in found


def test_the_caption_of_accuracy_has_both_correlations():
    results = make_survey(n_models=45, zoo="timm", trained_seeds=1, metrics=("bdm",), tensors=1, accuracy=True)
    found = captions(results)["accuracy"]
    assert "Spearman ρ =" in found
    assert "held fixed ρ =" in found
    assert "the file of accuracies (40)" in found
    few = captions(make_survey(n_models=4, accuracy=True, tensors=1))["accuracy"]
    assert "undefined (of 4 models" in few


@pytest.mark.parametrize(
    ("order", "words"),
    [("model", "first layer at the left"), ("natural", "first"), ("file", "order of the file"), (None, "file")],
)
def test_layers_are_in_depth_order_only_where_that_is_known(order, words):
    look = {"scope": "tensor", "tensor": "w", "kind": "matrix", "shape": "9x9", "order": order}
    rows = [row("a", state, 0, "bdm", value, **look) for state, value in (("initial", 9.0), ("trained", 8.0))]
    assert words in captions(survey("a", rows))["layers"]
