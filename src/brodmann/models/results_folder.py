"""What lies in a folder of results: a model of the published study, or one that brodmann mapped elsewhere.

Published: ``overlap/positive_0.1pct_overlap.csv`` and
``ablation_analysis/positive_0.1pct_corrupted_accuracy.csv``, MLP neurons only. Ours: the model's folder under
``results/``. Names are read here, never contents: this is called while a Snakefile is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from brodmann.errors import UserError
from brodmann.sites import COMPONENTS

_SIGN = r"(?P<sign>positive|negative|absolute)"
_PERCENT = r"(?P<percent>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)pct"
_KIND = r"(?P<kind>corrupted|zero|mean)"
_COMPONENT = rf"(?P<component>{'|'.join(COMPONENTS)})"
_OVERLAPS = (
    re.compile(rf"overlap/{_SIGN}_{_PERCENT}_overlap\.csv"),
    re.compile(rf"overlap/{_COMPONENT}/{_SIGN}-{_PERCENT}\.containment\.csv"),
)
_DROPS = (
    re.compile(rf"ablation_analysis/{_SIGN}_{_PERCENT}_{_KIND}_accuracy\.csv"),
    re.compile(rf"ablation/{_COMPONENT}/{_SIGN}-{_PERCENT}\.{_KIND}\.accuracy_drop\.csv"),
)
_PLACES = ("overlap", "overlap/*", "ablation_analysis", "ablation/*")


@dataclass(frozen=True)
class ResultsFolder:
    """``overlaps``: (component, selection) -> file; ``drops``: (component, selection, kind) -> file."""

    path: Path
    overlaps: dict[tuple[str, str], Path]
    drops: dict[tuple[str, str, str], Path]
    baselines: dict[str, Path]

    @classmethod
    def scan(cls, path: str | Path) -> ResultsFolder:
        """List what is there; a size is written as ``repr(float)``, however the file spells it."""
        path = Path(path)
        overlaps, drops = {}, {}
        for file in sorted(f for place in _PLACES for f in path.glob(f"{place}/*.csv")):
            name = file.relative_to(path).as_posix()
            if found := _match(_OVERLAPS, name):
                overlaps[_key(found)] = file
            elif found := _match(_DROPS, name):
                drops[(*_key(found), found["kind"])] = file
        baselines = {
            file.relative_to(path / "baseline").with_suffix("").as_posix(): file
            for file in sorted(path.glob("baseline/*/*.json"))
            if not file.name.startswith(".")  # left behind by a job that was killed
        }
        return cls(path, overlaps, drops, baselines)

    @classmethod
    def of_model(cls, name: str, path: str | Path) -> ResultsFolder:
        """The folder of ``models.{name}``; an error if there is nothing in it to compare."""
        found = cls.scan(path)
        if not found.overlaps:
            what = f"no overlap matrix in {found.path}"
            fix = "e.g. overlap/positive_0.1pct_overlap.csv; see docs/statistics.md"
            raise UserError.at(f"models.{name}.source", what, fix)
        return found

    def overlap_files(self, component: str, sel: str) -> list[str]:
        """The containments, and what lies beside them in our layout (other measures)."""
        own = str(self.overlaps[component, sel])
        stem = own.removesuffix(".containment.csv")
        beside = [f"{stem}.{measure}.csv" for measure in ("jaccard", "doubly_stochastic")]
        return [own, *[file for file in beside if stem != own and Path(file).is_file()]]


def _match(patterns: tuple[re.Pattern, ...], name: str) -> dict[str, str] | None:
    matches = [found for pattern in patterns if (found := pattern.fullmatch(name))]
    return matches[0].groupdict() if matches else None


def _key(found: dict[str, str]) -> tuple[str, str]:
    """(component, selection name)."""
    name = f"{found['sign']}-{float(found['percent'])!r}pct"
    return found.get("component") or "neurons", name
