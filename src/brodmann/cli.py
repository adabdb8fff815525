"""What the commands of ``brodmann`` do; what they are given: ``arguments``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from brodmann.arguments import parser
from brodmann.commands.check import attempts, together
from brodmann.config.load import LoadedConfig, load_config
from brodmann.config.study import Study
from brodmann.errors import UserError, did_you_mean
from brodmann.files import write_text
from brodmann.pipeline.workspace import config_files
from brodmann.tasks import catalogue, lm_eval, published
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import TaskItems

# The workflow's folder: this package is used from a clone.
ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one line each, without a traceback."""
    options = parser(_RUNS).parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        for problem in error.problems:
            print(f"ERROR: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (head, less) has seen enough
        return 0


def _override(text: str) -> tuple[str, Any]:
    """KEY=VALUE of ``--config``; the value is YAML, as for Snakemake."""
    key, sign, value = text.partition("=")
    if not sign:
        raise UserError.at(f"--config {text}", "is not KEY=VALUE")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError.at(f"--config {key}", f"{value!r} is not YAML") from None


def _load(options: argparse.Namespace) -> LoadedConfig:
    given = dict(map(_override, options.config))
    return load_config(config_files(options.configfile, ROOT), given, root=ROOT)


def _known(loaded: LoadedConfig) -> list[str]:
    """Every task there is, whether the config selects it or not."""
    settings = loaded.study.tasks
    if settings.published is not None:
        return published.list_published(settings.published, settings.rename)
    return catalogue.list_tasks(ROOT / "data")


def _read_task(
    loaded: LoadedConfig, task: str, count: int | None = None, seed: int | None = None
) -> TaskItems:
    settings = loaded.study.tasks
    if settings.published is not None:
        return published.read_published(settings.published, task, count or settings.items)
    definition = load_definition(catalogue.task_path(ROOT / "data", task), settings.level(task))
    seed = settings.seed if seed is None else seed
    return expand(task, definition, seed=seed, count=count or settings.items)


def _read_tasks(
    loaded: LoadedConfig, tasks: Sequence[str], count: int | None = None, seed: int | None = None
) -> list[TaskItems]:
    """The items of several tasks, or everything that is wrong with any of them."""
    return together([partial(_read_task, loaded, task, count, seed) for task in tasks])


def _check(options: argparse.Namespace) -> int:
    options.configfile += options.files
    loaded = _load(options)
    selected = loaded.study.tasks.selected
    reading = [partial(_read_task, loaded, task) for task in selected]
    found = together([*reading, *attempts(loaded.study, partial(_read_task, loaded))])
    total = sum(len(items) for items in found[: len(selected)])
    models, tasks = len(loaded.study.models), len(loaded.study.tasks.selected)
    print(f"{loaded.source.label}: fine. {models} models, {tasks} tasks, {total} items.")
    return 0


def _tasks(options: argparse.Namespace) -> int:
    for task in _load(options).study.tasks.selected:
        print(task)
    return 0


def _items(options: argparse.Namespace) -> int:
    loaded = _load(options)
    known = _known(loaded)
    found = catalogue.select(known, [options.task], "the task")
    if options.task not in known:
        raise UserError.at(options.task, f"are {len(found)} tasks", f"name one: {found[0]}, ...")
    items = _read_task(loaded, options.task, max(1, options.n))
    for wording, pairs in items.wordings.items():
        for number, item in enumerate(pairs):
            print(f"--- {items.task}, {wording}, item {number}")
            print(f"clean:     {item.clean_prompt!r}")
            print(f"corrupted: {item.corrupted_prompt!r}")
            answers = [item.correct] if item.incorrect is None else [item.correct, item.incorrect]
            print(f"answers:   {' | '.join(repr(answer) for answer in answers)}")
    print("---", "; ".join(_wording_of(loaded.study, items)) or "no model is run")
    return 0


def _wording_of(study: Study, items: TaskItems) -> list[str]:
    """Which wording each model of the config gets; of ``auto`` only its chat template decides."""
    texts = []
    for name in study.run_models:
        asked = study.models[name].prompting.format
        chat, plain = items.wording("chat"), items.wording("completion")
        if asked == "auto" and chat != plain:
            texts.append(f"{name} gets {chat} if its tokenizer has a chat template, else {plain}")
        else:
            texts.append(f"{name} gets {chat if asked == 'auto' else items.wording(asked)}")
    return texts


def _audit(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not wait for numpy and scikit-learn.
    from brodmann.commands import audit

    loaded = _load(options)
    study = loaded.study
    if study.tasks.published is not None:
        raise UserError.at("tasks.published", "the audit is for tasks of data/", "remove the key")
    tasks = catalogue.select(_known(loaded), options.tasks or ["*"], "the task")
    encoders = audit.vocabularies(study)
    rows = list(
        audit.audits(tasks, ROOT / "data", encoders, count=max(1, options.n), seed=study.tasks.seed)
    )
    print(audit.tables(rows, list(encoders)))
    if options.table:
        write_text(options.table, audit.document(rows, list(encoders)))
    found = [line for task, result in rows for line in audit.problems(task, result)]
    print("", *found, f"{len(found)} problems in {len(tasks)} tasks.", sep="\n")
    return 1 if found else 0


def _export_lm_eval(options: argparse.Namespace) -> int:
    loaded = _load(options)
    if loaded.study.tasks.published is not None and options.seed is not None:
        raise UserError.at("--seed", "published items are not drawn", "leave it out")
    names = catalogue.select(_known(loaded), options.tasks, "TASK_GLOB")
    items = _read_tasks(loaded, names, options.items, options.seed)
    # A glob may take in what cannot be exported; a task that is asked for by name may not.
    skipped = [task for task in items if task.single_answer and task.task not in options.tasks]
    kept = [task for task in items if task not in skipped] or items
    folder = lm_eval.export(options.out, kept, options.format)
    for task in skipped:
        print(f"left out: {task.task} has a single answer; the harness cannot compare its prompts")
    print(f"{folder}: {len(kept)} tasks, {2 * sum(map(len, kept))} documents")
    print(f"Use it with: lm_eval --include_path {folder} --tasks brodmann ...")
    return 0


def _chosen(options: argparse.Namespace) -> tuple[Study, str]:
    """The model that a command is about: one of the config, or a source."""
    name = options.model
    if ":" in name:
        given = {"models": {"model": {"source": name}}}
        return load_config([], given, root=ROOT).study, "model"
    study = _load(options).study
    if name not in study.models:
        raise UserError.at("--model", f"no model '{name}'", did_you_mean(name, study.models))
    return study, name


def _align(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not know how a model is fetched.
    from brodmann.commands.align import Request, align

    study, name = _chosen(options)
    request = Request(
        options.mask,
        options.stimuli,
        options.voxels,
        options.out,
        options.pooling,
        study.localizer.site,
        options.folds,
        tuple(dict.fromkeys(options.seeds)),
    )
    for line in align(study, name, request):
        print(line, flush=True)
    print(f"The tables are in {options.out}")
    return 0


def _generate(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not know how a model is fetched.
    from brodmann.commands.generate import Wish, continuations

    study, name = _chosen(options)
    site = study.localizer.site
    wish = Wish(
        options.prompt, options.mask, options.tokens, options.temperature, options.seed, site
    )
    for condition, text in continuations(study, name, wish):
        print(f"{condition}:\n  {options.prompt}|{text}", flush=True)
    return 0


def _plan(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not know what memory is for.
    from brodmann.capacity.plan import plan, table

    study = _load(options).study
    names = options.model or study.run_models
    for name in names:
        if name not in study.run_models:
            raise UserError.at(
                "--model", f"no model '{name}'", did_you_mean(name, study.run_models)
            )
    on_cpu = options.cpu or options.measured
    plans = plan(study, names, data=ROOT / "data", on_cpu=on_cpu, gpu_gb=options.gpu_memory)
    for found in plans:
        print(table(found, measured=options.measured))
    return 0


def _prune(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not wait for numpy.
    from brodmann.commands.prune import Wish, pruned
    from brodmann.stimuli.corpora import load_corpus

    study, name = _chosen(options)
    settings = study.networks
    known = settings.datasets.get(options.dataset)
    source = options.dataset if known is None else known.source
    if source.startswith("task:"):
        fix = "give a corpus, a file or a folder"
        raise UserError.at("--dataset", "a task's prompts are not text to prune by", fix)
    corpus = load_corpus(source, stimuli=settings.stimuli, seed=settings.seed)
    wish = Wish(
        ratio=options.ratio,
        also=tuple(dict.fromkeys(r for r in options.also if r != options.ratio)),
        texts=corpus.require(options.samples).samples[: options.samples],
        components=options.components,
        whole_ends=options.whole_ends,
        compensate=options.compensate,
        seeds=tuple(options.seeds),
        out=Path(options.out),
    )
    for row in pruned(study, name, wish):
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "    "
        seed = f" seed {row['seed']}" if row.get("seed", "") != "" else ""
        print(
            f"{row['condition'] + seed:<16} {ratio}  {row['removed']:>8} neurons removed  "
            f"perplexity {row['perplexity']:.4g} (per word {row['word_perplexity']:.4g})",
            flush=True,
        )
    print(f"{options.out}: saved")
    return 0


def _profile(options: argparse.Namespace) -> int:
    # Imported here: it takes long, and only this command needs it.
    from snakemake.common import get_appdirs

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


def _where(options: argparse.Namespace) -> int:
    results = Path(options.directory, "results").resolve()
    report = results / "report.html"
    if not report.is_file():
        raise UserError.at(str(report), "there is no report yet", "run 'snakemake --cores all'")
    print(f"\nThe report:              {report}")
    print(f"A methods section:       {results / 'methods.md'}")
    print(f"Tables of statistics:    {results / 'statistics'}")
    print(f"Figures (PNG, PDF, CSV): {results / 'figures'}")
    return 0


_RUNS = {
    "check": _check,
    "tasks": _tasks,
    "where": _where,
    "audit": _audit,
    "items": _items,
    "profile": _profile,
    "export-lm-eval": _export_lm_eval,
    "plan": _plan,
    "generate": _generate,
    "align": _align,
    "prune": _prune,
}


if __name__ == "__main__":
    sys.exit(main())
