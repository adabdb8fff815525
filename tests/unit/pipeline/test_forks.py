"""Forks do what processes of their own would do: the same work, exit codes and ends."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from brodmann.pipeline.forks import Forks


@pytest.fixture(scope="module")
def forks():
    return Forks()


def write(folder, text):
    path = folder / "script.py"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('a message')", 1),
        ("1 / 0", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1),
        ("import no_such_module", 1),
    ],
)
def test_the_exit_code_is_the_scripts(forks, tmp_path, script, code):
    assert forks.run(write(tmp_path, script), ["no_such_module"]) == code


def test_what_is_needed_has_been_imported_and_nothing_else_is_shared(forks, tmp_path):
    script = """
import sys
assert "colorsys" in sys.modules
import colorsys
assert not hasattr(colorsys, "touched")
colorsys.touched = True
"""
    path = write(tmp_path, script)
    assert [forks.run(path, ["colorsys"]) for _ in range(2)] == [0, 0]
    bare = "import sys; sys.exit('colorsys' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", bare]).returncode == 0


def test_temporary_files_lie_where_they_are_asked_for(forks, tmp_path):
    script = f"import tempfile; assert tempfile.gettempdir() == {str(tmp_path)!r}"
    assert forks.run(write(tmp_path, script), ["tempfile"], str(tmp_path)) == 0


def test_a_fork_is_watched_while_it_runs(forks, tmp_path):
    seen, mark = [], tmp_path / "seen"
    script = f"""
import os, pathlib, time
while not pathlib.Path({str(mark)!r}).exists():
    time.sleep(0.01)
pathlib.Path({str(mark)!r}).write_text(str(os.getpid()))
"""

    @contextmanager
    def watching(number):
        mark.touch()
        yield
        seen.append(str(number))

    assert forks.run(write(tmp_path, script), [], None, watching) == 0
    assert seen == [mark.read_text()]


def test_its_environment_has_what_was_given(tmp_path):
    script = "import os; assert os.environ['OF_FORKS'] == 'yes' and 'PATH' in os.environ"
    assert Forks({"OF_FORKS": "yes"}).run(write(tmp_path, script), []) == 0


def test_several_run_at_once(forks, tmp_path):
    """Each waits for the other: one after another they would never end."""
    script = """
import pathlib, sys, time
mine, other = pathlib.Path(__file__).with_suffix(".up"), pathlib.Path({other!r})
mine.touch()
end = time.monotonic() + 60
while not other.exists():
    assert time.monotonic() < end
    time.sleep(0.01)
"""
    paths = []
    for name, other in (("a", "b"), ("b", "a")):
        path = tmp_path / f"{name}.py"
        path.write_text(script.format(other=str(tmp_path / f"{other}.up")))
        paths.append(str(path))
    with ThreadPoolExecutor(2) as both:
        assert list(both.map(lambda path: forks.run(path, []), paths)) == [0, 0]


def test_should_the_forking_process_be_killed_another_takes_its_place(tmp_path):
    forks, note = Forks(), tmp_path / "parent"
    script = write(tmp_path, f"import os; open({str(note)!r}, 'w').write(str(os.getppid()))")
    assert forks.run(script, []) == 0
    first = int(note.read_text())
    os.kill(first, signal.SIGKILL)
    assert forks.run(script, []) == 0
    assert int(note.read_text()) != first


def test_the_forking_process_ends_with_its_driver(tmp_path):
    """However the driver ends: here it is killed."""
    note = tmp_path / "parent"
    script = f"import os; open({str(note)!r}, 'w').write(str(os.getppid()))"
    driver = f"""
import os, signal
from brodmann.pipeline.forks import Forks
Forks().run({write(tmp_path, script)!r}, [])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", driver], env=dict(os.environ))
    parent = int(note.read_text())
    end = time.monotonic() + 60
    while _runs(parent):
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
