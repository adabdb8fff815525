"""``brodmann run``: Snakemake with this workflow.

It becomes the call that it shows, ``snakemake --profile .../local --snakefile .../Snakefile WORDS``. WORDS
are what the user typed. All else is Snakemake's.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from brodmann.places import ROOT, SNAKEFILE

_PROFILE = "--profile"
_HELP = ("-h", "--help")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given: words for Snakemake."""
    says = (
        "targets and options of snakemake, such as -n, --cores 4, --configfile study.yaml, --directory DIR, "
        "--profile slurm (or another of profiles/, by its name), --verbose (Snakemake's own account)"
    )
    words_of_snakemake(parser, says)


def run(options: argparse.Namespace) -> int:
    """Become Snakemake."""
    return become_snakemake(options.words)


def words_of_snakemake(parser: argparse.ArgumentParser, says: str) -> None:
    """Take every word for Snakemake's, also those that begin with a dash; but not a question for help."""
    parser.add_argument("words", nargs="...", action=_Words, metavar="WORD", help=says)
    # No word begins with this.
    parser.prefix_chars = "\0"


class _Words(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        if values[:1] and values[0] in _HELP:
            parser.print_help()
            parser.exit()
        setattr(namespace, self.dest, values)


def become_snakemake(words: Sequence[str], before: Sequence[str] = ()) -> int:
    """Show the call of Snakemake, and become it. ``before``: further options of it."""
    command = [*_snakemake(), *before, *_call(words)]
    print(shlex.join(command), file=sys.stderr, flush=True)
    os.execvp(command[0], command)


def has(words: Sequence[str], *options: str) -> bool:
    """Whether one of the options is among the words, with a value behind it or joined to it."""
    return any(
        word in options or word.startswith(tuple(f"{o}=" for o in options)) for word in words
    )


def _snakemake() -> list[str]:
    """This environment's, which need not be the active one."""
    beside = Path(sys.executable).with_name("snakemake")
    found = shutil.which("snakemake") == str(beside)
    return ["snakemake"] if found else [sys.executable, "-m", "snakemake"]


def _call(words: Sequence[str]) -> list[str]:
    """The options and targets; the profile is that of one machine, where no other is asked for."""
    chosen = has(words, _PROFILE) or "SNAKEMAKE_PROFILE" in os.environ
    ours = [] if chosen else [_PROFILE, str(ROOT / "profiles" / "local")]
    # In this order: what stands behind --profile, Snakemake takes for profiles up to the next option.
    return [*ours, "--snakefile", str(SNAKEFILE), *_with_profiles(words)]


def _with_profiles(words: Sequence[str]) -> Iterator[str]:
    """The words; the name of a profile that comes with the workflow as its path."""
    behind = False
    for word in words:
        option, joined, value = word.partition("=")
        if option == _PROFILE and joined:
            yield f"{_PROFILE}={_profile(value)}"
        else:
            yield _profile(word) if behind and not word.startswith("-") else word
        behind = word == _PROFILE or (behind and not word.startswith("-"))


def _profile(name: str) -> str:
    """As Snakemake finds it: in this folder, among the user's own, then here."""
    from snakemake.common import get_appdirs

    dirs = get_appdirs()
    places = (Path.cwd(), Path(dirs.user_config_dir), Path(dirs.site_config_dir))
    shipped = ROOT / "profiles" / name.removeprefix("profiles/")
    if any((place / name).exists() for place in places) or not shipped.is_dir():
        return name
    return str(shipped)
