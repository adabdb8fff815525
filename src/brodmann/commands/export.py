"""``brodmann export``: a finished study's circuits in formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError, did_you_mean
from brodmann.sharing.export import write_graphs, write_masks


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    says = "folder of a finished study's results (default: results)"
    parser.add_argument("results", nargs="?", default="results", metavar="RESULTS", help=says)
    parser.add_argument("--model", help="of the study (default: the first)")
    add = parser.add_mutually_exclusive_group(required=True).add_argument
    says = "write all masks of the model, circuits and localizers, as tensors of truth values"
    add("--masks", metavar="SAFETENSORS", help=says)
    says = "write a graph of heads and MLPs for each task, as EAP-IG and MIB read it (JSON)"
    add("--graphs", metavar="FOLDER", help=says)
    says = "of --graphs: the attention and the MLP of a block read the same stream (GPT-J, Pythia)"
    parser.add_argument("--parallel", action="store_true", help=says)


def run(options: argparse.Namespace) -> int:
    """Write what is asked for, and say how much that is."""
    study = StudyFolder(options.results)
    models = [one.name for one in study.models if not one.imported]
    name = options.model or next(iter(models), "")
    if name not in models:
        what = f"no model '{name}' was run in the study"
        raise UserError.at("--model", what, did_you_mean(name, models))
    place = options.masks or options.graphs
    try:
        if options.masks:
            print(f"{Path(place).resolve()}: {write_masks(study, name, place)} masks")
        else:
            graphs = write_graphs(study, name, place, parallel=options.parallel)
            print(f"{Path(place).resolve()}: {len(graphs)} graphs")
    except OSError as error:
        raise UserError.at(str(place), f"cannot be written: {error.strerror}") from None
    return 0
