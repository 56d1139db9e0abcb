"""Help of commands: paragraphs filled to the width of the terminal, and flags without the name of a type."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def filled(text: str) -> str:
    """Return paragraphs on a line each, without the double backticks of docstrings.

    >>> filled("One\\nline.\\n\\nAnd ``another``\\none.")
    'One line.\\n\\nAnd another one.'
    """
    return "\n\n".join(" ".join(part.split()) for part in text.replace("``", "").split("\n\n"))


class Command(TyperCommand):
    """A command of ours."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; a flag takes no value, so it shows no type."""
        return _untyped_flags(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        self.help = filled(self.help or "")
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """A group of commands of ours."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; a flag takes no value, so it shows no type."""
        return _untyped_flags(super().get_params(ctx))


def _untyped_flags(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
