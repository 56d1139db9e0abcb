"""Every command explains itself."""

import pytest
from typer.main import get_command

from complexity_lab.cli.app import app


def walk(command, path=()):
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_names_every_option_and_flags_have_no_type(run, path):
    code, out, err = run(*path, "--help")
    assert (code, err) == (0, "")
    assert "<bool>" not in out
    assert "``" not in out
    for parameter in COMMANDS[path].params:
        assert parameter.help or parameter.name == "help", parameter.name
        assert all(option in out for option in parameter.opts if option.startswith("--"))
    for name, child in getattr(COMMANDS[path], "commands", {}).items():
        assert name in out
        assert child.help


def test_the_commands_are_these():
    assert {" ".join(path) for path in COMMANDS} >= {
        *("survey", "measure", "compare", "suggest", "series", "figures", "report", "train", "reproduce", "pack"),
        *("unpack", "doctor", "bench", "zoo list", "zoo show", "study run", "study publish"),
    }


def test_version(run):
    assert run("--version")[1].startswith("complexity-lab ")
