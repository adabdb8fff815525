"""``brodmann publish``: a finished study on the Hugging Face hub."""

from __future__ import annotations

import argparse

from brodmann.commands.pack import about, about_arguments, tell
from brodmann.sharing.parcel import parcel
from brodmann.sharing.publish import publish, repository


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    parser.add_argument(
        "target", metavar="hf:ORG/NAME", help="where; it is made if it is not there"
    )
    says = "folder of a finished study's results (default: results)"
    parser.add_argument("results", nargs="?", default="results", metavar="RESULTS", help=says)
    parser.add_argument("--private", action="store_true", help="if it is made: for members alone")
    about_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Upload what is not there yet, and say where it is."""
    name = repository(options.target)
    found = parcel(options.results, about(options))
    tell(found)
    print(publish(found, name, private=options.private))
    print(f"Fingerprint (SHA-256 of its manifest): {found.fingerprint}")
    return 0
