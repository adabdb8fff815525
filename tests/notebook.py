"""Runs a notebook as Jupyter does, without Jupyter: ``python notebook.py FILE`` in the folder of FILE.

Its code cells run from the first to the last in one namespace. What the last line of a cell comes to is
shown. Jupyter and its kernel are some thirty packages that nothing else here needs.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def run_in(clone: Path, name: str) -> str:
    """Run one of our notebooks in a clone's folder ``notebooks``; returns what it says."""
    (clone / "notebooks").mkdir(exist_ok=True)
    file = shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", clone / "notebooks")
    place = {**os.environ, "PYTHONPATH": str(clone / "src"), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, __file__, Path(file).name],
        cwd=clone / "notebooks",
        env=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def run(path: Path) -> None:
    """An error of a cell ends it, with the cell's number as the file of the traceback."""
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(book.cells, 1):
        if cell.cell_type != "code":
            continue
        where = f"{path}, cell {number}"
        print(f"--- {where}", flush=True)
        lines = ast.parse(cell.source, where).body
        last = lines.pop() if lines and isinstance(lines[-1], ast.Expr) else None
        exec(compile(ast.Module(lines, []), where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
            if value is not None:
                print(value, flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
