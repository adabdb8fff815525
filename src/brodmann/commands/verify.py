"""``brodmann verify``: whether an archive is what was packed."""

from __future__ import annotations

import argparse

from brodmann.sharing.archive import verify


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    says = "what brodmann pack wrote, or the folder that it was unpacked to"
    parser.add_argument("archive", metavar="ARCHIVE", help=says)


def run(options: argparse.Namespace) -> int:
    """Compare every file with the manifest."""
    found = verify(options.archive)
    print(f"{options.archive}: {found.files} files, {found.size / 1e6:.0f} MB, all as packed")
    print(f"Fingerprint (SHA-256 of its manifest): {found.fingerprint}")
    print(f"Made by brodmann {found.version}, {found.written}, of {', '.join(found.models)}")
    return 0
