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

from complexity_lab.study.engine import planned_tasks
from complexity_lab.study.plan import read_study
from complexity_lab.zoo.registry import open_zoo
from complexity_lab.zoo.selection import Selection, select
from tests.hub import Hub

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


def steps():
    """Yield what a reader types, in the order of the page: (language, command or snippet, shown output or None)."""
    for language, body in BLOCK.findall(README):
        if language == "python":
            yield language, body, None
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield language, command, output or None


@pytest.fixture(scope="module")
def hub():
    with Hub() as served:
        for card in select(open_zoo("timm"), DRAWN):
            torch.manual_seed(5)
            state = timm.create_model(card.id, pretrained=False).state_dict()
            served.add(card.source, {"model.safetensors": save(state)})
        yield served


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory in which everything on the page runs in its order, as a reader would type it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "studies").symlink_to(ROOT / "studies")
    return folder


def arguments_of(command):
    for long, short in SMALLER.items():
        command = command.replace(long, short)
    program, *arguments = shlex.split(command)
    assert program == "complexity-lab"
    return ["-m", "complexity_lab", *arguments]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "text", "shown"), [pytest.param(*step, id=step[1].splitlines()[0][:60]) for step in steps()]
)
def test_what_the_readme_shows_runs(language, text, shown, place, hub):
    done = subprocess.run(
        [sys.executable, *(arguments_of(text) if language == "console" else ["-c", text])],
        cwd=place,
        env={**hub.environment(place / "home"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in ((0, 3) if " bench " in text else (0,)), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.strip()
    if shown:
        assert done.stdout.rstrip() == shown.rstrip()


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
    sizes = {}
    for path in (ROOT / "studies").glob("*.toml"):
        plan = read_study(path)
        assert plan.title
        assert plan.question
        if plan.kind == "survey":
            sizes[path.stem] = len(planned_tasks(plan))
    assert sizes == {"digits": 14, "momos_figure2": 200, "qubd_hundred": 100}


def test_nothing_names_this_machine_or_a_package_registry():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".csv", ".json", ""):
            text = path.read_text(errors="replace")
            assert name == "tests/test_docs.py" or not re.search(r"(?<![\w.])/(work|home|root|Users)/\w", text), name
            assert not re.search(r"(index-url|--find-links)[ =]", text) or name == "tests/test_docs.py", name
