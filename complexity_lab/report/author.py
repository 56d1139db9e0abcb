"""What the author of a study says it shows: ``text.md`` next to the tables, Markdown behind a front matter.

The front matter stands between two lines ``+++`` and is TOML::

    +++
    date = 2026-11-21
    plan = "5f0c1d..."   # hash of the plan whose tables were before the author, or its first eight digits or more
    +++
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup

from complexity_lab.errors import InputError

_FRONT_MATTER: Final = re.compile(r"\A\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SHORTEST: Final = 8  # digits of a hash that name a plan
_HEADINGS: Final = 2  # levels that the page has above those of the text


@dataclass(frozen=True, kw_only=True)
class AuthorText:
    """An author's text.

    Attributes:
        html: rendered, without any HTML or picture of the author's own.
        date: when it was written; empty if it does not say.
        plan: hash of the plan it was written for; empty if it does not say.
        outdated: whether that is another plan than that of the tables.
    """

    html: Markup
    date: str = ""
    plan: str = ""
    outdated: bool = False


def read_text(file: Path, plan_hash: str) -> AuthorText:
    """Read and render a text.

    Raises:
        InputError: it cannot be read, or its front matter is no TOML.
    """
    try:
        text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}; wanted Markdown in UTF-8") from error
    match = _FRONT_MATTER.match(text)
    try:
        front = tomllib.loads(match[1]) if match else {}
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f'the front matter of {file} is no TOML ({error}); wanted lines such as plan = "5f0c1d..." between +++'
        ) from error
    plan = str(front.get("plan", ""))
    same = len(plan) >= _SHORTEST and plan_hash.startswith(plan)
    return AuthorText(
        html=rendered(text[match.end() :] if match else text),
        date=str(front.get("date", "")),
        plan=plan,
        outdated=bool(plan) and not same,
    )


def rendered(text: str) -> Markup:
    """Return Markdown as HTML; HTML in it stays text, pictures become links, headings go below those of the page.

    >>> rendered("# Found\\n<b>1</b>")
    Markup('<h3>Found</h3>\\n<p>&lt;b&gt;1&lt;/b&gt;</p>\\n')
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _HEADINGS, 6)}"
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))
