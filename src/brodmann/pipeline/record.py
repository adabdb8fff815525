"""``results/provenance.json``: what made the results of a run."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from brodmann.files import file_digest, write_json
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.provenance import PACKAGES, git_commit, package_versions
from brodmann.tasks.items import read_items

_MORE_PACKAGES = ("pandas", "scipy", "scikit-learn", "seaborn", "matplotlib")


def write_provenance(
    output: str,
    *,
    config: dict[str, Any],
    models: Sequence[str],
    items: Sequence[str],
    imported: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> None:
    """Rule ``provenance``: everything needed to say, and repeat, what made the results."""
    import brodmann

    cards = [asdict(ModelCard.read(path)) for path in models]
    tasks = [read_items(path) for path in items]
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
        # Results that were taken over, by the content of their files.
        "imported": {path: file_digest(path) for path in imported},
        # What localizers and networks read.
        "texts": {path: file_digest(path) for path in texts},
        "tasks": {
            items.task: {
                "n_items": len(items),
                "items_sha256": {wording: items.digest(wording) for wording in items.wordings},
                **items.metadata,
            }
            for items in tasks
        },
    }
    write_json(output, record)
