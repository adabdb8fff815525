"""What sections ask when they resolve themselves: files, folders and tasks; and the problems they note."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from brodmann.config.source import ConfigSource, KeyPath
from brodmann.errors import Problem, UserError
from brodmann.tasks import catalogue

if TYPE_CHECKING:
    from brodmann.config.study import Config

# Names of models and datasets are those of folders.
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
IN_NAMES = "letters, digits, '.', '_' and '-', starting with a letter or digit"
# What Snakemake 9 replaces in every path; for the first there is no way to quote it.
_REPLACED = re.compile(r"<[a-z][a-z0-9_]*>|\{[^{}]*\}")


@dataclass
class Resolver:
    """Finds what a config names, and notes every problem.

    ``config`` is valid by itself: a default stands for each value that is not, whose path is in ``broken``.
    So a section must not blame one key for the value of another that is broken.
    """

    config: Config
    source: ConfigSource
    root: Path  # the workflow's own folder
    broken: set[KeyPath]
    problems: list[Problem] = field(default_factory=list)
    known: Sequence[str] = ()  # every task there is, once ``tasks`` is resolved
    # What domains say wrongly of themselves: no key is at fault, and not all need it.
    domains: list[Problem] = field(default_factory=list)

    def sound(self, *path: str) -> bool:
        """Whether there was nothing to say about this key or anything above or below it."""
        return not any(bad[: len(path)] == path[: len(bad)] for bad in self.broken)

    def is_written(self, *path: str) -> bool:
        """Whether a config file holds this key."""
        return path in self.source.lines

    def problem(self, path: KeyPath, what: str, fix: str = "") -> None:
        """Note a problem of the key ``path``, once."""
        found = Problem(self.source.where(path), what, fix)
        if found not in self.problems:
            self.problems.append(found)

    def take(self, error: UserError, path: KeyPath | None = None) -> None:
        """Note the problems of ``error``; as those of the key ``path``, if one is given."""
        for found in error.problems:
            if isinstance(found, str):
                found = Problem(self.source.label, found)
            where = found.where if path is None else self.source.where(path)
            self.problems.append(Problem(where, found.what, found.fix))

    def resolve(self, text: str, path: KeyPath) -> Path:
        """``text`` as a path, relative to the file that holds the key ``path``."""
        try:
            place = (self.source.base(path) / Path(text).expanduser()).resolve()
        except (RuntimeError, ValueError, OSError):
            return Path(text)
        return self._plain(place, path)

    def results_path(self, text: str, path: KeyPath) -> Path:
        """``text`` below ``results_from``, or below the folder of the file that holds the key."""
        base = self.config.results_from
        if base is None:
            return self.resolve(text, path)
        if self.is_written("results_from"):
            base = str(self.resolve(base, ("results_from",)))
        return self._plain(Path(base).expanduser().resolve() / Path(text).expanduser(), path)

    def _plain(self, place: Path, path: KeyPath) -> Path:
        """The same path, if Snakemake takes it for what it is."""
        if found := _REPLACED.search(str(place)):
            what = f"{place}: Snakemake would read '{found[0]}' as a variable"
            self.problem(path, what, "give the folder or file another name")
        return place

    def exists(self, place: Path, *, folder: bool = False) -> bool:
        """Whether there is such a file, or folder."""
        try:
            return place.is_dir() if folder else place.is_file()
        except (ValueError, OSError):  # a NUL byte, a name too long
            return False

    def needed(self, place: Path, path: KeyPath, *, folder: bool = False, fix: str = "") -> bool:
        """Whether ``place`` is there; that it is not is a problem of the key ``path``."""
        there = self.exists(place, folder=folder)
        if not there:
            self.problem(path, f"no such {'folder' if folder else 'file'}: {place}", fix)
        return there

    def shipped(self, text: str | None, path: KeyPath, own: str, *, folder: bool = False) -> str:
        """A path that the config names, or what ships with the workflow."""
        place = self.root / own if text is None else self.resolve(text, path)
        self.needed(place, path, folder=folder)
        return str(place.resolve())

    def matching(
        self,
        globs: Sequence[str],
        tasks: Sequence[str] | None,
        path: KeyPath,
        *,
        passes_over: bool = False,
    ) -> tuple[str, ...]:
        """Those of ``tasks`` that the globs at ``path`` name, in order; one that names none is a problem.

        Without ``tasks`` there is nothing to say: why there are none was said. ``passes_over``: a glob of
        tasks that there are, but not among these, is no problem.
        """
        chosen: set[str] = set()
        for number, glob in enumerate(globs if tasks is not None else ()):
            if self._left_out(glob, tasks or ()):
                if passes_over:
                    continue
                what = f"'{glob}' names only tasks that tasks.include leaves out"
                fix = f"add it there, or name here tasks that are in it, or none: {path[-1]}: []"
                self.problem((*path, number), what, fix)
                continue
            try:
                where = self.source.where((*path, number))
                chosen.update(catalogue.select(tasks or (), [glob], where))
            except UserError as error:
                self.take(error)
        return tuple(sorted(chosen, key=catalogue.sort_key))

    def _left_out(self, glob: str, tasks: Sequence[str]) -> bool:
        """Whether a glob names tasks that there are, but none of these."""

        def names(found: Sequence[str]) -> bool:
            return any(fnmatchcase(task, glob) for task in found)

        return names(self.known) and not names(tasks)
