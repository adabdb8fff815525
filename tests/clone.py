"""A copy of the workflow with a small study on a tiny random model: what workflow tests run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from warm_snakemake import run_snakemake

WORKFLOW = ("Snakefile", "rules", "workflow", "src", "profiles", "stimuli", "config.yaml")
TASKS = ("language/agreement", "formal/sums", "social/manners")
# Small settings of the localizer stage.
LOCALIZER = {
    "percentages": [5.0],
    "lesion": {"seeds": [42], "tasks": [TASKS[0]], "items": 4, "passages": 2},
}
# Weights under which all three tasks have a contrast between clean and corrupted problems.
SEED = 16


def task_yaml(task: str, n_items: int = 12) -> dict:
    """A task with explicit items, distinct for each task and item."""
    items = [
        {
            "text": {
                "clean": f"{task} number {n:03d} says yes",
                "corrupted": f"{task} number {n:03d} says nay",
            },
            "answers": ["good", "poor"] if n % 2 else ["fine", "grim"],
        }
        for n in range(n_items)
    ]
    return {"description": "made for a test", "measures": "nothing", "items": items}


class Clone:
    """A copy of the workflow with a study in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def copy(self, path: Path) -> Clone:
        """A clone that can be changed, with the same file times."""
        shutil.copytree(self.path, path)
        return Clone(path)

    def _arguments(self, *arguments, cores=2) -> list[str]:
        return ["--cores", str(cores), *map(str, arguments)]

    def snakemake(self, *arguments, check=True, cores=2):
        """Run Snakemake here; returns the finished process (stdout and stderr together)."""
        done = run_snakemake(self._arguments(*arguments, cores=cores), self.path)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(done.args)}\n{done.stdout}")
        return done

    def kill_snakemake(self, *arguments, when) -> None:
        """kill -9 a run, with all of its jobs, as soon as ``when()`` is true."""
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *self._arguments(*arguments)],
            cwd=self.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # jobs stay in the session's process group
        )
        try:
            deadline = time.monotonic() + 120
            while not when():
                assert process.poll() is None, "finished before it could be killed"
                assert time.monotonic() < deadline, "it did not get that far"
                time.sleep(0.02)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def where(self) -> dict[str, str]:
        """What `brodmann where` says here: stage -> its state."""
        command = [sys.executable, "-m", "brodmann.cli", "where"]
        env = {**os.environ, "PYTHONPATH": str(self.path / "src")}
        text = subprocess.check_output(command, cwd=self.path, env=env, text=True)
        lines = (line.partition("  ") for line in text.splitlines())
        return {name: state.strip() for name, _, state in lines}

    def planned(self, *arguments) -> dict[str, int]:
        """Jobs that a dry run would start: rule -> number."""
        text = self.snakemake("--dry-run", *arguments).stdout
        found = {}
        for line in text.splitlines():
            if line.startswith("    "):
                for rule, count in re.findall(r"(\w+) (\d+)(?=,|$)", line):
                    found[rule] = found.get(rule, 0) + int(count)
        to_do = re.search(r"^(\d+) steps? to do", text, re.M)
        if to_do is None:
            assert "Nothing to be done" in text, text
        assert sum(found.values()) == (int(to_do[1]) if to_do else 0), text
        return found

    def ledger(self, model="tiny") -> list[dict]:
        path = self.path / "results" / model / ".store" / "ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def baseline(self, task, model="tiny") -> dict:
        return json.loads((self.path / f"results/{model}/baseline/{task}.json").read_text())

    def config(self) -> dict:
        return yaml.safe_load((self.path / "config.yaml").read_text())

    def write_config(self, config: dict) -> None:
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))

    def write_task(self, task: str, definition: dict) -> Path:
        path = self.path / "data" / f"{task}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(definition, sort_keys=False))
        return path

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.path / file
        text = path.read_text()
        assert old in text, f"{old!r} not in {file}"
        path.write_text(text.replace(old, new))


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """Keep converted weights in ``folder``, apart from those of the machine."""
    before = os.environ.get("BRODMANN_CACHE")
    os.environ["BRODMANN_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["BRODMANN_CACHE"]
        else:
            os.environ["BRODMANN_CACHE"] = before


def copy_workflow(root: Path, path: Path) -> Clone:
    """The workflow as a fresh clone has it (new file times), without data and results.

    The library keeps its file times, and with them its bytecode: each of the many processes would compile it.
    """
    path.mkdir(parents=True)
    for name in WORKFLOW:
        source = root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.egg-info")
            copied = shutil.copy2 if name == "src" else shutil.copyfile
            shutil.copytree(source, path / name, ignore=ignored, copy_function=copied)
        else:
            shutil.copyfile(source, path / name)
    return Clone(path)


def set_up(root: Path, path: Path, weights: Path) -> Clone:
    clone = copy_workflow(root, path)
    # Domains look as they do in the checkout: jobs that a test plays itself know those of the checkout.
    for said in sorted((root / "data").glob("*/domain.yaml")):
        copied = path / said.relative_to(root)
        copied.parent.mkdir(parents=True)
        shutil.copyfile(said, copied)
    for task in TASKS:
        clone.write_task(task, task_yaml(task))
    clone.write_config(
        {
            "models": {"tiny": {"source": f"path:{weights}", "filter": "aligned"}},
            "tasks": {"include": ["*"], "min_items": 1},
        }
    )
    return clone


def write_networks(clone: Clone) -> dict:
    """Two datasets of short texts, and settings under which each kind of work is done a few times."""
    for name, words in (("sea", "ship wave gull salt"), ("land", "tree field plough road")):
        folder = clone.path / "texts" / name
        folder.mkdir(parents=True)
        dice = np.random.default_rng(len(words))
        for n in range(6):
            (folder / f"{n}.txt").write_text(" ".join(dice.choice(words.split(), 10 + n)))
    (clone.path / "held.txt").write_text("a gull cried\n\nthe plough stood still")
    return {
        "datasets": {"sea": "texts/sea", "land": "texts/land"},
        "group_samples": 4,
        "individual_samples": 2,
        "group_components": 2,
        "individual_components": 2,
        "restarts": 2,
        "max_tokens": 20,
        "threshold": 1.5,
        "editing": {
            "networks": False,
            "amounts": {"multiply": [1.5], "add": []},
            "tasks": [TASKS[0]],
            "items": 2,
            "passages": 2,
            "corpus": "held.txt",
            "seeds": [0],
        },
        "probing": {"tasks": [TASKS[0], TASKS[2]], "items": 10, "folds": 2},
        "following": {"texts": 2, "example": "held.txt"},
    }
