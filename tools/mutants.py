"""Mutation testing: would a wrong number pass? Changes one thing in a module and runs its unit tests.

    python tools/mutants.py                       # every group: GROUPS below
    python tools/mutants.py masks store --count 50 --seed 2
    python tools/mutants.py --again mutants.csv   # what survived, and what reads the same

A *mutant* is a module with one change: another comparison or operation, a constant one off, a condition
turned round, a result that is None, an argument or a statement left out. Tests that fail *kill* it. The score
of a group is the share that is killed, of a random sample of its mutants, with Wilson's 95 % interval; some
mutants compute the same as the module (x >= 0 for x > 0, where x is never 0), so that it never reaches 1.

The tests of a group are collected once. Each mutant is a fork of that process, in which the change is put
into the functions, classes and constants of the module that is imported already. Tests that execute the
changed lines, as coverage saw them, run first; then the others of their files, until one fails. Code that
tests run in processes of their own is not changed there.
"""

from __future__ import annotations

import argparse
import ast
import copy
import csv
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Part:
    """Modules (globs below src/brodmann), and the tests that must hold them (below tests/unit)."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


# Modules of statistics that make numbers -> their tests: each has few. ``stages`` are left out: they read and
# write files, and the tests of the workflow run them.
_STATISTICS = {
    "accuracy": "accuracy imports",
    "clustering": "clustering",
    "composition": "composition",
    "confounds": "confounds",
    "consistency": "consistency",
    "experts": "expert_statistics",
    "granularity": "granularity_statistics",
    "inventory tested": "inventory consistency planned",
    "matrices": "matrices",
    "mixed pooling structure_function": "structure_function",
    "modularity resampling": "modularity clustering untrained",
    "planned printed registry study_tables": "planned paper_tables",
    "surface": "surface",
    "untrained": "untrained",
}
GROUPS = {
    "statistics": tuple(
        Part(
            tuple(f"statistics/{name}.py" for name in modules.split()),
            tuple(f"statistics/test_{name}.py" for name in tests.split()),
        )
        for modules, tests in _STATISTICS.items()
    ),
    "significance": (Part(("significance/*.py",), ("significance",)),),
    "masks": (
        Part(("circuits/masks.py", "circuits/overlap.py"), ("circuits/test_overlap.py",)),
        Part(("store/masks.py",), ("store/test_masks.py",)),
    ),
    "store": (
        Part(("store/store.py", "store/ledger.py"), ("store/test_store.py",)),
        Part(("store/work.py", "store/shares.py"), ("store/test_work.py", "store/test_shares.py")),
        Part(
            ("store/tables.py", "store/tensors.py"),
            ("store/test_tables.py", "store/test_tensors.py"),
        ),
    ),
}

KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
# Processor seconds beyond what all tests of the group take, and seconds of the clock.
_MORE_S, _LONGEST_S = 60, 900


# What is changed

_OTHER: Mapping[type, type] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr},
    **{ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift},
}
_PAIRS = ("min max", "any all", "minimum maximum", "argmin argmax", "floor ceil")
_NAMES = {a: b for pair in map(str.split, _PAIRS) for a, b in (pair, pair[::-1])} | {"mean": "max"}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node, one change each."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OTHER:
            yield _with(node, ops=[_OTHER[type(operator)]()])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OTHER:
            if not any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (left, right)):
                yield _with(node, op=_OTHER[type(op)]())
        case ast.BoolOp(op=op):
            yield _with(node, op=_OTHER[type(op)]())
        case ast.AugAssign(op=op) if type(op) in _OTHER:
            yield _with(node, op=_OTHER[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Slice(lower=lower, upper=upper):
            yield _with(node, lower=_one_on(lower))
            if upper is not None:
                yield _with(node, upper=_one_on(upper))
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if not isinstance(test, ast.UnaryOp | ast.Compare):  # changed anyway
                yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[_, *_]):
            yield _with(node, ifs=[])
        case ast.Return(value=ast.expr() as value):
            if not (isinstance(value, ast.Constant) and value.value is None):
                yield _with(node, value=ast.Constant(None))
        case ast.Call(keywords=keywords):
            for number in range(len(keywords)):
                yield _with(node, keywords=keywords[:number] + keywords[number + 1 :])
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _with(node, attr=_NAMES[name])
        case ast.Name(id=name) if name in _NAMES:
            yield _with(node, id=_NAMES[name])
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass()


def _with(node: ast.AST, **changed: Any) -> ast.AST:
    other = copy.copy(node)
    for name, value in changed.items():
        setattr(other, name, value)
    return other


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _one_on(bound: ast.expr | None) -> ast.expr:
    return ast.Constant(1) if bound is None else ast.BinOp(bound, ast.Add(), ast.Constant(1))


@dataclass(frozen=True)
class Mutant:
    """The ``number``-th change of a module. ``first`` to ``last``: the lines of its statement."""

    module: str
    number: int
    line: int
    before: str
    after: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """The same until the module is changed above it."""
        return f"{self.module}:{self.line} #{self.number}"


def mutants_of(module: str, text: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    return [found for found, _ in _mutated(module, text)]


def tree_of(mutant: Mutant, text: str) -> ast.Module:
    """The module with the change in it."""
    return next(tree for found, tree in _mutated(mutant.module, text) if found == mutant)


def _mutated(module: str, text: str) -> Iterator[tuple[Mutant, ast.Module]]:
    """Each mutant while its change is in the tree."""
    tree = ast.parse(text)
    number = 0
    for parent, name, index, node, statement in list(_places(tree)):
        for changed in changes(node):
            ast.fix_missing_locations(ast.copy_location(changed, node))
            _put(parent, name, index, changed)
            before, after = (" ".join(ast.unparse(one).split())[:120] for one in (node, changed))
            if before != after:
                first, last = _lines(statement)
                line = getattr(node, "lineno", first)
                yield Mutant(module, number, line, before, after, first, last), tree
                number += 1
            _put(parent, name, index, node)


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Of a statement without the statements in it."""
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return statement.lineno, max(statement.lineno, last)


