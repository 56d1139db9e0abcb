"""What can go wrong, by name.

Each error is one sentence: what was found, what was wanted, and the way out. Each is also the builtin exception
that a caller would expect, so ``except ValueError`` works without importing anything from here.
"""


class ComplexityLabError(Exception):
    """The parent of every error that this package raises on purpose."""


class InputError(ComplexityLabError, ValueError):
    """An argument, plan or study file asks for something that is not defined."""


class UnknownNameError(ComplexityLabError, LookupError):
    """A model, metric, zoo or figure of that name does not exist; the message suggests the nearest names."""


class WeightsError(ComplexityLabError, ValueError):
    """Weights cannot be measured: not finite, truncated, corrupt, of a wrong architecture, or not plain tensors."""


class UnreachableError(ComplexityLabError, OSError):
    """A hub or a file cannot be reached."""


class OutputError(ComplexityLabError, OSError):
    """An output directory cannot be written or has no space left."""


class PlanMismatchError(ComplexityLabError, ValueError):
    """The output directory holds a survey of another plan."""


def nearest_names(name: str, known: "list[str] | tuple[str, ...]", limit: int = 3) -> str:
    """Return `` (did you mean a, b?)`` for the known names closest to ``name``, or an empty string."""
    import difflib

    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=limit, cutoff=0.5)
    return f" (did you mean {', '.join(lowered[key] for key in close)}?)" if close else ""
