"""``brodmann pack``: an archive of a finished study, for publication."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from brodmann.errors import UserError
from brodmann.sharing.archive import write_archive
from brodmann.sharing.describe import About
from brodmann.sharing.parcel import WANTED, Parcel, parcel


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    says = "folder of a finished study's results (default: results)"
    parser.add_argument("results", nargs="?", default="results", metavar="RESULTS", help=says)
    parser.add_argument("--out", required=True, metavar="ZIP", help="the archive to write")
    about_arguments(parser)


def about_arguments(parser: argparse.ArgumentParser) -> None:
    """What no file of results says."""
    add = parser.add_argument
    add("--title", default="", help="of the data set (default: the names of its models)")
    says = "'Family, Given'; once for each (Zenodo asks for one at least)"
    add("--author", action="append", default=[], metavar="NAME", help=says)
    says = "SPDX identifier of the licence of the results (default: CC-BY-4.0)"
    add("--licence", default="CC-BY-4.0", metavar="ID", help=says)


def about(options: argparse.Namespace) -> About:
    """The same, as it was typed."""
    if not re.fullmatch(r"[A-Za-z0-9.+-]+", options.licence):
        what = f"'{options.licence}' is no SPDX identifier"
        raise UserError.at("--licence", what, "e.g. CC-BY-4.0, CC0-1.0 or MIT")
    for option, texts in (("--title", [options.title or "."]), ("--author", options.author)):
        if not all(text.strip() and text.isprintable() for text in texts):
            raise UserError.at(option, "is empty, or more than one line")
    return About(options.title, tuple(options.author), options.licence)


def tell(found: Parcel) -> None:
    """What readers would look for, and how it is made; what is not as it lies here."""
    if found.cleaned:
        first, more = ", ".join(found.cleaned[:3]), len(found.cleaned) - 3
        print(f"Without paths of this machine: {first}{f' and {more} more' if more > 0 else ''}")
    for name in found.missing:
        print(f"Not in it: {name} ({WANTED[name]} makes it)")


def run(options: argparse.Namespace) -> int:
    """Write the archive, and say what is in it."""
    if Path(options.out).suffix != ".zip":
        raise UserError.at("--out", f"{options.out} does not end in .zip")
    out, results = Path(options.out).resolve(), Path(options.results).resolve()
    if out.is_relative_to(results):
        raise UserError.at("--out", "lies in the folder that is packed", "choose another place")
    found = parcel(options.results, about(options))
    try:
        write_archive(out, found)
    except OSError as error:
        raise UserError.at(str(out), f"cannot be written: {error.strerror}") from None
    tell(found)
    if not options.author:
        print("No author is named, and Zenodo asks for one (--author 'Family, Given')")
    size, packed = found.size / 1e6, out.stat().st_size / 1e6
    print(f"{out}: {len(found.files)} files of results, {size:.0f} MB, packed {packed:.0f} MB")
    print(f"Fingerprint (SHA-256 of its manifest): {found.fingerprint}")
    return 0