def _places(
    node: ast.AST, statement: ast.stmt | None = None
) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, ast.stmt]]:
    """Where a change may be: (parent, field, place in its list, node, statement); no types, texts of errors,
    or what only type checkers read."""
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or name in (
                "annotation",
                "returns",
                "decorator_list",
            ):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            own = child if isinstance(child, ast.stmt) else statement
            if own is None or isinstance(own, ast.Import | ast.ImportFrom):
                continue
            yield node, name, index if isinstance(value, list) else None, child, own
            if not isinstance(child, ast.Raise | ast.JoinedStr):
                yield from _places(child, own)


# What runs


def put_in(mutant: Mutant) -> None:
    """Change the module that is imported already, wherever others have imported from it."""
    path = SOURCE / mutant.module
    own = sys.modules[".".join(Path(mutant.module).with_suffix("").parts)]
    changed = {"__name__": own.__name__, "__file__": own.__file__, "__package__": own.__package__}
    tree = tree_of(mutant, path.read_text(encoding="utf-8"))
    exec(compile(tree, str(path), "exec"), changed)
    for name, new in changed.items():
        old = own.__dict__.get(name)
        if name.startswith("__") or graft(old, new, own.__name__) or _same(old, new):
            continue
        for module in list(sys.modules.values()):  # a constant
            if getattr(module, "__dict__", {}).get(name) is old:
                setattr(module, name, new)


def graft(old: Any, new: Any, module: str) -> bool:
    """Whether it is a function or a class of the module: it then does as the new one does."""
    old, new = _function_of(old), _function_of(new)
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        old.__code__ = new.__code__
        for part in ("__defaults__", "__kwdefaults__"):
            if not _same(getattr(old, part), getattr(new, part)):
                setattr(old, part, getattr(new, part))
        return True
    if not isinstance(old, type) or old.__module__ != module:
        return False
    for name, value in vars(new).items():
        known = vars(old).get(name)
        if not graft(known, value, module) and not (name.startswith("__") or _same(known, value)):
            setattr(old, name, value)
    return True


