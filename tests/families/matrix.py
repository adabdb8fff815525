"""Every family of transformers' causal language models, tiny, through every stage: docs/families.md.

    make families                                           (minutes)
    python tests/families/matrix.py --only mamba2 gpt2      prints what becomes of some, and writes nothing

Each family has a process and a time limit of its own. What was found lies in a folder for temporary files,
named by the code that found it: a run that was interrupted goes on where it was, and other code starts anew.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path

# Before anything of torch, transformers or the hub is imported: nothing waits for a network.
os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[2]
# This folder's modules are imported as ``families.X``.
sys.path[:] = [place for place in sys.path if Path(place).resolve() != ROOT / "tests/families"]
for code in (ROOT / "src", ROOT / "tests"):
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))

import torch  # noqa: E402
import transformers  # noqa: E402
from families.build import FAMILIES  # noqa: E402
from families.examine import examine  # noqa: E402
from families.outcome import FAILS, Outcome  # noqa: E402
from families.page import page  # noqa: E402

from brodmann.files import read_json, write_json, write_text  # noqa: E402

PAGE = ROOT / "docs/families.md"
# Seconds of a family: that its process computes, and that it is waited for, as a machine may be busy.
COMPUTING, WAITING = 300, 3600


def outcomes(families: Sequence[str], processes: int, again: bool = False) -> Iterator[Outcome]:
    """What becomes of families, in the order in which it is known."""
    folder = Path(tempfile.gettempdir()) / f"brodmann-families-{_code()}"
    folder.mkdir(exist_ok=True)
    files = {family: folder / f"{family}.json" for family in families}
    for file in files.values():
        if again:
            file.unlink(missing_ok=True)
        elif file.exists():
            yield _read(file)
    waiting = [family for family, file in files.items() if not file.exists()]
    running: dict[str, tuple[multiprocessing.Process, float]] = {}
    fork = multiprocessing.get_context("fork")  # what is imported here need not be imported again
    while waiting or running:
        while waiting and len(running) < processes:
            family = waiting.pop(0)
            own = fork.Process(target=_examined, args=(family, files[family]), daemon=True)
            own.start()
            running[family] = own, time.monotonic() + WAITING
        wait([own.sentinel for own, _ in running.values()], timeout=1)
        for family, (own, end) in list(running.items()):
            late = time.monotonic() > end
            if own.is_alive() and not late:
                continue
            own.kill()
            own.join()
            del running[family]
            if not files[family].exists():
                why = f"no end after {WAITING} s" if late else f"ended with {own.exitcode}"
                lost = Outcome(family, FAMILIES[family], FAILS, line=why)
                write_json(files[family], asdict(lost))
            yield _read(files[family])


def _examined(family: str, file: Path) -> None:
    """In a process of its own."""
    resource.setrlimit(resource.RLIMIT_CPU, (COMPUTING, COMPUTING))
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    write_json(file, asdict(examine(family)))


def _read(file: Path) -> Outcome:
    found = read_json(file)
    return Outcome(**{**found, "sites": tuple(found["sites"])})


def _code() -> str:
    """Names the code that decides what becomes of a family."""
    paths = [*(ROOT / "src/brodmann").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    paths += [ROOT / f"tests/families/{name}.py" for name in ("build", "examine", "outcome")]
    seen = hashlib.sha256(f"{transformers.__version__} {torch.__version__}".encode())
    for path in sorted(paths):
        seen.update(path.read_bytes())
    return seen.hexdigest()[:16]


def main() -> int:
    """0 if no family fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=FAMILIES, metavar="FAMILY")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="what was found before is found again")
    asked = parser.parse_args()
    found = []
    for one in outcomes(asked.only or list(FAMILIES), asked.processes, asked.again):
        found.append(one)
        place = f" [{', '.join(one.sites)}]" if one.sites else ""
        print(f"{one.family}: {one.status}{place} {one.said}".rstrip(), flush=True)
    if not asked.only:
        write_text(asked.out, page(found, transformers.__version__))
    return int(any(one.status == FAILS for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
