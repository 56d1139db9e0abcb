"""Counts with their noun, in one spelling."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the right form; ``plural`` where an s does not make it.

    >>> counted(1, "model"), counted(2000, "model"), counted(0, "axis", "axes")
    ('1 model', '2,000 models', '0 axes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
