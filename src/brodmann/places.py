"""Where the workflow lies: around this package in a clone, inside it where pip has installed it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# What the wheel has beside the package's own files (tools/wheel_hook.py), laid out as in a clone.
_IN_WHEEL = _PACKAGE / "shipped"

INSTALLED = _IN_WHEEL.is_dir()
# The folder of the Snakefile, config.yaml, data/, stimuli/, profiles/ ...
ROOT = _IN_WHEEL if INSTALLED else _PACKAGE.parents[1]
SNAKEFILE = ROOT / "Snakefile"
