"""``brodmann where``: how far a study is, and where what it has made lies."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from brodmann.commands.common import loaded, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.statistics import registry
from brodmann.store.shares import Marker

# What a finished study is looked at for: file or folder of results, and what it is.
_PLACES = (
    ("report.html", "The report"),
    ("methods.md", "A methods section"),
    ("statistics", "Tables of statistics"),
    ("figures", "Figures (SVG, PDF, PNG, CSV)"),
)
_GO_ON = "snakemake --profile profiles/local makes what is missing (with --dry-run it says what that is)."


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)
    parser.add_argument("--directory", default=".", help="as for snakemake")


def run(options: argparse.Namespace) -> int:
    """How far every stage is, and the paths of what is there."""
    if not Path(options.directory).is_dir():
        raise UserError.at("--directory", f"there is no folder {options.directory}")
    with chdir(options.directory):
        study, results = loaded(options).study, Path("results").resolve()
        rows = [(name, *_counted(results, files)) for name, files in stages(study)]
        complete = all(there == wanted for _, there, wanted in rows)
        if not any(there for _, there, _ in rows):
            print(f"Nothing has been made yet in {results}.\n{_GO_ON}")
            return 0
        if not complete:
            said = [
                (
                    name,
                    ("done" if there == wanted else f"{there} of {wanted} files") if there else "-",
                )
                for name, there, wanted in rows
            ]
            said += shards_at_work(study, results)
            wide = max(len(name) for name, _ in said)
            print(*(f"{name.ljust(wide)}  {state}" for name, state in said), "", sep="\n")
        found = [(what, results / name) for name, what in _PLACES if (results / name).exists()]
        for what, path in found:
            print(f"{f'{what}:':31}{path}")
        if not complete:
            print(f"{'Logs of jobs:':31}{Path('logs').resolve()}\n{_GO_ON}")
    return 0


def stages(study: Study) -> Iterator[tuple[str, list[str]]]:
    """Every stage of the study with files below results that are there when it is done."""
    tasks, units = study.tasks.selected, study.attribution.components
    if study.run_models:
        yield "items", [f"items/{task}.json" for task in tasks]
    for model in study.run_models:
        yield f"{model}: checked", [f"{model}/model.json"]
        yield f"{model}: baselines", [f"{model}/baseline/{task}.json" for task in tasks]
        circuits = f"masks/{{}}/{study.selection.main_name}"
        yield (
            f"{model}: circuits",
            [f"{model}/{circuits.format(unit)}/{task}.csv" for unit in units for task in tasks],
        )
        if model in study.measured_models:
            stems = [
                f"{sel}.{kind}" for sel in study.ablated_selections for kind in study.ablation.kinds
            ]
            yield (
                f"{model}: ablations",
                [f"{model}/ablation/{u}/{stem}.accuracy_drop.csv" for u in units for stem in stems],
            )
        if kinds := study.localizer.networks:
            yield f"{model}: localizers", [f"{model}/localizer/{kind}/lesion.csv" for kind in kinds]
        if model in study.network_models:
            names = ("consistency", "editing")
            yield f"{model}: networks", [f"{model}/networks/{name}.csv" for name in names]
    yield "statistics", [str(Path(file).relative_to("results")) for file in registry.files()]
    yield "report", ["report.html", "methods.md"]


def shards_at_work(study: Study, results: Path) -> Iterator[tuple[str, str]]:
    """Passes that several jobs share now, with how many of these are through."""
    for model in study.run_models:
        markers = Marker.all_in(results / model / ".store")
        found = Counter((one.stage, one.of) for one in markers if one.number)
        for (stage, of), count in found.items():
            yield f"{model}: {stage} in shards", f"{count} of {of} are through"


def _counted(results: Path, files: list[str]) -> tuple[int, int]:
    return sum((results / file).is_file() for file in files), len(files)
