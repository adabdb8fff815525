"""``brodmann profile install``: a profile to edit, where ``snakemake --profile NAME`` finds it.

That of SLURM is filled in with what the site says of itself.
"""

from __future__ import annotations

import argparse
import difflib
from dataclasses import fields
from pathlib import Path

from snakemake.common import get_appdirs

from brodmann.errors import UserError
from brodmann.files import read_text, write_text
from brodmann.pipeline.slurm.choice import Wishes, choose, fill
from brodmann.pipeline.slurm.site import ask
from brodmann.places import ROOT

_WISHES = {
    "gpu_partition": "of jobs that load a model",
    "cpu_partition": "of the other jobs",
    "account": "that is charged",
    "qos": "of all jobs",
    "reservation": "of all jobs",
    "gpu_model": "the kind of GPU to ask for, where a partition has several",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    parser.add_argument(
        "action", choices=["install"], help="copy a profile into your own folder of profiles"
    )
    parser.add_argument("name", help="a folder of profiles/: slurm, multi-gpu, local")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an earlier copy, which is kept beside the new one",
    )
    says = "write nothing: show the profile, or how it differs from an earlier copy"
    parser.add_argument("--dry-run", action="store_true", help=says)
    slurm = parser.add_argument_group("of slurm, instead of what the site offers")
    for field in fields(Wishes):
        option = f"--{field.name.replace('_', '-')}"
        slurm.add_argument(option, metavar="NAME", help=_WISHES[field.name])


def run(options: argparse.Namespace) -> int:
    """Write it, unless an edited copy is there."""
    # profiles/default is loaded with every run of this workflow; it is no use elsewhere.
    names = sorted(p.parent.name for p in (ROOT / "profiles").glob("*/config.yaml"))
    names.remove("default")
    if options.name not in names:
        fix = f"there are {', '.join(names)}"
        raise UserError.at(f"profile install {options.name}", "there is no such profile", fix)
    target = Path(get_appdirs().user_config_dir) / options.name / "config.yaml"
    text = read_text(ROOT / "profiles" / options.name / "config.yaml")
    wishes = Wishes(**{field.name: getattr(options, field.name) for field in fields(Wishes)})
    next_step = "edit it for your site"
    if options.name == "slurm":
        text, next_step = _filled_in(text, wishes)
    elif wishes != Wishes():
        raise UserError.at(
            f"profile install {options.name}", "only slurm has partitions and accounts"
        )
    earlier = read_text(target) if target.exists() else None
    if options.dry_run:
        print(_shown(text, earlier, target), end="")
        return 0
    if earlier not in (None, text):
        if not options.force:
            fix = "edit it; --dry-run shows how, --force replaces it"
            raise UserError.at(str(target), "is there already, and differs", fix)
        kept = target.with_suffix(".yaml.old")
        write_text(kept, earlier)
        print(f"{kept}: the earlier copy")
    write_text(target, text)
    print(f"{target}: {next_step}, then run: snakemake --profile {options.name}")
    return 0


def _filled_in(text: str, wishes: Wishes) -> tuple[str, str]:
    """The profile for this site, and what to do with it; tells what was chosen, and why."""
    site = ask()
    for line in site.unknown:
        print(f"Not found out: {line}")
    if not site.partitions:
        if wishes != Wishes():
            what = "says nothing of partitions, so that there is nothing to choose from"
            raise UserError.at("SLURM", what, "start this where you can submit jobs")
        return text, "edit it for your site"
    found = choose(site, wishes)
    print(*found.choices, sep="\n")
    return fill(text, found), "look it over, try it with 'brodmann check --cluster'"


def _shown(text: str, earlier: str | None, target: Path) -> str:
    if earlier is None:
        return text
    rows = [part.splitlines(keepends=True) for part in (earlier, text)]
    return (
        "".join(difflib.unified_diff(*rows, str(target), "new")) or f"{target}: would not change\n"
    )
