"""``results/{model}/.store/ledger.jsonl``: one line per model job, saying what it really did.

It answers "what was computed again, and why did it take so long": model loads, forward passes, and which
work was found in the store. Nothing depends on it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brodmann.files import write_json
from brodmann.store.progress import Stopwatch


class Pass:
    """A pass over one model, from its start to what is said of it in the ledger and its manifest."""

    def __init__(self, manifest: str | Path) -> None:
        self.store = Path(manifest).parent
        self._manifest = manifest
        self._watch = Stopwatch()

    def end(self, model: str, facts: Mapping[str, Any], **more: Any) -> None:
        """Enter ``facts`` and the time; the manifest says ``model`` and ``more``, too."""
        facts = {**facts, "seconds": self._watch.seconds}
        enter(self.store, **facts)
        write_json(self._manifest, {"model": model, **more, **facts})


def enter(store: str | Path, **facts: Any) -> None:
    """Append a line; a single small write, so that concurrent jobs do not mix theirs."""
    path = Path(store) / "ledger.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **facts}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read(store: str | Path) -> list[dict[str, Any]]:
    """All entries, oldest first."""
    path = Path(store) / "ledger.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
