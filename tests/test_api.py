"""The public names, each used once for real; a notebook needs nothing else."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

import complexity_lab as cl
from tests.checkpoints import write
from tests.cli.conftest import save_pairs

BITS = np.random.default_rng(0).integers(0, 2, (40, 60))
WEIGHTS = np.random.default_rng(1).normal(size=(40, 60)).astype(np.float32)
TEXT = Path(__file__).read_text()
DECLARED = [
    name.asname
    for node in ast.parse(Path(cl.__file__).with_suffix(".pyi").read_text()).body
    if isinstance(node, ast.ImportFrom)
    for name in node.names
]


@pytest.mark.parametrize("name", DECLARED)
def test_every_public_name_is_there_documented_and_used_here(name):
    assert getattr(cl, name).__doc__
    assert f"cl.{name}" in TEXT
    assert name in dir(cl)


def test_numbers_of_bits_and_weights():
    assert cl.bdm(BITS.ravel()) > cl.bdm(np.zeros(2400, int)) > 0
    assert 5 < cl.block_entropy(BITS.ravel()) <= 12
    assert cl.binarize(WEIGHTS).sum() == (WEIGHTS > 0).sum()
    counts = cl.block_counts(WEIGHTS)
    assert isinstance(counts, cl.BlockCounts)
    counter = cl.StreamCounter()
    counter.add(WEIGHTS)
    assert counter.result().blocks == counts.blocks == 200
    assert len(cl.ctm_table((12,))) == 4096
    chance = cl.iid_null(counts)
    assert abs(cl.bdm(cl.binarize(WEIGHTS).ravel()) - chance.mean) < 6 * chance.sd
    assert cl.iid_null(counts, 0.9).mean < chance.mean
    assert [shuffled.ones for shuffled in cl.shuffled_counts(WEIGHTS, repetitions=2)] == [counts.ones] * 2


def test_what_a_size_can_show():
    assert 0 < cl.bias_ratio(10**6, 0.4) < cl.bias_ratio(10**8, 0.4) < 1
    assert cl.resolution(10**6)
    flips = cl.perturbation(BITS)
    changed = BITS.copy()
    changed[0, 0] = 1 - changed[0, 0]
    assert cl.bdm(changed) - cl.bdm(BITS) == pytest.approx(flips[0, 0])
    first, second = cl.layer_perturbation({"a": WEIGHTS, "b": WEIGHTS[:1]})
    assert (first.scored, second.scored) == (2400, 60)


def test_planes():
    profile = cl.qubd(WEIGHTS, bits=3)
    assert profile.total == pytest.approx(sum(profile.planes))
    assert cl.qubd_tiled(WEIGHTS, bits=3) > 0


def test_compress():
    packed = cl.compress(WEIGHTS, "gzip")
    assert packed == cl.compress(bytes(cl.payload(WEIGHTS)), "gzip")
    assert packed.raw_bytes == 300
    assert cl.compress(b"a" * 1000, "lzma").rate > 1
    assert cl.compress(WEIGHTS, "zstd", payload="float32").raw_bytes == 9600
    with pytest.raises(cl.ComplexityLabError, match="gzp"):
        cl.compress(b"a", "gzp")


def test_measure_compare_and_suggest():
    spec = cl.MeasurementSpec(metrics=("bdm",))
    state = {"fc.weight": WEIGHTS}
    rows = cl.measure(state, spec.metrics)
    assert (rows["scope"] == "model").any()
    changes = cl.compare(state, {"fc.weight": np.abs(WEIGHTS)}, "bdm")
    assert (changes["ratio"].dropna() < 1).all()
    suggested = cl.suggest_bits(state, bits=4, draws=4)
    assert suggested["bits"].between(1, 4).all()


def test_a_zoo_is_surveyed_drawn_and_reported(tmp_path):
    pairs = save_pairs(tmp_path / "models")
    assert [card.id for card in cl.open_zoo("checkpoints", path=pairs).cards()] == ["a", "b", "c"]
    results = cl.survey("checkpoints", weights=pairs, out=tmp_path / "out", metrics=["bdm"], models=["a", "b"], jobs=1)
    assert isinstance(results, cl.Results)
    assert results.ratios["ratio"].notna().all()
    assert set(cl.read_table(tmp_path / "out", "models")["model"]) == {"a", "b"}
    files = cl.draw_figures(results, tmp_path / "figures", ["bdm_ratio"])
    assert {file.suffix for file in files} == {".pdf", ".png", ".csv", ".parquet"}
    assert cl.write_report(tmp_path / "out", tmp_path / "page.html").read_text().startswith("<!")


def test_series_and_study_files(tmp_path):
    steps = write(tmp_path / "steps", [0, 10])
    results = cl.series(steps, out=tmp_path / "series", jobs=1)
    assert results.ratios["step"].tolist() == [0, 10]
    (tmp_path / "s.toml").write_text('title = "T"\nquestion = "Q?"\n[series]\nsource = "steps"\n')
    plan = cl.read_study(tmp_path / "s.toml")
    assert isinstance(plan, cl.Plan)
    assert cl.run_study(plan, tmp_path / "study", jobs=1).exit_code == 0
    assert cl.open_results(tmp_path / "study").ratios["ratio"].tolist() == results.ratios["ratio"].tolist()


def test_mosaics(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Linear(64, 64)
    projection = cl.MoMos(s=4, capacity=0.01)(network)
    assert projection.rac == pytest.approx(cl.rac(n=projection.blocks * 4, s=4, k=projection.used_motifs), rel=0.1)
    report = cl.pack(network, tmp_path / "packed.safetensors")
    assert report.ratio > 1
    restored = cl.unpack(tmp_path / "packed.safetensors")
    assert torch.equal(restored["weight"], network.weight)
