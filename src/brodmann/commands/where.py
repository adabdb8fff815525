"""``brodmann where``: where the report and the figures of a finished run are."""

from __future__ import annotations

import argparse
from pathlib import Path

from brodmann.errors import UserError


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    parser.add_argument("--directory", default=".", help="as for snakemake")


def run(options: argparse.Namespace) -> int:
    """Their paths."""
    results = Path(options.directory, "results").resolve()
    report = results / "report.html"
    if not report.is_file():
        raise UserError.at(str(report), "there is no report yet", "run 'snakemake --cores all'")
    print(f"\nThe report:              {report}")
    print(f"A methods section:       {results / 'methods.md'}")
    print(f"Tables of statistics:    {results / 'statistics'}")
    print(f"Figures (SVG, PDF, PNG, CSV): {results / 'figures'}")
    return 0
