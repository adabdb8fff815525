"""``brodmann init``: begins a study."""

from __future__ import annotations

import argparse
from pathlib import Path

import brodmann
from brodmann.errors import UserError
from brodmann.files import read_text, write_text
from brodmann.places import ROOT

_README = Path(__file__).with_suffix(".md")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    parser.add_argument("folder", help="the study's folder; made if it is not there")


def run(options: argparse.Namespace) -> int:
    """Write both files, unless one of them is there."""
    folder = Path(options.folder)
    readme = read_text(_README).replace("{version}", brodmann.__version__)
    texts = {
        folder / "config.yaml": read_text(ROOT / "config" / "config.yaml"),
        folder / "README.md": readme.replace("{name}", folder.resolve().name),
    }
    there = [str(file) for file in texts if file.exists()]
    if there:
        raise UserError.at(
            f"brodmann init {folder}",
            f"there is {' and '.join(there)} already",
            "name another folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_text(file, text)
        print(file)
    print(f"Edit {folder / 'config.yaml'}, then, in {folder}: brodmann check, brodmann run")
    return 0