def _same(old: Any, new: Any) -> bool:
    """As far as one can see: a constant may be of a class of the module, which is another one now."""
    return old is new or repr(old) == repr(new)


def _function_of(value: Any) -> Any:
    """Of a property, a method of a class, what is cached."""
    for name in ("__func__", "fget", "func", "__wrapped__"):
        value = getattr(value, name, None) or value
    return value


@dataclass(frozen=True)
class Seen:
    """What tests do without a change. ``reach``: module -> line -> tests that execute it; ``seconds``:
    test -> what it takes of the processor."""

    reach: Mapping[str, Mapping[int, Collection[str]]]
    seconds: Mapping[str, float]

    def chosen(self, mutant: Mutant, items: Sequence[Any]) -> list[Any]:
        """Tests that execute the mutant's lines, then others of files that have some which execute the
        module; the quickest first."""
        lines = self.reach.get(mutant.module, {})
        files = {test.partition("::")[0] for tests in lines.values() for test in tests}
        near = {test for n in range(mutant.first, mutant.last + 1) for test in lines.get(n, ())}
        own = [item for item in items if item.nodeid.partition("::")[0] in files]
        return sorted(own, key=lambda i: (i.nodeid not in near, self.seconds.get(i.nodeid, 0)))


class Trials:
    """Plugin of pytest: in place of running the tests once, runs them for each mutant."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, say: Callable[[Mutant, str], None]):
        self._waiting, self._jobs, self._say = list(reversed(mutants)), jobs, say

    def pytest_runtestloop(self, session: Any) -> bool:
        """In the place of pytest's own."""
        what = seen(session)
        running: dict[int, tuple[Mutant, float]] = {}
        while self._waiting or running:
            while self._waiting and len(running) < self._jobs:
                mutant = self._waiting.pop()
                number = _forked(partial(_try, mutant, session, what))
                running[number] = mutant, time.monotonic()
            for number, (mutant, since) in list(running.items()):
                ended, status = os.waitpid(number, os.WNOHANG)
                if not ended and time.monotonic() - since > _LONGEST_S:
                    os.killpg(number, signal.SIGKILL)
                if ended:
                    del running[number]
                    self._say(mutant, _outcome(status))
            time.sleep(0.02)
        return True


def _passed(session: Any, items: Sequence[Any]) -> bool:
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return False
    return True


def _try(mutant: Mutant, session: Any, what: Seen) -> bool:
    limit = int(2 * sum(what.seconds.values()) + _MORE_S)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    put_in(mutant)
    return _passed(session, what.chosen(mutant, session.items))


def seen(session: Any) -> Seen:
    """What the tests do as they stand: they must pass."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "seen.json"
        os.waitpid(_forked(partial(_observe, session, answer)), 0)
        if not answer.exists():
            raise SystemExit("the tests fail without any change")
        reach, seconds = json.loads(answer.read_text(encoding="utf-8"))
    lines = {module: {int(n): own for n, own in of.items()} for module, of in reach.items()}
    return Seen(lines, seconds)


def _observe(session: Any, answer: Path) -> bool:
    import coverage

    # The core that knows contexts on every version of Python.
    os.environ["COVERAGE_CORE"] = "ctrace"
    measured = coverage.Coverage(data_file=None, config_file=False, source_pkgs=["brodmann"])
    measured.start()
    seconds = {}
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        measured.switch_context(item.nodeid)
        began = time.process_time()
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds[item.nodeid] = time.process_time() - began
    measured.stop()
    if session.testsfailed:
        return False
    data, reach = measured.get_data(), {}
    for file in data.measured_files():
        found = data.contexts_by_lineno(file)
        module = Path(file).relative_to(SOURCE).as_posix()
        reach[module] = {line: [test for test in own if test] for line, own in found.items()}
    answer.write_text(json.dumps([reach, seconds]), encoding="utf-8")
    return True


def _forked(job: Callable[[], bool]) -> int:
    """The number of a process that does the job, in silence; its exit code is 0 if the answer is true."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silence, stream)
        code = int(not job())
    finally:
        os._exit(code)


