"""``results/{model}/.store/ledger.jsonl``: one line per model job, saying what it really did.

It answers "what was computed again, and why did it take so long": model loads, forward passes, and which
work was found in the store. Nothing depends on it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


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
