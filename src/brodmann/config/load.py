"""From config files to a ``Study``: read, combine, validate, resolve; every problem at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.config.problems import validated
from brodmann.config.resolve import Resolver
from brodmann.config.schema import typed
from brodmann.config.source import ConfigSource, KeyPath, merge
from brodmann.config.study import Study
from brodmann.errors import Problem, UserError
from brodmann.tasks import domains


@dataclass(frozen=True)
class LoadedConfig:
    """A valid config: the study, the effective values, and the files they came from.

    ``domains``: what is wrong with what the domains of its tasks say of themselves.
    """

    study: Study
    config: dict[str, Any]
    source: ConfigSource
    domains: Sequence[Problem] = ()


def load_config(
    files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None, *, root: str | Path
) -> LoadedConfig:
    """Read ``files`` (later ones win), lay ``overrides`` (``--config``) over them, and validate.

    ``root`` is the workflow's own folder: it holds ``data/`` and ``stimuli/``.
    Raises ``UserError`` with every problem found.
    """
    found, problems = examine(files, overrides, root=root)
    if problems:
        raise UserError(*problems)
    return found


def examine(
    files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None, *, root: str | Path
) -> tuple[LoadedConfig, list[Problem]]:
    """The same, with what is wrong: then the study is of what is sound, with defaults for the rest.

    Raises ``UserError`` where nothing can be read.
    """
    source = ConfigSource()
    config: dict[str, Any] = {}
    for file in files:
        config = merge(config, source.add(file))
    if overrides:
        config = merge(config, typed(dict(overrides)))
    if "results_from" in (overrides or {}):
        # The file's line, and its folder, are those of a value that does not apply.
        source.lines.pop(("results_from",), None)
    if problems := list(_unreadable(config, (), source)):
        raise UserError(*problems)
    keys, problems, broken = validated(config, source)
    here = Resolver(keys, source, Path(root), broken)
    study = keys.resolved(here)
    noted = (*here.domains, *here.problems)
    problems += [problem for problem in noted if problem not in problems]
    domains.use(study.tasks.folder)
    return LoadedConfig(study, keys.model_dump(mode="json"), source, here.domains), problems


def _unreadable(value: Any, path: KeyPath, source: ConfigSource) -> Iterator[Problem]:
    """YAML reads ``1:`` or ``on:`` as a number or a truth value; a config's keys are text. And it
    knows ``.nan`` and ``.inf``, which no setting can mean, and characters that no file can hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            where = source.where((*path, str(key)))
            if not isinstance(key, str):
                yield Problem(where, f"the key {key!r} is not text", "put it in quotes")
            elif not _writable(key):
                yield Problem(where, f"the key {key!r} holds half a character")
            else:
                yield from _unreadable(item, (*path, key), source)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unreadable(item, (*path, number), source)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(source.where(path), f"found {value}, a finite number is needed")
    elif isinstance(value, str) and not _writable(value):
        yield Problem(source.where(path), f"{value!r} holds half a character")


def _writable(text: str) -> bool:
    """Whether UTF-8 has bytes for it; JSON and YAML can spell what no file can hold."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