def _outcome(status: int) -> str:
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)
        return TIMED_OUT if ended in (signal.SIGXCPU, signal.SIGKILL) else KILLED
    return KILLED if os.WEXITSTATUS(status) else SURVIVED


# What is said


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, share = 1.959964, hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - reach, middle + reach


def row_of(group: str, every: int, found: Counter[str]) -> str:
    """A line of the table: a mutant that hangs is noticed, too."""
    n, hits = sum(found.values()), found[KILLED] + found[TIMED_OUT]
    low, high = wilson(hits, n)
    counts = " | ".join(str(found[name]) for name in (KILLED, TIMED_OUT, SURVIVED))
    score = f"{100 * hits / n:.0f} ({100 * low:.0f} to {100 * high:.0f})"
    return f"| {group} | {every} | {n} | {counts} | {score} |"


def all_mutants(parts: Sequence[Part]) -> list[tuple[Part, Mutant]]:
    """Of every module of a group, in the order of their names."""
    found = []
    for part in parts:
        paths = {path for glob in part.modules for path in (SOURCE / "brodmann").glob(glob)}
        for path in sorted(paths):
            module = path.relative_to(SOURCE).as_posix()
            found += [(part, one) for one in mutants_of(module, path.read_text("utf-8"))]
    return found


def main() -> None:
    """Try a sample of the mutants of each group, print the table, and list every mutant in a file."""
    options = _options()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    sys.path.insert(0, str(SOURCE))
    again = _survivors(options.again) if options.again else None
    lines = []
    with open(options.out, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["group", *(one.name for one in fields(Mutant)), "outcome"])
        table.writeheader()
        for name in options.groups or GROUPS:
            every = all_mutants(GROUPS[name])
            if again is None:
                count = min(options.count, len(every))
                drawn = random.Random(f"{options.seed} {name}").sample(every, count)
            else:
                drawn = [(p, m) for p, m in every if (m.module, m.before, m.after) in again]
            found: Counter[str] = Counter()

            def say(mutant: Mutant, outcome: str, name=name, found=found) -> None:
                found[outcome] += 1
                table.writerow({"group": name, **asdict(mutant), "outcome": outcome})
                file.flush()
                if outcome != KILLED:
                    change = f"{mutant.before}  ->  {mutant.after}"
                    print(f"{outcome}: {mutant.module}:{mutant.line}: {change}", flush=True)

            for part in GROUPS[name]:
                if own := [mutant for p, mutant in drawn if p is part]:
                    _try_all(part, Trials(own, options.jobs, say))
            if found:
                lines.append(row_of(name, len(every), found))
    print("| group | mutants | tried | killed | timed out | survived | score, % (95 % interval) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(lines))


def _survivors(path: Path) -> set[tuple[str, str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["outcome"] == SURVIVED]
    return {(row["module"], row["before"], row["after"]) for row in rows}


def _try_all(part: Part, trials: Trials) -> None:
    import pytest

    tests = [str(ROOT / "tests" / "unit" / test) for test in part.tests]
    options = ["-s", "-q", "-p", "no:cacheprovider", "-m", "not slow and not cluster"]
    code = pytest.main([*options, f"--rootdir={ROOT}", *tests], plugins=[trials])
    if code:
        raise SystemExit(f"pytest ended with {code}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--count", type=int, default=100, help="mutants of each group (100)")
    parser.add_argument("--seed", type=int, default=1, help="which mutants are drawn (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once (all cores)")
    parser.add_argument("--out", type=Path, default=Path("mutants.csv"), help="list of all")
    parser.add_argument("--again", type=Path, metavar="LIST", help="the survivors of a list")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group '{sorted(unknown)[0]}': there are {', '.join(GROUPS)}")
    return options


if __name__ == "__main__":
    main()
