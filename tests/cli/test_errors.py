"""What is wrong with a command is one sentence and a documented exit code, and nothing is written."""

import json

import pytest

from tests.sentences import assert_one_sentence


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("zoo show resnt18", 2, "did you mean resnet18"),
        ("zoo show x --zoo timn", 2, "did you mean timm"),
        ("survey --zoo digits --metrics bdmm", 2, "did you mean bdm"),
        ("survey --zoo digits --seeds 0", 2, "wanted how many"),
        ("survey --zoo digits --states begin", 2, "states"),
        ("survey --zoo digits --jobs 0", 2, "wanted 1 or more"),
        ("survey --zoo digits --limit 0", 2, "wanted 1 or more"),
        ("survey --zoo digits --backend spark", 2, "wanted loky or dask"),
        ("survey --zoo digits --order sorted", 2, "wanted model, natural or file"),
        ("survey --zoo timm --max-parameters tiny", 2, "tiny"),
        ("survey --zoo digits --seeds 0,0", 2, "twice"),
        ("survey --zoo digits --accuracy nowhere.csv", 2, "nowhere.csv"),
        ("survey --zoo timm --list nowhere.txt", 2, "nowhere.txt"),
        ("survey --zoo checkpoints", 2, "--weights"),
        ("survey --zoo checkpoints --weights nowhere", 1, "nowhere does not exist"),
        ("measure digits:resnet8_w6 --metrics=", 2, "no metric"),
        ("measure digits:resnet8_w6 --json --csv", 2, "wanted one of them"),
        ("measure digits:resnet8_w6 --scope tensor", 2, "wanted layer or model"),
        ("measure digits:mlp_12 --order sorted", 2, "order 'sorted', wanted model, natural or file"),
        ("measure digits:mlp_12 --controls shufle", 2, "did you mean shuffle"),
        ("measure nowhere.safetensors", 1, "does not exist"),
        ("measure resnet18 --state half", 2, "wanted initial or trained"),
        ("compare digits:mlp_12 digits:mlp_12 --order sorted", 2, "order 'sorted', wanted model"),
        ("compare digits:mlp_12 digits:mlp_12 --state-b half", 2, "--state-b 'half', wanted initial or trained"),
        ("suggest digits:mlp_12 --order sorted", 2, "order 'sorted', wanted model, natural or file"),
        ("figures nowhere", 2, "holds no manifest.json"),
        ("report nowhere", 2, "holds no manifest.json"),
        ("study run nowhere.toml", 2, "nowhere.toml does not exist"),
        ("study publish nothing", 2, "holds no manifest.json"),
        ("bench fast", 2, "unknown benchmark 'fast'"),
        ("reproduce table3", 2, "table3"),
        ("pack nowhere p", 1, "nowhere does not exist"),
    ],
)
def test_an_error_is_one_sentence_and_a_documented_code(run, tmp_path, monkeypatch, command, code, words):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*command.split())
    assert (found, out) == (code, ""), err
    assert err.startswith("complexity-lab: ")
    assert words in err
    assert_one_sentence(err.removesuffix("\n"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("mesure x", "measure"),
        ("measure", "source"),
        ("survey", "--zoo"),
        ("train --model mlp --epochs many", "--epochs"),
        ("train --model mlp --epoch 3", "--epochs"),
        ("bench --repeats 0", "--repeats"),
    ],
)
def test_a_command_that_cannot_be_read_is_code_2(run, command, words):
    code, out, err = run(*command.split())
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_debug_shows_the_error_itself(monkeypatch):
    from complexity_lab.cli.app import main
    from complexity_lab.errors import UnknownNameError

    monkeypatch.setattr("sys.argv", ["complexity-lab", "--debug", "zoo", "show", "resnt18"])
    with pytest.raises(UnknownNameError):
        main()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"plan": {"zoo": "digits"}, "plan_hash": "0"}, "was written by complexity-lab 0.1"),
        ({"format": 1}, "was written by complexity-lab 0.1"),
        ({"format": 99}, "has format 99"),
    ],
)
def test_a_directory_of_another_version_says_who_reads_it(run, tmp_path, manifest, words):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for command in ("figures", "report"):
        code, _, err = run(command, tmp_path)
        assert (code, words in err) == (2, True)
        assert_one_sentence(err.removesuffix("\n"))
