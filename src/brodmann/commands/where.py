"""``brodmann where``: how far a study is, and where what it has made lies."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from brodmann.commands.common import as_typed, loaded, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import read_json
from brodmann.pipeline.made import before, changes, few
from brodmann.pipeline.stages import STAGES
from brodmann.pipeline.workspace import Workspace
from brodmann.places import ROOT
from brodmann.statistics import registry
from brodmann.store.shares import Marker

# What a finished study is looked at for: file or folder of results, and what it is.
_PLACES = (
    ("report.html", "The report"),
    ("atlas/index.html", "The atlas"),
    ("methods.md", "A methods section"),
    ("statistics", "Tables of statistics"),
    ("figures", "Figures (SVG, PDF, PNG, CSV)"),
)
# What of a model's is made with the settings of which stages. What stands first is read by what follows.
_CIRCUITS = {
    "baselines": ("baseline_pass", "baseline"),
    "circuits": ("attribution_pass", "attribution"),
    "ablations": ("ablation_pass", "ablation"),
}
_SETTINGS = {
    **_CIRCUITS,
    "localizers": ("localizer_pass", "localizer", "lesion_pass", "lesion"),
    "networks": ("networks_pass", "networks", "network_use_pass", "network_use"),
}
_OTHERS = "made with other settings"
_MADE_OF_OTHERS = f"made of what was {_OTHERS}"
# Keys that decide which items there are; those of the statistics; and those that decide what these are of.
# (What else they read changes with a stage that has a row.)
_OF_ITEMS = tuple(f"tasks.{key}" for key in ("published", "items", "seed", "rename", "difficulty"))
_OF_STATISTICS = ("statistics.", "average.")
_TESTS_READ = ("models.", "tasks.", "selection.")
_TESTED = {"items", "checked", *_CIRCUITS}
# Changes that are named.
_NAMED = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, directory=True)


def run(options: argparse.Namespace) -> int:
    """How far every stage is, and the paths of what is there."""
    workspace, results = Workspace(loaded(options, domains=False), ROOT), Path("results").resolve()
    go_on = _go_on(options)
    rows = list(stages(workspace.study))
    there = {name: sum((results / file).is_file() for file in files) for name, files in rows}
    if not any(there.values()):
        print(f"Nothing has been made yet in {results}.\n{go_on}")
        return 0
    others = made_otherwise(workspace, results, rows)
    complete = not others and all(there[name] == len(files) for name, files in rows)
    if not complete:
        said = []
        for name, files in rows:
            state = "done" if there[name] == len(files) else f"{there[name]} of {len(files)} files"
            said.append((name, others.get(name, state) if there[name] else "-"))
        said += shards_at_work(workspace.study, results)
        wide = max(len(name) for name, _ in said)
        print(*(f"{name.ljust(wide)}  {state}" for name, state in said), "", sep="\n")
    found = [(what, results / name) for name, what in _PLACES if (results / name).exists()]
    for what, path in found:
        print(f"{f'{what}:':31}{path}")
    if not complete:
        print(f"{'Logs of jobs:':31}{Path('logs').resolve()}\n{go_on}")
    return 0


def _go_on(options: argparse.Namespace) -> str:
    """The command that goes on with this study, where the user stands: in a folder that has a workflow (a
    clone, or what snakedeploy made), or in that of a study."""
    flow = any((options.stands / file).is_file() for file in ("Snakefile", "workflow/Snakefile"))
    profile = Path("profiles/local")
    here = flow and (options.stands / profile).is_dir()
    run = ["snakemake", "--profile", str(profile)] if here else ["brodmann", "run"]
    command = shlex.join([*run, *as_typed(options)])
    return f"{command}\nmakes what is missing (with --dry-run it says what that is)."


def made_otherwise(
    workspace: Workspace, results: Path, rows: list[tuple[str, list[str]]]
) -> dict[str, str]:
    """Stages whose files were made with other settings than the config has now, and what of these has
    changed, where that is known."""
    found: dict[str, str] = {}
    typed = workspace.changed(results=results)
    items = next((files for name, files in rows if name == "items"), [])
    changed = [one for one in typed if one.startswith(_OF_ITEMS)]
    if changed and _older(results, items):
        found["items"] = _says(changed)
    for name, files in rows:
        model, _, what = name.partition(": ")
        if what == "checked" and (changed := _another(workspace.study, results, model)):
            found[name] = _says(changed)
        for stage in _SETTINGS.get(what, ()):
            # A pass leaves its manifest.
            output = (
                f"{model}/.store/{STAGES[stage].store}.json" if STAGES[stage].cost else files[0]
            )
            file = results / model / ".store" / f"{stage}.settings.json"
            changed = workspace.changed(model, stage, results)
            if changed or before(file, f"results/{output}", results.parent):
                found.setdefault(name, _says(changed))
        if what in _SETTINGS and any(one in found for one in _read_by(model, what)):
            found.setdefault(name, _MADE_OF_OTHERS)
    read = any(name.rpartition(": ")[2] in _TESTED for name in found)
    if changed := [one for one in typed if one.startswith(_OF_STATISTICS)]:
        found["statistics"] = _says(changed)
    elif read or any(one.startswith(_TESTS_READ) for one in typed):
        found["statistics"] = _MADE_OF_OTHERS
    if typed or found:
        said = _says(typed) if typed else _MADE_OF_OTHERS
        found |= dict.fromkeys(("report", "atlas"), said)
    return found


def _read_by(model: str, what: str) -> Iterator[str]:
    """The rows whose files are read to make this one of a model's."""
    yield from ("items", f"{model}: checked")
    if what in _CIRCUITS:
        yield from (f"{model}: {one}" for one in takewhile(what.__ne__, _CIRCUITS))


def _another(study: Study, results: Path, model: str) -> list[str]:
    """What says that the model that was checked under this name is another one."""
    try:
        card = read_json(results / model / "model.json")
    except UserError:
        return []
    wanted = study.model(model).part("source", "untrained")
    then = {key: card.get(key, value) for key, value in wanted.items()}
    return list(changes(then, wanted, f"models.{model}"))


def _older(results: Path, files: list[str]) -> bool:
    """Whether some file is older than what the last finished run noted of itself."""
    then = (results / "provenance.json").stat().st_mtime
    made = [results / file for file in files if (results / file).is_file()]
    return any(file.stat().st_mtime <= then for file in made)


def _says(changed: list[str]) -> str:
    return f"{_OTHERS} ({few(changed, _NAMED)})" if changed else _OTHERS


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
        if model in study.faithfulness_models:
            stems = [f"{unit}.{study.attribution.estimator}" for unit in units]
            yield f"{model}: faithfulness", [f"{model}/faithfulness/{s}.csv" for s in stems]
        if kinds := study.localizer.networks:
            yield f"{model}: localizers", [f"{model}/localizer/{kind}/lesion.csv" for kind in kinds]
        if model in study.network_models:
            names = ("consistency", "editing")
            yield f"{model}: networks", [f"{model}/networks/{name}.csv" for name in names]
    yield "statistics", [str(Path(file).relative_to("results")) for file in registry.files()]
    yield "report", ["report.html", "methods.md"]
    yield "atlas", ["atlas/index.html"]


def shards_at_work(study: Study, results: Path) -> Iterator[tuple[str, str]]:
    """Passes that several jobs share now, with how many of these are through."""
    for model in study.run_models:
        markers = Marker.all_in(results / model / ".store")
        found = Counter((one.stage, one.of) for one in markers if one.number)
        for (stage, of), count in found.items():
            yield f"{model}: {stage} in shards", f"{count} of {of} are through"
