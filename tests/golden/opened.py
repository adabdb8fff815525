"""The golden study, laid out for tests that call its passes and light jobs themselves, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from golden.passes import Files, load_config
from golden.study import MODEL, READ, STUDY, copy, copy_kept


def opened(folder: Path, root: Path, **changes: Any) -> tuple[Any, Files]:
    """The study in ``folder``, which is the working directory, and what its passes read.

    ``changes``: sections of its config, laid over what the study says.
    """
    copy(STUDY, folder)
    (folder / "workflow").symlink_to(root / "workflow")
    (folder / "stimuli").symlink_to(root / "stimuli")
    copy_kept(folder / "results", READ)
    config = folder / "config.yaml"
    if changes:
        laid = _over(yaml.safe_load(config.read_text(encoding="utf-8")), changes)
        config.write_text(yaml.safe_dump(laid), encoding="utf-8")
    study = load_config([config], root=folder).study
    assert study.tasks.selected == study.second_tasks
    return study, Files.of(MODEL, study.tasks.selected)


def _over(under: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged; whatever else is given replaces what was there."""
    found = dict(under)
    for key, value in changes.items():
        old = found.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        found[key] = _over(old, value) if both else value
    return found
