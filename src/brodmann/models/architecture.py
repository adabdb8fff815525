"""Which modules of a model hold its units: a table, a fallback by inspection, and the user's word.

Light: no torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brodmann.errors import UserError, did_you_mean
from brodmann.models.dimensions import expected_layers, has_number, text_config
from brodmann.models.families import AUTO, LAYOUTS, OVERRIDES, TABLE, Architecture
from brodmann.models.inspection import absent_sites, head_path, inspect_architecture
from brodmann.models.module_tree import find_module, is_list
from brodmann.models.required_sites import KeyProblems, Sites, Unsupported
from brodmann.sites import NAMED, WRITES_TO

# Multimodal models carry their text model one level down.
_PREFIXES = (("model.", "model.language_model."), ("model.", "language_model.model."))


def architecture_for(
    model: Any,
    overrides: Mapping[str, str] | None = None,
    *,
    name: str = "NAME",
    sites: Sites | None = None,
) -> Architecture:
    """The architecture of a loaded model: the table's, else one found by inspection.

    ``overrides`` (``models.{name}.units`` in the config) has the last word on any path. Every path
    of the result exists in the model; that of a site that is missing and not wanted is "".
    """
    sites, problems = sites or Sites(), KeyProblems(f"models.{name}.units")
    overrides = dict(overrides or {})
    check_overrides(overrides, name)
    known = _from_table(model)
    if known is None:
        known = inspect_architecture(model, given=overrides, name=name, sites=sites)
    found = replace(known, **overrides)
    sites.absent = absent_sites(model, found)
    _require_modules(model, found, problems, sites)
    return _without(found, sites)


def check_overrides(overrides: Mapping[str, str], name: str) -> None:
    """Refuse keys and values of ``models.{name}.units`` that are wrong for any model."""
    problems = KeyProblems(f"models.{name}.units")
    for key, value in overrides.items():
        if key not in OVERRIDES:
            problems.add(key, "unknown key", did_you_mean(key, OVERRIDES))
        elif not isinstance(value, str):
            problems.add(key, f"must be a string, found {value!r}")
    layout = overrides.get("layout", AUTO)
    if layout not in LAYOUTS:
        problems.add("layout", f"unknown layout '{layout}'", did_you_mean(layout, LAYOUTS))
    if problems.found:
        raise UserError(*problems.found)


def _without(architecture: Architecture, sites: Sites) -> Architecture:
    """The architecture without the paths of sites that are missing."""
    for units, target in WRITES_TO.items():
        # What units write to is where they are proved.
        if target in sites.missing and units not in sites.missing:
            sites.missing[units] = sites.missing[target]
            if units in sites.wanted:
                raise UserError(sites.missing[target])
    gone = {site: "" for site in sites.missing if site in NAMED}
    return replace(architecture, **gone)


def _from_table(model: Any) -> Architecture | None:
    """The table's entry for the model's type, with a multimodal wrapper's paths if it has one."""
    types = (model.config.model_type, text_config(model).model_type)
    entry = next((a for type_ in types for a in TABLE if type_ in a.model_types), None)
    if entry is None:
        return None
    if find_module(model, entry.blocks) is None:
        for plain, wrapped in _PREFIXES:
            moved = replace(
                entry,
                blocks=entry.blocks.replace(plain, wrapped, 1),
                final_norm=entry.final_norm.replace(plain, wrapped, 1),
            )
            if find_module(model, moved.blocks) is not None:
                entry = moved
                break
        else:
            return None  # the type is known, this implementation of it is not
    head = head_path(model)
    return replace(entry, head=head) if head and find_module(model, entry.head) is None else entry


def _require_modules(
    model: Any, architecture: Architecture, problems: KeyProblems, sites: Sites
) -> None:
    """Every path must lead to a module, in every block."""
    blocks, expected = find_module(model, architecture.blocks), expected_layers(model)
    if blocks is None or not is_list(blocks):
        what = "is no module" if blocks is None else "is not a list of blocks"
        problems.add("blocks", f"'{architecture.blocks}' {what} of this model")
        blocks = []
    elif expected is not None and len(blocks) != expected:
        what = f"has {len(blocks)} blocks, the model's configuration says {expected}"
        fix = "name the list of all decoder blocks"
        problems.add("blocks", f"'{architecture.blocks}' {what}", fix)
    for key in ("final_norm", "head"):
        path = getattr(architecture, key)
        if not path or find_module(model, path) is None:
            what = f"this model has no module '{path}'" if path else "not found in this model"
            problems.add(key, what, "give its path from the model")
    for key in NAMED:
        if key in sites.missing:
            continue
        if not getattr(architecture, key) and key in WRITES_TO.values():
            problems.add(key, "no module found that puts out what its units write", "name it")
            continue
        path, absent = getattr(architecture, key), sites.absent.get(key, ())
        without = [n for n, block in enumerate(blocks) if find_module(block, path) is None]
        without = [n for n in without if n not in absent]
        if not without:
            continue
        what = f"block {without[0]} has no module '{path}'"
        if len(without) < len(blocks) - len(absent):
            # What one block has instead is not in the others, either.
            has = next(n for n in range(len(blocks)) if n not in without)
            what += f", as block {has} has: the site is not the same module in every block"
            problems.add(key, what, kind=Unsupported)
        else:
            there = [name for name, _ in blocks[without[0]].named_modules() if name]
            problems.add(key, what, did_you_mean(path, there))
    scale = architecture.residual_scale
    if scale and not has_number(model, scale):
        problems.add("residual_scale", f"the model's configuration has no number '{scale}'")
    sites.settle(problems)
