"""``brodmann``: small helpers around the workflow; the work itself is Snakemake's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import brodmann
from brodmann.config.load import LoadedConfig, load_config
from brodmann.config.localizer import POOLINGS
from brodmann.config.study import Study
from brodmann.errors import UserError, did_you_mean
from brodmann.files import write_text
from brodmann.pipeline.check import attempts, together
from brodmann.pipeline.workspace import config_files
from brodmann.tasks import catalogue, lm_eval, published
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import WORDINGS, TaskItems

# The workflow's folder: this package is used from a clone.
ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one line each, without a traceback."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        for problem in error.problems:
            print(f"ERROR: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (head, less) has seen enough
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brodmann", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"brodmann {brodmann.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.add_argument("--configfile", nargs="+", default=[], help="as for snakemake")
        sub.set_defaults(run=run)
        return sub

    check = command(
        "check", _check, "Check the config and every task it selects; all problems at once."
    )
    check.add_argument("files", nargs="*", metavar="FILE", help="as after --configfile")
    command("tasks", _tasks, "List the tasks that the config selects.")
    command("where", _where, "Say where the report and the figures of a finished run are.")
    audit = command(
        "audit", _audit, "Look for flaws in tasks' items: shortcuts, misaligned tokens."
    )
    audit.add_argument("tasks", nargs="*", help="globs over domain/task (default: all)")
    audit.add_argument("-n", type=int, default=1000, help="items per task (default 1000)")
    audit.add_argument("--table", help="write the tables to this Markdown file")
    show = command("items", _items, "Show the first items of a task as models get them.")
    show.add_argument("task", help="domain/name")
    show.add_argument("-n", type=int, default=3, help="how many (default 3)")
    profile = command(
        "profile", _profile, "Copy a profile to where snakemake --profile NAME finds it."
    )
    profile.add_argument("action", choices=["install"])
    profile.add_argument("name", help="a folder of profiles/: slurm, multi-gpu, local")
    profile.add_argument("--force", action="store_true", help="replace an earlier copy")
    lm = command("export-lm-eval", _export_lm_eval, "Write tasks for lm-evaluation-harness.")
    lm.add_argument("tasks", nargs="+", metavar="TASK_GLOB", help="globs over domain/task")
    lm.add_argument("--out", required=True, metavar="DIR", help="new, empty, or an earlier export")
    lm.add_argument("--format", choices=WORDINGS, default="completion", help="default: completion")
    lm.add_argument("--items", type=_positive, metavar="N", help="per task (default: the config's)")
    lm.add_argument("--seed", type=int, metavar="S", help="of the items (default: the config's)")
    plan = command("plan", _plan, "Say what every stage of every model needs: memory, GPUs, time.")
    plan.add_argument("--model", nargs="+", metavar="NAME", help="of the config (default: all)")
    plan.add_argument("--cpu", action="store_true", help="as if there were no GPU")
    plan.add_argument(
        "--gpu-memory", type=_size, default=80.0, metavar="GB", help="of one GPU (default 80)"
    )
    plan.add_argument(
        "--measured",
        action="store_true",
        help="beside the peaks of a study that ran on the CPU here",
    )
    text = command("generate", _generate, "Continue a prompt: intact, lesioned, randomly lesioned.")
    text.add_argument(
        "--model", required=True, help="of the config, or a source (hf:ORG/NAME, ...)"
    )
    text.add_argument("--mask", required=True, metavar="CSV", help="units: columns layer and unit")
    text.add_argument("--prompt", required=True)
    text.add_argument("--tokens", type=_positive, default=20, metavar="N", help="default 20")
    text.add_argument("--temperature", type=_temperature, default=0.0, help="default 0: greedy")
    text.add_argument("--seed", type=int, default=42, help="of sampling and random units: 42")
    brain = command("align", _align, "Export units' activations, and predict recordings by them.")
    brain.add_argument("--model", required=True, help="of the config, or a source (hf:ORG/NAME)")
    brain.add_argument("--mask", required=True, metavar="CSV", help="units: columns layer and unit")
    brain.add_argument("--stimuli", required=True, help=".txt, or .csv with text (and group)")
    brain.add_argument("--voxels", metavar="CSV", help="recordings: a row per stimulus")
    brain.add_argument("--out", required=True, metavar="DIR", help="where the tables go")
    brain.add_argument("--pooling", choices=POOLINGS, default="last-token")
    brain.add_argument("--folds", type=_positive, default=5, metavar="N", help="default 5")
    brain.add_argument(
        "--seeds", type=int, nargs="+", default=[42, 43, 44], help="of random units: 42 43 44"
    )
    cut = command("prune", _prune, "Save a model without the neurons that belong to no network.")
    cut.add_argument("--model", required=True, help="of the config, or a source (hf:ORG/NAME, ...)")
    cut.add_argument("--ratio", type=_share, required=True, help="share of neurons that goes")
    cut.add_argument("--out", required=True, metavar="DIR", help="new or empty")
    cut.add_argument(
        "--dataset", default="corpus:encyclopedia", help="of the config, or a source of texts"
    )
    cut.add_argument("--samples", type=_positive, default=100, metavar="N", help="default 100")
    cut.add_argument("--components", type=_positive, default=10, metavar="K", help="per layer: 10")
    cut.add_argument("--also", type=_share, nargs="*", default=[], help="ratios to measure only")
    cut.add_argument("--seeds", type=int, nargs="*", default=[0], help="of random pruning: 0")
    cut.add_argument("--whole-ends", action="store_true", help="keep the first 3 and last 2 layers")
    cut.add_argument("--compensate", action="store_true", help="by biases, where there are any")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a share above 0 and below 1, not '{text}'")
    return value


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number from 0 up, not '{text}'")
    return value


def _size(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not '{text}'")
    return value


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 up, not '{text}'")
    return int(text)


def _load(options: argparse.Namespace) -> LoadedConfig:
    return load_config(config_files(options.configfile, ROOT), root=ROOT)


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
    found = together([*reading, *attempts(loaded.study)])
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
    catalogue.select(_known(loaded), [options.task], "the task")
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
    from brodmann.pipeline import audit

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
    from brodmann.pipeline.align import Request, align

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
    from brodmann.pipeline.generate import Wish, continuations

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
    from brodmann.pipeline.plan import plan, table

    study = _load(options).study
    names = options.model or study.run_models
    for name in names:
        if name not in study.run_models:
            raise UserError.at(
                "--model", f"no model '{name}'", did_you_mean(name, study.run_models)
            )
    on_cpu = options.cpu or options.measured
    for found in plan(study, names, on_cpu=on_cpu, gpu_gb=options.gpu_memory):
        print(table(found, measured=options.measured))
    return 0


def _prune(options: argparse.Namespace) -> int:
    # Imported here: the other commands need not wait for numpy.
    from brodmann.pipeline.network_prune import Wish, pruned
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
    results = Path("results").resolve()
    report = results / "report.html"
    if not report.is_file():
        raise UserError.at(str(report), "there is no report yet", "run 'snakemake --cores all'")
    print(f"\nThe report:              {report}")
    print(f"A methods section:       {results / 'methods.md'}")
    print(f"Tables of statistics:    {results / 'statistics'}")
    print(f"Figures (PNG, PDF, CSV): {results / 'figures'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
