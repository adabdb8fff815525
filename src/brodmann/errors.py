"""Errors that a user can act on: one clear line each, all at once, never a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Thing = TypeVar("_Thing")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what to do about it."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        return one_line(f"{text} ({self.fix})" if self.fix else text)


def one_line(text: str) -> str:
    """``text`` fit for a log: names and values of others may hold line ends or a terminal's codes."""
    words = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in words
    )


class UserError(Exception):
    """Raised for anything the user can put right; holds every problem found, not just the first."""

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def at(cls, where: str, what: str, fix: str = "") -> UserError:
        """The error with a single problem."""
        return cls(Problem(where, what, fix))


def together(attempts: Sequence[Callable[[], _Thing]]) -> list[_Thing]:
    """The results of all attempts, or everything that is wrong with any of them as one error."""
    results: list[_Thing] = []
    problems: list[Problem | str] = []
    for attempt in attempts:
        try:
            results.append(attempt())
        except UserError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    if problems:
        raise UserError(*problems)
    return results


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word``, or None when nothing is close enough to suggest."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    matches = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean 'x'?``, else the list of what is allowed."""
    choices = sorted({str(choice) for choice in choices})
    match = closest(word, choices)
    if match is not None:
        return f"did you mean '{match}'?"
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"allowed: {shown}" if choices else ""
