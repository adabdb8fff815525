"""``brodmann prereg``: what the study will do and test, in a file with its hash, before anything is run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from brodmann.commands.common import loaded, read_tasks, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import file_digest
from brodmann.models.cache import Cache
from brodmann.models.sources import recorded
from brodmann.pipeline.workspace import REGISTRATION, Workspace
from brodmann.places import ROOT
from brodmann.report.preregistration import Registration, hashes_of, plan_of

_AGAIN = "a registration is written once; to register another plan, move the file away and keep it"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, directory=True)
    says = "write nothing: say whether the config is still what was registered"
    parser.add_argument("--check", action="store_true", help=says)


def run(options: argparse.Namespace) -> int:
    """Write results/preregistration.json; or compare the config with it: exit code 1 if it differs."""
    workspace, path = Workspace(loaded(options), ROOT), Path(REGISTRATION)
    if not options.check and path.exists():
        raise UserError.at(str(path), "is there already", _AGAIN)
    registration = Registration.read(path) if options.check else None
    plan = plan_of_workspace(workspace)
    if registration is not None:
        lines = registration.against(plan).lines
        state = f"differs in {len(lines)}" if lines else "matches"
        when = registration.when(path.parent)
        print(f"{path}: the config {state}; written {registration.values['written']}, {when}")
        print(*lines, sep="\n", end="\n" if lines else "")
        return int(bool(lines))
    registration = Registration.new(plan, path.parent)
    registration.write(path)
    print(*registration.values["summary"][:2], sep="\n")
    if unknown := _unknown_weights(workspace.study, plan):
        names = ", ".join(unknown)
        print(
            f"Registered by their source alone, as their weights are not here yet: {names}", end=""
        )
        print(" ('snakemake models' fetches them).")
    print(f"{path.resolve()}: {len(plan['tests'])} tests, {len(plan['items'])} tasks")
    print(f"SHA-256 {registration.sha256}")
    print(
        "Keep this number, or the file, where you cannot change it: in a registry, or with others."
    )
    return 0


def plan_of_workspace(workspace: Workspace) -> dict[str, Any]:
    """What the study of a config will do."""
    study = workspace.study
    tasks = read_tasks(study, study.tasks.selected) if study.run_models else []
    return plan_of(
        study,
        workspace.inventory,
        config=workspace.recorded_config,
        items={one.task: {name: one.digest(name) for name in one.wordings} for one in tasks},
        imported={path: file_digest(path) for path in workspace.imported_files},
        texts={path: file_digest(path) for path in workspace.text_files},
        weights=_weights(study),
    )


def _weights(study: Study) -> dict[str, dict[str, str]]:
    """Model -> hashes of its weights and of its tokenizer, of the models whose weights are at hand."""
    cache, found = Cache(study.execution.cache), {}
    for name in study.run_models:
        record = recorded(study.model(name), cache)
        if record is not None:
            found[name] = hashes_of(record.weights_hash, record.tokenizer_hash)
    return found


def _unknown_weights(study: Study, plan: dict[str, Any]) -> list[str]:
    """The models that are registered by their source alone."""
    missing = (name for name in study.run_models if name not in plan["weights"])
    return [name for name in missing if not study.model(name).untrained]
