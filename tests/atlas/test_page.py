"""The atlas's page in a browser: opened from the disk, clicked through, measured (atlas/e2e)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from atlas import generated
from brodmann.atlas.write import join

SOURCES = Path(__file__).parents[2] / "atlas"
BROWSER = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "no node: install Node 20"
    if not (SOURCES / "node_modules").is_dir():
        return "no atlas/node_modules: run make atlas"
    if not Path(BROWSER).exists():
        return f"no {BROWSER}: install Chromium, or say in CHROMIUM where it is"
    return None


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    if reason := _missing():
        pytest.skip(reason)
    best = generated.small(tmp_path / "small")["best"]
    (tmp_path / "single").mkdir()
    join(tmp_path / "small", tmp_path / "single/index.html")
    # Ranks, which files of whole layers have, take as long as all the rest.
    sizes = ["--models", "7", "--own", "2", "--whole", "0"]
    place = tmp_path / "large"
    generated.large(place, generated.parser().parse_args([str(place), *sizes]))
    env = {
        **os.environ,
        "CHROMIUM": BROWSER,
        "ATLAS_SMALL": str(tmp_path / "small"),
        "ATLAS_SINGLE": str(tmp_path / "single"),
        "ATLAS_LARGE": str(tmp_path / "large"),
        "ATLAS_BEST": json.dumps(dict(zip(("layer", "unit"), divmod(best, 64), strict=True))),
        "ATLAS_OUT": os.environ.get("ATLAS_OUT", str(tmp_path / "seen")),
    }
    command = ["npx", "--no-install", "vitest", "run", "--config", "vitest.e2e.config.ts"]
    done = subprocess.run(command, cwd=SOURCES, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
