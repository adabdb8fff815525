"""Puts the workflow into the wheel, in ``brodmann/shipped``, laid out as in a clone (src/brodmann/places.py).

Called by hatchling (pyproject.toml). An editable installation finds it in the clone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Files and folders that a run of the workflow reads.
WORKFLOW = (
    "Snakefile",
    "config.yaml",
    "rules",
    "workflow",
    "config",
    "profiles",
    "data",
    "stimuli",
)


class Workflow(BuildHookInterface):
    """The hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name what is put in, and where."""
        if version == "standard":
            places = {str(Path(self.root, name)): f"brodmann/shipped/{name}" for name in WORKFLOW}
            build_data["force_include"].update(places)
