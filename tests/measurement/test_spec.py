"""What to measure is validated when it is built, travels to workers, and says which estimators it needs."""

import pickle

import pytest

from complexity_lab.controls.registry import opt_in_names
from complexity_lab.errors import InputError, UnknownNameError
from complexity_lab.estimators.presets import MOMOS_METRICS, preset_of
from complexity_lab.measurement.spec import MeasurementSpec, spec_of


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics": ("bdmm",)}, UnknownNameError, "did you mean bdm"),
        ({"metrics": "bdm"}, InputError, "metrics 'bdm', wanted a tuple"),
        ({"metrics": ()}, InputError, "no metric asked for"),
        ({"metrics": ("bdm", "bdm")}, InputError, "named twice"),
        ({"preset": "qubd-papr"}, UnknownNameError, "did you mean qubd-paper"),
        ({"preset": "momos-paper"}, InputError, "leave one of them out"),
        ({"preset": "momos-paper", "bits": 4}, InputError, "has no bit planes"),
        ({"bits": 0}, InputError, "wanted 1 to 16"),
        ({"bits": 17}, InputError, "wanted 1 to 16"),
        ({"controls": ("shuffle_rows",)}, UnknownNameError, "did you mean shuffle_row"),
        ({"controls": ("iid",)}, UnknownNameError, "unknown control 'iid'"),
        ({"controls": ("gaussian", "shuffle")}, InputError, "in order: shuffle, gaussian"),
        ({"draws": 1}, InputError, "one has no spread"),
        ({"draws": -1}, InputError, "wanted 0 for none"),
        ({"seed": -1}, InputError, "seed -1"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(options, error, words):
    with pytest.raises(error, match=words):
        MeasurementSpec(**options)


def test_options_of_a_user():
    assert spec_of() == MeasurementSpec()
    assert spec_of("bdm, gzip,bdm").metrics == spec_of(["bdm", "gzip"]).metrics == ("bdm", "gzip")
    assert spec_of(preset="momos-paper").metrics == MOMOS_METRICS
    assert spec_of(None, default=("gzip",)).metrics == ("gzip",)
    assert spec_of(controls="all").controls == spec_of(controls=["all"]).controls == opt_in_names()
    assert spec_of(controls="gaussian,shuffle").controls == ("shuffle", "gaussian")
    with pytest.raises(InputError, match="no metric"):
        spec_of("")


def test_it_is_small_on_its_way_to_a_worker():
    spec = spec_of("bdm,gzip", preset="fixed", bits=3, controls="all")
    assert spec.counted
    assert spec.nulls
    copy = pickle.dumps(spec)
    assert pickle.loads(copy) == spec
    assert hash(pickle.loads(copy)) == hash(spec)
    assert len(copy) < 500


def test_families_of_estimators():
    spec = spec_of("lz76_density,gzip,bdm_2d,bdm,qubd")
    names = [[item.name for item in family] for family in (spec.counted, spec.compressed, spec.streamed)]
    assert names == [["bdm_2d", "bdm"], ["gzip"], ["lz76_density"]]
    assert spec.shapes == ((12,), (4, 4))
    assert spec.rules == preset_of("fixed", None).rules
    assert spec_of("qubd", preset="qubd-paper").rules == preset_of("qubd-paper", None).rules
    assert spec_of("bdm").rules is None


def test_null_models_come_with_their_metrics_or_when_they_are_asked_for():
    assert [null.name for null in spec_of().nulls] == ["iid", "fair", "share_45"]
    assert [null.name for null in spec_of(controls="gaussian").nulls][3:] == ["gaussian"]
    assert spec_of(controls="all", draws=0).nulls == spec_of().nulls


def test_presets_and_bits():
    assert preset_of(None, None) is None
    assert preset_of(None, 4).rules.boundary == "recursive"
    assert preset_of("qubd-paper", 4).rules.bits == 4
    assert "4 planes instead of 8" in preset_of("qubd-paper", 4).departures
    assert preset_of("qubd-paper", 8) == preset_of("qubd-paper", None)
