"""The end of a run: provenance.json and the report."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brodmann.errors import UserError
from brodmann.files import atomic_path, read_json, write_json
from brodmann.methods import METHODS
from brodmann.provenance import PACKAGES, git_commit, package_versions

log = logging.getLogger(__name__)

_MORE_PACKAGES = ("pandas", "scipy", "statsmodels", "scikit-learn", "seaborn", "matplotlib")


def write_provenance(
    output: str, *, config: dict[str, Any], models: Sequence[str], items: Sequence[str]
) -> None:
    """Rule ``provenance``: everything needed to say, and repeat, what made the results."""
    import brodmann

    cards = [read_json(path) for path in models]
    tasks = [read_json(path) for path in items]
    record = {
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "brodmann": brodmann.__version__,
        "git_commit": git_commit(),
        "methods": METHODS,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(PACKAGES + _MORE_PACKAGES),
        "config": config,
        "models": {
            card["name"]: {
                key: card[key]
                for key in (
                    "source",
                    "resolved_source",
                    "revision",
                    "untrained",
                    "weights_hash",
                    "tokenizer_hash",
                    "dtype",
                    "format",
                )
            }
            for card in cards
        },
        "tasks": {
            task["task"]: {
                "n_items": task["n_items"],
                "items_sha256": task["sha256"],
                **task["metadata"],
            }
            for task in tasks
        },
    }
    write_json(output, record)


def write_report(
    output: str, *, snakefile: str, config_files: Sequence[str], overrides: dict[str, Any]
) -> None:
    """Rule ``write_report``: a second Snakemake, which only reads, writes the HTML file.

    The outer run holds the lock of the folder, hence ``--nolock``; the report covers the figures,
    not the report itself, which does not exist yet.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "report.html"
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--nolock"]
        command += ["--workflow-profile", "none", "--cores", "1"]
        command += ["figures", "results/provenance.json"]
        command += ["--configfile", *config_files, "--report", str(draft)]
        if overrides:
            pairs = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
            command += ["--config", *pairs]
        done = subprocess.run(command, capture_output=True, text=True)
        log.info("%s\n%s", " ".join(command), done.stderr)
        if done.returncode != 0 or not draft.is_file():
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
            raise UserError.at(output, f"the report could not be written: {lines[-1:]}")
        # Moved by content: the temporary folder may be on another file system.
        with atomic_path(output) as temporary:
            temporary.write_bytes(draft.read_bytes())
