"""Numbers as print has them: minus signs, powers of ten. Files that are read again keep plain ASCII."""

from __future__ import annotations

import re

# Hyphens before a number, and those in an exponent; not those of "network-0" or "2-1".
_HYPHEN = re.compile(r"(?<![^\s\[(])-(?=[\d.])|(?<=\de)-(?=\d)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def minus(text: str) -> str:
    """``text`` with a minus before its negative numbers."""
    return _HYPHEN.sub("−", text)


def power_of_ten(exponent: int) -> str:
    """``10⁶``."""
    return f"10{str(exponent).translate(_RAISED)}"


def whole(value: float) -> str:
    """To the nearest whole number, halves away from zero: ``13`` for 12.5, as readers round."""
    # A half that floating point put just below it is one.
    rounded = int(abs(value) + 0.5 + 1e-9)
    return f"{'-' if value < 0 and rounded else ''}{rounded}"


def counted(number: int, what: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
