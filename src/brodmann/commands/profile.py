"""``brodmann profile install``: a copy of a profile to edit, where ``snakemake --profile NAME`` finds it."""

from __future__ import annotations

import argparse
from pathlib import Path

from snakemake.common import get_appdirs

from brodmann.commands.common import ROOT
from brodmann.errors import UserError
from brodmann.files import write_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    parser.add_argument("action", choices=["install"])
    parser.add_argument("name", help="a folder of profiles/: slurm, multi-gpu, local")
    parser.add_argument("--force", action="store_true", help="replace an earlier copy")


def run(options: argparse.Namespace) -> int:
    """Copy it, unless an edited copy is there."""
    # profiles/default is loaded with every run of this workflow; it is no use elsewhere.
    names = sorted(p.parent.name for p in (ROOT / "profiles").glob("*/config.yaml"))
    names.remove("default")
    if options.name not in names:
        raise UserError.at("NAME", f"there is no profile '{options.name}'", ", ".join(names))
    target = Path(get_appdirs().user_config_dir) / options.name / "config.yaml"
    text = (ROOT / "profiles" / options.name / "config.yaml").read_text(encoding="utf-8")
    if target.exists() and target.read_text(encoding="utf-8") != text and not options.force:
        raise UserError.at(
            str(target), "is there already, and differs", "edit it, or replace it with --force"
        )
    write_text(target, text)
    print(f"{target}: edit it for your site, then run: snakemake --profile {options.name}")
    return 0
