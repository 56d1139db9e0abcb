import pytest

from complexity_lab.errors import UnknownNameError
from complexity_lab.estimators.estimator import REGISTRY, CompressorEstimator, estimator
from complexity_lab.estimators.presets import PRESETS, preset
from complexity_lab.estimators.qubd import QUBD_PRESETS


def test_every_preset_says_what_it_measures_and_how_it_departs():
    assert set(PRESETS) == {"qubd-paper", "fixed", "momos-paper"}
    for name, item in PRESETS.items():
        assert preset(name) is item
        assert item.name == name
        assert item.source.startswith("arXiv ")
        assert len(item.departures) > 40
        assert item.departures.endswith(".")
        assert item.metrics is not None or item.rules is not None


def test_those_of_qubd_carry_its_rules():
    for name, rules in QUBD_PRESETS.items():
        assert PRESETS[name].rules == rules
        assert PRESETS[name].metrics is None


def test_that_of_momos_is_bdm_and_one_byte_per_bit():
    item = preset("momos-paper")
    assert item.rules is None
    assert set(item.metrics) <= set(REGISTRY)
    compressors = [estimator(name) for name in item.metrics if name != "bdm"]
    assert all(isinstance(each, CompressorEstimator) and each.payload == "bits-bytes" for each in compressors)
    assert [each.compressor for each in compressors] == ["gzip", "bz2", "lzma"]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean qubd-paper"):
        preset("qubd")
    with pytest.raises(UnknownNameError, match="there are qubd-paper, fixed, momos-paper"):
        preset("zzz")
