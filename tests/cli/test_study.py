"""``study``: one tiny study of every kind, begun, finished, published, and read where it was published."""

import pytest

from complexity_lab.statistics.results import open_results
from complexity_lab.study.registry import kind_names
from tests.checkpoints import write
from tests.cli.conftest import save_pairs

SECTIONS = {
    "survey": 'zoo = "checkpoints"\nweights = "models"\nmetrics = ["bdm", "gzip"]',
    "series": 'source = "steps"\nshuffles = 2',
    "training": 'models = ["mlp"]\nbits = []\ns = [64]\ncapacity = [0.01]\nseeds = 1\nepochs = 1\npreset = "quick"',
    "trajectory": 'study = "learning"\ntask = "digits"\nhidden = [[12]]\nexamples = [50]\n'
    'conditions = [{}, {weight_decay = 0.01}]\nseeds = 1\noptimizer = "adam"\nlearning_rate = 1e-3\n'
    "batch_size = 10\nsteps = 10\nper_decade = 2\nshuffles = 2",
    "rounding": 'models = ["mlp_12", "resnet8_w6"]\nseeds = [0]\nbits = 2\nreferences = ["shuffle"]\nshuffles = 2\n'
    "margins = [0]\nlayer_bits = [2]",
}
FIGURE = {"survey": "bdm_ratio", "series": "trajectory", "training": "trade_off", "trajectory": "learning"}
FIGURE["rounding"] = "quantized_accuracy"
TASKS = {"survey": 3, "series": 3, "training": 2, "trajectory": 2, "rounding": 2}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory: models, checkpoints and a study file of every kind."""
    save_pairs(tmp_path / "models")
    write(tmp_path / "steps", [0, 1, 10])
    for kind, section in SECTIONS.items():
        header = f'title = "Tiny {kind}"\nquestion = "Does it run?"\nfigures = ["{FIGURE[kind]}"]'
        text = f"{header}\n[{kind}]\n{section}\n"
        (tmp_path / f"{kind}.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_kind_is_here():
    assert set(SECTIONS) == set(kind_names())


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_study_is_begun_finished_published_and_read(run, place, kind, monkeypatch):
    if kind == "rounding":  # whatever its weights, and none is trained here
        from complexity_lab.zoo.digits import OpenDigits

        monkeypatch.setattr(OpenDigits, "trained", lambda self, seed: self.initial(seed + 7))
    command = ("study", "run", f"{kind}.toml", "--jobs", 1)
    code, shown, told = run(*command, "--limit", 1, "--no-report")
    assert code == 0, told
    assert shown.startswith(f"Tiny {kind}\nDoes it run?\n")
    assert "1 ok, 0 failed (1 " in shown
    code, shown, told = run(*command)
    assert code == 0, told
    assert f"{TASKS[kind]} ok, 0 failed ({TASKS[kind] - 1} " in shown
    assert "1 kept)" in shown
    results = open_results(place / "runs" / kind)
    assert (results.kind, results.title, len(results.ok)) == (kind, f"Tiny {kind}", TASKS[kind])
    code, _, told = run("study", "publish", kind)
    assert code == 0, told
    assert (place / "reports" / kind / "report.html").exists()
    assert len(list((place / "reports" / kind).glob("*.png"))) == 1
    published = place / "data" / kind
    assert open_results(published).manifest.published
    assert not list(published.rglob("*.json.*"))
    code, shown, told = run("figures", published, "--out", "figures", "--name", FIGURE[kind])
    assert (code, "1 figure, each as pdf" in shown) == (0, True), told
    code, _, told = run("report", published, "--out", "page.html")
    assert code == 0, told
    assert f"Tiny {kind}" in (place / "page.html").read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seeds = 0", "seeds"),
        ("seeds = true", "seeds"),
        ('zoos = "x"', "zoos"),
        ("metrics = 3", "metrics"),
        ('states = ["begin"]', "states"),
        ("x = ", "is not a TOML file"),
    ],
)
def test_a_malformed_study_is_one_sentence(run, place, line, words):
    (place / "s.toml").write_text(f'title = "t"\nquestion = "q"\n[survey]\nzoo = "digits"\n{line}\n')
    code, out, err = run("study", "run", "s.toml")
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (place / "runs").exists()


def test_an_unknown_figure_is_refused_before_anything_is_done(run, place):
    text = (place / "survey.toml").read_text()
    (place / "s.toml").write_text(text.replace("bdm_ratio", "bdm_ratoi"))
    code, _, err = run("study", "run", "s.toml")
    assert (code, "did you mean bdm_ratio" in err) == (2, True)
    assert not (place / "runs").exists()


def test_states_can_be_chosen_for_a_survey_only(run, place):
    assert run("study", "run", "survey.toml", "--states", "trained", "--jobs", 1, "--no-report")[0] == 0
    code, _, err = run("study", "run", "trajectory.toml", "--states", "trained")
    assert (code, "has no states" in err) == (2, True)


def test_the_figures_of_a_study_are_those_it_names(run, place):
    assert run("study", "run", "survey.toml", "--jobs", 1)[0] == 0
    assert {path.stem for path in (place / "runs" / "survey" / "figures").iterdir()} == {"bdm_ratio"}
    code, _, err = run("study", "publish", "survey", "--picture", "bdm_ratoi")
    assert (code, "bdm_ratoi" in err) == (2, True)
