"""What made a result: versions, commit, machine-independent facts. Light imports only."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from typing import Any

import brodmann
from brodmann.places import INSTALLED, ROOT

# Packages whose version can change a number.
PACKAGES = ("torch", "transformers", "nnsight", "tokenizers", "safetensors", "numpy", "snakemake")


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed versions, of those that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def git_commit() -> str | None:
    """Commit of the brodmann checkout, with ``-dirty`` when it has changes; None outside git."""
    if INSTALLED:  # a repository around it is another one
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def software() -> dict[str, Any]:
    """The software side of a result's metadata."""
    return {
        "brodmann": brodmann.__version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "packages": package_versions(),
    }
