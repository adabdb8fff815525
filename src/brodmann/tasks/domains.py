"""Domains: the folders of ``data/`` that say in a ``domain.yaml`` what they are.

    name: music                # what figures and pages call the domain
    colour: "#16A085"          # in every figure
    text: Pitch, rhythm, and how instruments sound.

The folder's name is what paths, tables and the config call it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.places import ROOT
from brodmann.tasks.yaml_source import read_yaml

FILE = "domain.yaml"
# The order of the published domains in every table, matrix and figure; others follow by name.
PUBLISHED = ("language", "formal", "physical", "social")
# The workflow's own tasks.
DATA = ROOT / "data"
# A variable with the study's own folder of tasks: jobs inherit it, before they know the study.
OWN = "BRODMANN_TASKS"
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
# What tables and figures call units of several domains, and all domains together.
_TAKEN = ("shared", "all")
SHARED_COLOUR = "#9B59B6"
# For domains of another study.
OTHER_COLOUR = "#7F8C8D"


@dataclass(frozen=True)
class Domain:
    """What a ``domain.yaml`` says."""

    name: str
    colour: str
    text: str


def known() -> dict[str, Domain]:
    """Folder -> domain, of all that the workflow or the study has; the published ones first."""
    return _found(DATA, os.environ.get(OWN))


@cache
def _found(shipped: Path, own: str | None) -> dict[str, Domain]:
    folders = [shipped, *([Path(own)] if own else [])]
    found = {
        name: one for data in folders if data.is_dir() for name, one in domains_in(data).items()
    }
    return {name: found[name] for name in sorted(found, key=rank)}


def use(folder: str | None) -> None:
    """Let this process, and those that it starts, know the domains of a study's own folder of tasks."""
    os.environ.pop(OWN, None)
    if folder is not None:
        os.environ[OWN] = folder


def names() -> tuple[str, ...]:
    """The folders of all domains there are."""
    return tuple(dict.fromkeys((*PUBLISHED, *known())))


def label(domain: str) -> str:
    """What figures and pages call it."""
    own = known().get(domain)
    return own.name if own else domain


def colour(domain: str) -> str:
    """Its colour in every figure; grey for one that this workflow does not have."""
    if domain == _TAKEN[0]:
        return SHARED_COLOUR
    own = known().get(domain)
    return own.colour if own else OTHER_COLOUR


def domains_in(data: Path) -> dict[str, Domain]:
    """The same of any folder of tasks; an error with all that is wrong with any of them."""
    found, problems = {}, []
    for path in sorted(data.glob(f"*/{FILE}"), key=lambda path: rank(path.parent.name)):
        try:
            found[path.parent.name] = _read(path)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return found


def rank(domain: str) -> tuple[int, str]:
    """Sorts domains: the published ones in their order, then others by name."""
    place = PUBLISHED.index(domain) if domain in PUBLISHED else len(PUBLISHED)
    return place, domain


def _read(path: Path) -> Domain:
    said = read_yaml(path)
    keys = [field.name for field in fields(Domain)]
    if not isinstance(said, dict):
        raise UserError.at(str(path), f"must have the keys {', '.join(keys)}")
    problems = [
        Problem(f"{path}: {key}", "unknown key", did_you_mean(str(key), keys))
        for key in said
        if key not in keys
    ]
    for key in keys:
        value = said.get(key)
        if not isinstance(value, str) or not value.strip():
            problems.append(
                Problem(f"{path}: {key}", "missing" if value is None else "must be text")
            )
        elif key == "colour" and not _COLOUR.fullmatch(value):
            fix = 'write it like "#16A085", in quotes'
            problems.append(Problem(f"{path}: colour", f"{value!r} is not a colour", fix))
    if path.parent.name in _TAKEN:
        what = f"no domain can be called '{path.parent.name}': tables use the word"
        problems.append(Problem(str(path.parent), what, "give the folder another name"))
    if problems:
        raise UserError(*problems)
    return Domain(**{key: said[key].strip() for key in keys})
