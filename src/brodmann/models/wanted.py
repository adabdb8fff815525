"""Which sites a study needs of a model, by which config key, and what that key could say instead. Light."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from brodmann.errors import Problem
from brodmann.models.required_sites import Unsupported, with_what_works
from brodmann.sites import SITES


@dataclass(frozen=True)
class Need:
    """A site that a config key asks for. ``others``: values that the key could have -> the site they need."""

    site: str
    key: str
    others: Mapping[str, str]

    def advice(self, works: Collection[str]) -> str:
        """What to set instead; "" if there is nothing that works."""
        for value, site in self.others.items():
            if site in works:
                return f"set {self.key}: {value}"
        return ""


# Without a study: every site is needed.
EVERY_SITE = tuple(Need(site, "", {}) for site in SITES)


def refusals(
    needs: Sequence[Need], missing: Mapping[str, Problem], works: Collection[str]
) -> list[Problem]:
    """One line for every needed site that a model has not: why, which sites work, what to set instead.

    ``missing``: site -> why. A problem that a key of ``units`` can help keeps its own fix.
    """
    found: list[Problem] = []
    for need in needs:
        problem = missing.get(need.site)
        if problem is None:
            continue
        advice = need.advice(works)
        if isinstance(problem, Unsupported):
            nothing = f"no value of {need.key} does: leave the model out" if need.key else ""
            if need.key == "attribution.components" and works:
                nothing += ", or set it to [] (no circuits)"
            problem = with_what_works(problem, works, advice or nothing)
        elif advice:
            problem = replace(problem, fix=f"{problem.fix}; or {advice}".removeprefix("; or "))
        if problem not in found:
            found.append(problem)
    return found
