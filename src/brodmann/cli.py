"""``brodmann``: finds the command that is asked for, and says what went wrong in a line each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path

import brodmann
from brodmann.errors import UserError

DESCRIPTION = "Small helpers around the workflow; the work itself is Snakemake's."
# Each is a module of brodmann.commands with ``arguments(parser)`` and ``run(options)``.
COMMANDS = {
    "demo": "Map the embedded model, in a folder of its own.",
    "init": "Begin a study: a folder with a config to edit and a README.",
    "run": "Run a study: calls Snakemake with this workflow, and shows the call.",
    "snakefile": "Say where the workflow's Snakefile is: snakemake -s $(brodmann snakefile).",
    "check": "Check a study before it runs: config, tasks, texts, and models as far as they are here.",
    "tasks": "List the tasks that the config selects, with titles and numbers of items; --all: every task.",
    "where": "Say how far a study is, and where its report and figures are.",
    "atlas": "Make the atlas of a finished study from its results: a page, a single file, or served.",
    "audit": "Look for flaws in tasks' items: shortcuts, misaligned tokens.",
    "items": "Show the first items of a task as models get them.",
    "profile": "Install a profile for snakemake --profile NAME; slurm is filled in for the site.",
    "export-lm-eval": "Write tasks for lm-evaluation-harness.",
    "plan": "Say what every stage of every model needs: memory, GPUs, time.",
    "prereg": "Write down what the study will do and test, with a hash, before it is run.",
    "generate": "Continue a prompt: intact, lesioned, randomly lesioned.",
    "align": "Export units' activations, and predict recordings by them.",
    "export": "Write circuits in formats of other tools: masks as safetensors, graphs of EAP-IG and MIB.",
    "pack": "Write a finished study into one archive, for publication.",
    "verify": "Compare an archive with what was packed: every file, by its SHA-256.",
    "publish": "Upload a finished study to the Hugging Face hub, as a data set with a card.",
    "prune": "Save a model without the neurons that belong to no network.",
}

# As shells say it of a command that Ctrl-C ended.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one line each, without a traceback."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = parser(given).parse_args(given)
        options.stands = Path.cwd()  # the user, whatever --directory says
        with _in_directory(options):
            return options.run(options)
    except UserError as error:
        for problem in error.problems:
            print(f"ERROR: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (head, less) has seen enough
        return 0
    except OSError as error:
        if error.strerror is None:  # not of the system
            raise
        # A folder that may not be written, a full disk, a name that is too long.
        where = "the output" if error.filename is None else error.filename
        print(f"ERROR: {where}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped", file=sys.stderr)
        return _INTERRUPTED


@contextmanager
def _in_directory(options: argparse.Namespace) -> Iterator[None]:
    """Stand in ``--directory``, if a command has that; config files are named from where the user stands."""
    place = getattr(options, "directory", None)
    if place is None:
        yield
        return
    if not Path(place).is_dir():
        raise UserError.at("--directory", f"there is no folder {place}")
    typed, options.configfile = options.configfile, list(map(os.path.abspath, options.configfile))
    options.typed = typed
    with chdir(place):
        yield


def parser(given: Iterable[str]) -> argparse.ArgumentParser:
    """The parser of all commands; only those that are named in ``given`` are imported, as many take long."""
    whole = argparse.ArgumentParser(prog="brodmann", description=DESCRIPTION)
    whole.add_argument("--version", action="version", version=f"brodmann {brodmann.__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, help in COMMANDS.items():
        # A shortened option may be another one's name: --config is not --configfile.
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        if name in given:
            module = import_module(f"brodmann.commands.{name.replace('-', '_')}")
            module.arguments(sub)
            sub.set_defaults(run=module.run)
    return whole


if __name__ == "__main__":
    sys.exit(main())
