"""Which sites a model must have, and what stands in the way of those that it does without. Light."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from brodmann.errors import Problem, UserError
from brodmann.sites import SITES


@dataclass(frozen=True)
class Unsupported(Problem):
    """A site that cannot be addressed in this kind of model, whatever key is set."""


@dataclass
class KeyProblems:
    """What is wrong with keys of ``models.NAME.units``."""

    where: str
    found: list[Problem] = field(default_factory=list)

    def add(self, key: str, what: str, fix: str = "", kind: type[Problem] = Problem) -> None:
        """Note what is wrong with a key."""
        self.found.append(kind(f"{self.where}.{key}", what, fix))


@dataclass
class Sites:
    """Which sites a model must have, and what stands in the way of those that it does without.

    Filled while the model is looked at: ``missing``, site -> why it cannot be addressed; ``absent``,
    site -> layers that do not have it, where others do.
    """

    wanted: frozenset[str] = frozenset(SITES)
    missing: dict[str, Problem] = field(default_factory=dict)
    absent: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def having(self, site: str, blocks: Any) -> list[Any]:
        """Those of a model's blocks that have a site."""
        absent = self.absent.get(site, ())
        return [block for number, block in enumerate(blocks) if number not in absent]

    def settle(self, problems: KeyProblems) -> None:
        """Note the problems of sites that nobody wants, and raise all others."""
        fatal = []
        for problem in problems.found:
            site = problem.where.removeprefix(f"{problems.where}.")
            if site in SITES and site not in self.wanted:
                self.missing.setdefault(site, problem)
            else:
                fatal.append(problem)
        if fatal:
            gone = {*self.missing, *(problem.where.rpartition(".")[2] for problem in fatal)}
            works = [site for site in SITES if site not in gone]
            raise UserError(*(with_what_works(problem, works) for problem in fatal))


def with_what_works(problem: Problem, works: Iterable[str], advice: str = "") -> Problem:
    """A problem that no key under ``units`` can help, with the sites that can be used instead."""
    if not isinstance(problem, Unsupported):
        return problem
    listed = ", ".join(site for site in SITES if site in set(works))
    fix = f"with this model work: {listed}" + (f"; {advice}" if advice else "")
    return replace(problem, fix=fix)
