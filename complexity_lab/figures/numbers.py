"""Numbers as text: enough digits to be useful, none that mean nothing, a dash for what is unknown.

Units and signs are joined by no-break spaces, so that no line of a caption or a page breaks inside a number.
"""

import math
from typing import Final

DASH: Final = "–"
NBSP: Final = "\N{NO-BREAK SPACE}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def significant(value: float, digits: int = 2) -> str:
    """Return a number with so many significant digits and without an exponent.

    >>> significant(0.000123456), significant(99.96, 3), significant(12.0), significant(-0.5), significant(0.00999)
    ('0.00012', '100', '12', '−0.50', '0.010')
    """
    if not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")  # 99.96 has another number of places than 100
    places = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    return f"{rounded:.{places}f}".replace("-", "−")


def count(value: float) -> str:
    """Return a count with a unit prefix.

    >>> [count(n).replace(NBSP, " ") for n in (0, 950, 4096, 61_706, 999_990, 5_717_416, 123e6, 2e9)]
    ['0', '950', '4.1 k', '62 k', '1 M', '5.7 M', '123 M', '2 G']
    """
    if not math.isfinite(value):
        return DASH
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale * 0.9995:
            return f"{value / scale:.{2 if abs(value) < 99.5 * scale else 3}g}{NBSP}{unit}"
    return f"{value:.0f}"


def plain(value: float) -> str:
    """Return a number as it is, with a true minus sign.

    >>> plain(-0.5), plain(96.0)
    ('−0.5', '96')
    """
    return f"{value:g}".replace("-", "−")


def step(value: float) -> str:
    """Return a training step: all digits below ten thousand, a unit above.

    >>> step(512), step(143_000).replace(NBSP, " ")
    ('512', '143 k')
    """
    return f"{value:,.0f}" if abs(value) < 10_000 else count(value)


def ratio(value: float) -> str:
    """Return a ratio with two significant digits of its distance from 1, at least three and at most seven places.

    >>> ratio(0.75), ratio(0.99958123), ratio(1.0), ratio(float("nan"))
    ('0.750', '0.99958', '1.000', '–')
    """
    if not math.isfinite(value):
        return DASH
    distance = abs(1 - value)
    places = 3 if distance == 0 else min(max(1 - math.floor(math.log10(distance)), 3), 7)
    return f"{value:.{places}f}"


def percent(fraction: float, digits: int = 2) -> str:
    """Return a fraction in percent.

    >>> [percent(fraction).replace(NBSP, " ") for fraction in (0.00041, 0.9, -0.0213, 0.0007)]
    ['0.041 %', '90 %', '−2.1 %', '0.070 %']
    """
    return f"{significant(100 * fraction, digits)}{NBSP}%" if math.isfinite(fraction) else DASH


def near_hundred(value: float) -> str:
    """Return percent of a reference: two significant digits of the distance from 100, one to five places.

    >>> [near_hundred(value).replace(NBSP, " ") for value in (62.04, 99.9461, 100.0, float("nan"))]
    ['62.0 %', '99.946 %', '100.0 %', '–']
    """
    if not math.isfinite(value):
        return DASH
    distance = abs(100 - value)
    places = 1 if distance == 0 else min(max(1 - math.floor(math.log10(distance)), 1), 5)
    return f"{value:.{places}f}{NBSP}%"


def share_range(low: float, high: float) -> str:
    """Return an interval of shares in whole percent.

    >>> share_range(0.596, 0.982).replace(NBSP, " ")
    '60 to 98 %'
    """
    return f"{100 * low:.0f} to {100 * high:.0f}{NBSP}%" if math.isfinite(low) and math.isfinite(high) else DASH


def power(value: float) -> str:
    """Return a small positive number as a decimal, or with a power of ten below 0.001.

    >>> [power(number).replace(NBSP, " ") for number in (0.0123, 2.4e-30, 0.0)]
    ['0.012', '2.4 × 10⁻³⁰', '0']
    """
    if not math.isfinite(value):
        return DASH
    if value == 0 or value >= 0.001:
        return significant(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}{NBSP}×{NBSP}10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def p_value(value: float) -> str:
    """Return a p-value with its sign of equality.

    >>> [p_value(p).replace(NBSP, " ") for p in (0.0123, 0.0, float("nan"))]
    ['p = 0.012', 'p < 10⁻³⁰⁰', 'p undefined']
    """
    if not math.isfinite(value):
        return f"p{NBSP}undefined"
    return f"p{NBSP}<{NBSP}10⁻³⁰⁰" if value < 1e-300 else f"p{NBSP}={NBSP}{power(value)}"


def models(n: int) -> str:
    """Return a number of models in words.

    >>> [models(n).replace(NBSP, " ") for n in (1, 12, 1200)]
    ['1 model', '12 models', '1,200 models']
    """
    return f"{n:,}{NBSP}model{'' if n == 1 else 's'}"
