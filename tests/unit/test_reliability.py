"""docs/reliability.md lists every drill and no other, and what came of each."""

import ast
import re

FOLDERS = ("tests/drill",)
# Drills that were there before, or that need no study.
ELSEWHERE = ("tests/unit", "tests/workflow", "tests/cluster")


def functions(root, folder):
    """file::test of every test below a folder."""
    found = set()
    for path in sorted((root / folder).rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.add(f"{path.name}::{node.name}")
    return found


def rows(root):
    """(what was tried, what happened, tests) of every line of the table."""
    text = (root / "docs/reliability.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    found = [
        (row[0], row[1], re.findall(r"`([^`]+::[^`]+)`", row[2]))
        for row in cells
        if row[0][:3] != "---"
    ]
    assert len(found) > 20
    return found


def test_every_drill_has_its_row(root):
    listed = {test for _, _, tests in rows(root) for test in tests}
    for folder in FOLDERS:
        assert functions(root, folder) <= listed
    known = set().union(*(functions(root, folder) for folder in (*FOLDERS, *ELSEWHERE)))
    assert listed <= known, listed - known


def test_no_row_is_open(root):
    for tried, happened, tests in rows(root):
        assert tests, tried
        assert happened and not re.search(r"\b(todo|open|fails?|unknown)\b|\?", happened, re.I), (
            tried
        )
