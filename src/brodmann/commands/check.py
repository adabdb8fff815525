"""``brodmann check``: what can be found wrong with a study before it runs: config, tasks, texts, packages."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from brodmann.commands.common import examined, positive, read_task, study_arguments
from brodmann.config.networks import HUB, Dataset
from brodmann.config.study import Study
from brodmann.errors import Problem, UserError, together
from brodmann.localizers.contrasts import contrast_of
from brodmann.models import hub
from brodmann.models.architecture import check_overrides
from brodmann.models.cache import Cache
from brodmann.models.results_folder import ResultsFolder
from brodmann.models.sources import look
from brodmann.networks.dataset_texts import require_enough
from brodmann.numerals import counted
from brodmann.places import ROOT
from brodmann.stimuli.corpora import clean_prompts, load_corpus
from brodmann.stimuli.hub import HubDataset, require_package
from brodmann.stimuli.texts import read_passages
from brodmann.tasks.items import TaskItems


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)
    parser.add_argument("files", nargs="*", metavar="FILE", help="as after --configfile")
    says = "ask the Hugging Face hub, too: is it reached, are licences accepted"
    parser.add_argument("--online", action="store_true", help=says)
    says = "send a short job to a node, too: does it see a GPU, the cache, these packages"
    parser.add_argument("--cluster", action="store_true", help=says)
    says = "with --cluster: as for snakemake (default: slurm)"
    parser.add_argument("--profile", default="slurm", metavar="NAME", help=says)
    says = "with --cluster: for that job, at most (default: 300)"
    parser.add_argument("--wait", type=positive, default=300, metavar="SECONDS", help=says)


def run(options: argparse.Namespace) -> int:
    """Everything that can be seen to be wrong, at once; or that all is fine."""
    options.configfile += options.files
    config, wrong = examined(options)
    study = config.study
    selected = study.tasks.selected
    reading = [partial(read_task, study, task) for task in selected]
    asking = on_hub(study)
    asked = list(asking) if options.online else []
    trying = attempts(study, partial(read_task, study))
    found = go_on([*map(asking.__getitem__, asked), *reading, *trying], wrong)
    for source in asked:
        print(f"{source}: {found.pop(0)}")
    total = sum(len(items) for items in found[: len(selected)])
    print(
        f"{config.source.label}: fine. {counted(len(study.models), 'model')}, "
        f"{counted(len(selected), 'task')}, {counted(total, 'item')}."
    )
    if asking and not options.online:
        print(f"The hub was not asked for {', '.join(asking)}: 'brodmann check --online' does.")
    if options.cluster:
        try_cluster(study, options.profile, options.wait)
    return 0


def go_on(attempts: Sequence[Callable[[], Any]], wrong: Sequence[Problem]) -> list[Any]:
    """The results of all attempts, or what is ``wrong`` with the config and all that is wrong with them.

    A problem of the config may come up again in an attempt, under the path of its file: it is said once.
    """
    if not wrong:
        return together(attempts)
    more: list[Problem | str] = []
    try:
        together([partial(_as_far_as_it_goes, attempt) for attempt in attempts])
    except UserError as error:
        more = error.problems
    said = "\n".join(map(str, wrong))
    new = [one for one in more if not (isinstance(one, Problem) and one.where in said)]
    raise UserError(*wrong, *new)


def _as_far_as_it_goes(attempt: Callable[[], Any]) -> None:
    try:
        attempt()
    except UserError:
        raise
    except (
        Exception
    ):  # defaults stand for what is wrong: what comes of them is the user's no longer
        return


def try_cluster(study: Study, profile: str, wait_s: float) -> None:
    """Send a job to a node and tell what it sees; an error if that is not what the study needs."""
    from brodmann.pipeline.slurm import trial

    gpus = any(study.gpus_of(name) for name in study.run_models)
    snakefile = ROOT / "workflow" / "trial" / "Snakefile"
    wanted = trial.Trial(profile, snakefile, study.execution.cache, int(gpus), wait_s)
    node = trial.run(wanted, lambda state: print(state, flush=True))
    told, problems = trial.verdict(node, wanted)
    print(*told, sep="\n")
    if problems:
        raise UserError(*problems)


def on_hub(study: Study) -> dict[str, Callable[[], object]]:
    """One question to the Hugging Face hub for every source that is there."""
    cache = Cache(study.execution.cache)
    entries = [study.models[name] for name in study.run_models]
    asking: dict[str, Callable[[], object]] = {
        f"models.{one.name}": partial(hub.ask, one, cache) for one in entries if one.kind == HUB
    }
    for one in study.networks.datasets.values() if study.network_models else ():
        if one.kind == HUB:
            asking[f"networks.datasets.{one.name}"] = partial(_first_text, one.source)
    return asking


def _first_text(source: str) -> str:
    """Whether a dataset's first text can be had."""
    next(HubDataset.parse(source.partition(":")[2]).samples(), "")
    return "its texts can be read"


def attempts(study: Study, items_of: Callable[[str], TaskItems]) -> list[Callable[[], object]]:
    """One attempt for every model's source, and every network, corpus and dataset of those that are run.

    ``items_of``: the items of a task, as the study expands them.
    """
    found: list[Callable[[], object]] = []
    for name, entry in study.models.items():
        if entry.results_only:
            found.append(partial(ResultsFolder.of_model, name, entry.location))
        else:
            found.append(partial(look, entry))
            found.append(partial(check_overrides, entry.units, name))
    settings = study.localizer
    found += [partial(contrast_of, study, network) for network in settings.networks]
    if study.run_models and settings.networks:
        found.append(partial(read_passages, settings.lesion.corpus))
    if study.network_models:
        datasets = study.networks.datasets.values()
        found += [partial(_read_dataset, study, one, items_of) for one in datasets]
        found.append(partial(read_passages, study.networks.use.editing.corpus))
    return found


def _read_dataset(study: Study, dataset: Dataset, items_of: Callable[[str], TaskItems]) -> None:
    settings = study.networks
    if dataset.kind == HUB:  # nothing is fetched before it is needed
        require_package(dataset.source)
        return
    corpus = load_corpus(
        dataset.source,
        stimuli=settings.stimuli,
        seed=settings.seed,
        prompts=lambda task: clean_prompts(items_of(task)),
    )
    require_enough(settings, dataset.name, len(corpus.samples))
