"""Mutation testing itself (tools/mutants.py): changes are as they are named, wherever a module is used."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest
from scipy.stats import binomtest

MODULE = '''
"""Not changed: 1 < 2."""
from math import tau
LIMIT = 5

def share(values, *, least: int = 0):
    if not values:
        raise ValueError(f"none of {1 + 1}")
    kept = [v for v in values if v > least]
    return sum(kept[1:]) / len(values)
'''


@pytest.fixture(scope="module")
def tool(root):
    spec = importlib.util.spec_from_file_location("mutants", root / "tools/mutants.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutants"]


def test_each_mutant_is_one_change(tool):
    found = {(one.before, one.after) for one in tool.mutants_of("toy.py", MODULE)}
    value = "sum(kept[1:]) / len(values)"
    assert found == {
        ("5", "6"),
        ("0", "1"),
        ("not values", "values"),
        ("raise ValueError(f'none of {1 + 1}')", "pass"),
        ("for v in values if v > least", "for v in values"),
        ("v > least", "v >= least"),
        (f"return {value}", "return None"),
        (value, "sum(kept[1:]) * len(values)"),
        ("1:", "1 + 1:"),
        ("1", "2"),
    }
    for one in tool.mutants_of("toy.py", MODULE):
        assert one.first <= one.line <= one.last
        space = {}
        exec(compile(tool.tree_of(one, MODULE), "toy.py", "exec"), space)
        if one.before == "v > least":
            assert space["share"]([3, 0, 2]) == pytest.approx(2 / 3)
        if one.after == "sum(kept[1:]) * len(values)":
            assert space["share"]([3, 1, 2]) == 9


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a and b", "a or b"),
        ("x[1:]", "x[1 + 1:]"),
        ("x[:n]", "x[1:n]"),
        ("x[:n]", "x[:n + 1]"),
        ("x.sum(axis=0)", "x.sum()"),
        ("x.mean()", "x.max()"),
        ("-x", "x"),
        ("True", "False"),
        ("0.5", "1.0"),
        ("a if b else c", "a if not b else c"),
        ("a in b", "a not in b"),
        ("a // b", "a * b"),
    ],
)
def test_what_is_changed(tool, before, after):
    found = {tool.ast.unparse(tree) for tree in trees(tool, before)}
    assert after in found


def trees(tool, text):
    return (tool.tree_of(one, text) for one in tool.mutants_of("toy.py", text))


def test_what_others_have_imported_is_changed(tmp_path, tool):
    """Functions, methods, defaults and constants, in a process of its own."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("")
    (tmp_path / "mine/made.py").write_text(
        textwrap.dedent("""
        from dataclasses import dataclass
        from functools import cached_property, lru_cache
        LIMIT = 5
        @lru_cache
        def twice(x): return 2 * x
        def more(x, by=3): return x + by
        @dataclass(frozen=True)
        class Box:
            side: int = 7
            @property
            def area(self): return self.side * self.side
            @cached_property
            def edge(self): return 4 * self.side
            @classmethod
            def of(cls, side): return cls(side + 10)
            def __len__(self): return self.side - 2
        """)
    )
    (tmp_path / "mine/user.py").write_text(
        "from mine.made import LIMIT, Box, more, twice\n"
        "def seen():\n"
        "    box = Box()\n"
        "    made = (Box.of(0).side, isinstance(box, Box), len(box))\n"
        "    return [LIMIT, twice(3), more(1), box.side, box.area, box.edge, *made]\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, sys
        sys.path[:0] = [{str(tmp_path)!r}, {str(tool.ROOT / "tools")!r}]
        from pathlib import Path
        import mutants
        mutants.SOURCE = Path({str(tmp_path)!r})
        import mine.user
        for one in mutants.mutants_of("mine/made.py", Path("mine/made.py").read_text()):
            sys.stdout.flush()
            if os.fork() == 0:
                mutants.put_in(one)
                print(f"{{one.before}}|{{one.after}}|{{mine.user.seen()}}", flush=True)
                os._exit(0)
            os.wait()
        print(f"||{{mine.user.seen()}}")
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = dict(line.rsplit("|", 1) for line in done.stdout.splitlines())
    whole = [5, 6, 4, 7, 49, 28, 10, True, 5]
    assert found["|"] == str(whole)

    def changed(**places):
        return str([places.get(f"n{n}", value) for n, value in enumerate(whole)])

    assert found["5|6"] == changed(n0=6)
    assert found["2 * x|2 / x"] == changed(n1=2 / 3)
    assert found["3|4"] == changed(n2=5)
    assert found["x + by|x - by"] == changed(n2=-2)
    assert found["7|8"] == changed(n3=8, n4=64, n5=32, n8=6)
    assert found["self.side * self.side|self.side / self.side"] == changed(n4=1.0)
    assert found["4 * self.side|4 / self.side"] == changed(n5=4 / 7)
    assert found["side + 10|side - 10"] == changed(n6=-10)
    assert found["self.side - 2|self.side + 2"] == changed(n8=9)


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (97, 100), (40, 40), (3, 7)])
def test_the_interval_is_wilsons(tool, hits, n):
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    assert tool.wilson(hits, n) == pytest.approx((low, high), abs=1e-6)


def test_every_module_has_its_tests(tool, root):
    for name, parts in tool.GROUPS.items():
        assert len(tool.all_mutants(parts)) > 50
        assert all((root / "tests/unit" / test).exists() for part in parts for test in part.tests)
        named = [module for part in parts for module in part.modules]
        folder = root / "src/brodmann" / name
        if folder.is_dir() and not any("*" in module for module in named):
            modules = {f"{name}/{path.name}" for path in folder.glob("[a-z]*.py")}
            elsewhere = {"store/masks.py", "store/progress.py"}  # a group of its own; a bar
            assert modules - elsewhere == set(named)
