"""Every command and snippet of the READMEs runs; printed output that the README shows is what comes out."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from complexity_lab.zoo.registry import open_zoo
from complexity_lab.zoo.selection import Selection, select
from tests.hub import Hub
from tests.survey.conftest import save_pair

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# what a test cannot wait for or fetch is made smaller; everything else runs as written
SMALLER = {
    "--sample 200 --max-parameters 100M": "--sample 2 --max-parameters 450k --metrics bdm",
    "--preset qubd-paper --controls all": "--preset qubd-paper --controls all --model resnet8_w6",
    "table1 --dataset digits --seeds 3": "table1 --dataset digits --seeds 1 --epochs 1 --model mlp",
}
DRAWN = Selection(sample=2, max_parameters=450_000)  # the models of that smaller sample, which the test publishes


def blocks(language, text=README):
    return [body for name, body in BLOCK.findall(text) if name == language]


def commands():
    """Yield (command, the output that the README shows, or None)."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output or None


@pytest.fixture(scope="module")
def hub():
    with Hub() as served:
        for card in select(open_zoo("timm"), DRAWN):
            torch.manual_seed(5)
            state = timm.create_model(card.id, pretrained=False).state_dict()
            served.add(card.source, {"model.safetensors": save(state)})
        yield served


def save_steps(folder):
    """Write the checkpoints of a network that drifts, and its losses."""
    folder.mkdir()
    torch.manual_seed(2)
    weights = {"fc1.weight": torch.randn(32, 48), "fc2.weight": torch.randn(10, 32)}
    for step in (0, 10, 100):
        moved = {name: tensor + 0.02 * step for name, tensor in weights.items()}
        (folder / f"step-{step}.safetensors").write_bytes(save(moved))
    (folder / "losses.csv").write_text("step,validation_loss\n0,2.3\n10,1.1\n100,0.4\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory in which the README's commands run one after the other, as a reader would type them."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("lenet", "alexnet"):
        save_pair(folder / "my_checkpoints", name)
    save_steps(folder / "my_steps")
    (folder / "studies").symlink_to(ROOT / "studies")
    return folder


def run(command, place, hub):
    for long, short in SMALLER.items():
        command = command.replace(long, short)
    program, *arguments = shlex.split(command)
    assert program == "complexity-lab"
    return subprocess.run(
        [sys.executable, "-m", "complexity_lab", *arguments],
        cwd=place,
        env={**hub.environment(place / "home"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize(("command", "shown"), [pytest.param(*pair, id=pair[0]) for pair in commands()])
def test_commands_run_and_print_what_is_shown(command, shown, place, hub):
    done = run(command, place, hub)
    assert done.returncode in ((0, 3) if " bench " in command else (0,)), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if shown:
        assert done.stdout.rstrip() == shown.rstrip()


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_snippets_run(number, place):
    """After the commands, so that the tables they read are there."""
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[number]], cwd=place, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_shown_value_is_the_printed_one(place):
    shown = re.search(r"bits: (\d+\.\d+)\.\.\.", README)
    done = subprocess.run([sys.executable, "-c", blocks("python")[0]], capture_output=True, text=True, check=True)
    assert shown
    assert done.stdout.startswith(shown[1])


def test_the_package_readme_runs():
    (snippet,) = blocks("python", (ROOT / "complexity_lab" / "README.md").read_text())
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("blocks")


def test_the_two_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text()
    for line in blocks("sh")[0].splitlines():
        target = line.split()[1]
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_command_of_the_program_is_in_the_readme_or_its_help():
    from typer.main import get_command

    from complexity_lab.cli.app import app

    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"complexity-lab {name}" in README, name


def test_links_to_files_lead_somewhere():
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert target.startswith("http") or (document.parent / target).exists(), f"{document.name}: {target}"


def test_studies_are_read_and_name_models():
    from complexity_lab.survey.study import read_study, study_plan

    sizes = {
        path.stem: len(study_plan(read_study(path), path.parent).models)
        for path in (ROOT / "studies").glob("*.toml")
        if "[survey]" in path.read_text()
    }
    assert sizes == {"digits": 14, "momos_figure2": 200, "qubd_hundred": 100}


def test_nothing_names_this_machine_or_a_package_registry():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".csv", ".json", ""):
            text = path.read_text(errors="replace")
            assert name == "tests/test_docs.py" or not re.search(r"(?<![\w.])/(work|home|root|Users)/\w", text), name
            assert not re.search(r"(index-url|--find-links)[ =]", text) or name == "tests/test_docs.py", name
