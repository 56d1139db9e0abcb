"""The page on methods: its snippets print what it shows, and its figures come from the script beside it."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "methods.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "<end of snippet>"


def snippets():
    """Return each snippet with the output that the page shows right below it."""
    blocks = [(name, body) for name, body in BLOCK.findall(PAGE) if name != "math"]
    assert [name for name, _ in blocks] == ["python", "text"] * (len(blocks) // 2)
    return [(code, shown) for (_, code), (_, shown) in zip(blocks[::2], blocks[1::2], strict=True)]


def script():
    spec = importlib.util.spec_from_file_location("make_figures", DOCS / "make_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_snippets_print_what_is_shown():
    program = "".join(f"{code}\nprint({END!r})\n" for code, _ in snippets())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=DOCS,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(f"{END}\n")[:-1] == [shown for _, shown in snippets()]


def test_every_figure_of_the_page_is_one_of_the_script_and_there():
    shown = re.findall(r"!\[[^\]]+\]\(figures/(\w+)\.png\)", PAGE)
    assert sorted(shown) == sorted(script().FIGURES) == sorted(path.stem for path in (DOCS / "figures").iterdir())


@pytest.mark.slow
def test_the_script_draws_every_figure(tmp_path):
    paths = script().make_figures(tmp_path / "figures")
    assert [path.name for path in paths] == [f"{name}.png" for name in script().FIGURES]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert 10_000 < path.stat().st_size < 400_000


def test_examples_are_what_the_page_says_of_them():
    examples = script()
    layer, initial, trained = examples.small_layer(), examples.initial_layers(), examples.trained_layers()
    assert layer.shape == (16, 24)
    assert {name: values.shape for name, values in trained.items()} == {name: v.shape for name, v in initial.items()}
    bits = examples.sticky_bits(98_304)
    assert 0.795 < (bits[1:] == bits[:-1]).mean() < 0.805
    assert (trained["b"] > 0).mean() < 0.3 < 0.45 < (trained["a"] > 0).mean()


def test_contents_and_links_lead_somewhere():
    heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", PAGE, re.M)]
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in heads, target
        else:
            assert (DOCS / target).exists(), target
    contents = re.findall(r"^\d+\. \[(.+?)\]\(#(\d+)-", PAGE, re.M)
    numbered = [(title, number) for number, title in re.findall(r"^## (\d+)\. (.+)$", PAGE, re.M)]
    assert contents == numbered
