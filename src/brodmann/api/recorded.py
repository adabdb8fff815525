"""The config of a finished study, from its provenance: what was resolved then is resolved again here.

The study may have moved to a machine without its texts, tasks and weights: nothing but its results has to be
there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brodmann.atlas.study import PROVENANCE, StudyFolder
from brodmann.config.problems import validated
from brodmann.config.resolve import Resolver
from brodmann.config.source import ConfigSource, KeyPath
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.tasks import domains


@dataclass
class _AsItWas(ConfigSource):
    """A config without lines. Its paths are taken as relative to the folder that holds the results."""

    def base(self, path: KeyPath) -> Path:
        return self.files[-1].resolve().parents[1]


@dataclass
class _Finished(Resolver):
    """Takes for granted that what the study needed was there, and which tasks it had."""

    tasks: Sequence[str] = ()

    def exists(self, place: Path, *, folder: bool = False) -> bool:
        return True

    def needed(self, place: Path, path: KeyPath, *, folder: bool = False, fix: str = "") -> bool:
        return True

    def matching(
        self,
        globs: Sequence[str],
        tasks: Sequence[str] | None,
        path: KeyPath,
        *,
        passes_over: bool = False,
    ) -> tuple[str, ...]:
        if path == ("tasks", "include"):
            return tuple(self.tasks)
        return super().matching(globs, tasks, path, passes_over=True)


def recorded_study(folder: StudyFolder) -> Study:
    """The study. Settings that this version does not know are an error."""
    config = copy.deepcopy(folder.config)
    # Where tasks came from is of no concern any more.
    config["tasks"] = {
        **config.get("tasks", {}),
        "folder": None,
        "published": None,
        "rename": False,
    }
    # In the record defaults look as if they were written, and a percentage goes before a number.
    own = config.get("localizer", {})
    if any(folder.results.glob(f"*/localizer/*/*-{own.get('num_units')}units.csv")):
        own["percentages"] = None
    source = _AsItWas([folder.results / PROVENANCE])
    keys, problems, broken = validated(config, source)
    here = _Finished(keys, source, domains.DATA.parent, broken, tasks=folder.run_tasks)
    study = keys.resolved(here)
    if found := [*problems, *here.problems]:
        said = "its settings are not those of this version of brodmann"
        raise UserError.at(found[0].where, f"{found[0].what}: {said}", found[0].fix)
    return study
