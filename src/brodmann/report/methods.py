"""``results/methods.md`` and ``.bib``: a methods section to paste, written from the config.

Every sentence says what this study did, cites the method's own paper, and every setting that is not the
default is listed. Numbers of results do not stand here: they are in the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brodmann
from brodmann.config.localizer import Size
from brodmann.config.schema import load_schema
from brodmann.config.study import PAIRWISE, ModelEntry, Study
from brodmann.errors import UserError
from brodmann.files import incomplete, read_json, write_text
from brodmann.localizers.contrasts import contrast_of
from brodmann.models.card import ModelCard
from brodmann.provenance import package_versions
from brodmann.report.methods_localizers import localizers_text
from brodmann.report.methods_networks import networks_text
from brodmann.report.story.wording import listed
from brodmann.runner.perplexity import read_passages
from brodmann.statistics.structure_function import BOOTSTRAPS
from brodmann.tasks.catalogue import domain_of

_CITED = re.compile(r"\[(@[^\]]+)\]")
_SETTINGS = "## Settings"  # what follows is the user's own text
# Keys that say how a study is run, not what it computes.
_HOW_IT_RUNS = (
    "execution",
    "results_from",
    "device_map",
    "max_memory",
    "gpus",
    "attn_implementation",
)
_SOURCES = {
    "wheel": "package",
    "hf": "Hugging Face hub",
    "path": "local folder",
    "gguf": "GGUF file",
    "results": "results of",
}
_COMPONENTS = {
    "neurons": "hidden neurons of the MLPs (the input of the down projection)",
    "heads": "attention heads (the input of the output projection)",
}
_KINDS = {
    "corrupted": "their activations at the same position of the corrupted run",
    "zero": "zero",
    "mean": "their mean over the target's clean prompts",
}


def write_methods(
    study: Study,
    *,
    config: Mapping[str, Any],
    schema_file: str | Path,
    item_files: Sequence[str],
    cards: Sequence[str],
    bibliography_file: str | Path,
    outputs: Any,
) -> None:
    """Rule ``methods``. ``config``: the effective values; ``outputs`` has ``text`` and ``bibliography``."""
    settings = not_default(config, load_schema(schema_file))
    text = methods_text(study, settings, package_versions(), Counts.read(study, item_files, cards))
    entries = Path(bibliography_file).read_text(encoding="utf-8")
    write_text(outputs.text, text)
    write_text(outputs.bibliography, bibliography(text, entries))


@dataclass(frozen=True)
class Counts:
    """What the config does not say: how many there are of what was used."""

    items: Mapping[str, int]  # per task
    units: Mapping[tuple[str, str], int] = field(
        default_factory=dict
    )  # (model, component) -> all units
    texts: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # network -> positive, negative
    passages: int | None = None  # of the corpus that lesions are measured on

    @classmethod
    def read(cls, study: Study, item_files: Sequence[str], cards: Sequence[str]) -> Counts:
        """From the files of items and models, and the localizers' texts."""
        units = {}
        for card in map(ModelCard.read, cards):
            for component in study.attribution.components:
                in_layer = getattr(card, f"{component}_per_layer")
                units[card.name, component] = card.n_layers * in_layer
        texts, passages = {}, None
        if study.run_models and study.localizer.networks:
            asked = study.localizer
            for network in asked.networks:
                found = contrast_of(study, network)
                texts[network] = (len(found.positive), len(found.negative))
            passages = len(read_passages(asked.lesion.corpus)[: asked.lesion.passages])
        return cls(dict(map(_counted, item_files)), units, texts, passages)


def _counted(path: str) -> tuple[str, int]:
    """A file's task, and how many items it has."""
    record = read_json(path)
    try:
        return record["task"], record["n_items"]
    except (KeyError, TypeError):
        raise incomplete(path) from None


def methods_text(
    study: Study,
    settings: Sequence[tuple[str, Any, Any]],
    software: Mapping[str, str],
    counts: Counts,
) -> str:
    """The section in Markdown. ``settings``: (key, value, default) of what is not the default."""
    parts = [
        "# Methods",
        "This text was written from the config of the study; check it against your paper before you use it. "
        "Citations are keys of `methods.bib`.",
        *_models(study),
    ]
    if study.run_models:
        parts += [*_tasks(study, counts.items), *_circuits(study, counts), *_ablation(study)]
        parts += localizers_text(study, counts.texts, counts.passages)
        parts += networks_text(study)
    parts += [*_comparison(study), _software(software), *_settings(settings)]
    return "\n\n".join(parts) + "\n"


def _models(study: Study) -> list[str]:
    run = [study.models[name] for name in study.run_models]
    text = []
    if run:
        text.append(f"Models were {listed(_described(entry) for entry in run)}.")
    if study.imported_models:
        text.append(
            f"Result matrices of {listed(study.imported_models)} were taken over, not computed here; those of the published "
            "study are of [@han2026modular]."
        )
    if study.controls:
        names = listed(study.controls)
        text.append(f"{names} served as control and entered no average and no test across models.")
    for name in study.run_models:
        if lender := study.lender(name):
            text.append(
                f"{name} was run on the items that {lender} was run on (those with a prompt of equal length in both wordings, "
                f"for tasks that {lender} leaves out), and compared with it on the tasks that both include."
            )
    return ["## Models", " ".join(text)]


def _described(entry: ModelEntry) -> str:
    untrained = (
        f", with fresh random weights drawn with seed {entry.seed}" if entry.untrained else ""
    )
    source = entry.source.partition(":")[2]
    cited = " [@allal2025smollm2]" if "smollm2" in entry.source.lower() else ""
    return f"{entry.name} ({_SOURCES[entry.kind]} {source}{untrained}){cited}"


def _tasks(study: Study, n_items: Mapping[str, int]) -> list[str]:
    tasks = study.tasks
    counts = sorted(set(n_items.values()))
    each = (
        f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else "no"
    )
    first = (
        f"Each of {len(tasks.selected)} tasks ({_domains(tasks.selected)}) was posed as {each} minimal pairs (seed {tasks.seed}): a clean and a "
        "corrupted problem of which the right answer of one is the wrong answer of the other. "
        "Pairs whose prompts differ in their number of tokens were left out. "
    )
    rule = next(iter(study.models[name].inclusion for name in study.run_models))
    if rule.filter == "both_correct":
        first += (
            "An item counted if the right answer had the higher log-probability in both problems; a task was included "
            f"for a model if at least {100 * rule.min_both_correct:g} % of its pairs, and {rule.min_items} of them, did."
        )
    else:
        first += "Every aligned item counted."
    others = [
        name
        for name in study.run_models
        # Whose items an untrained model has is said of the models.
        if study.models[name].inclusion.filter != rule.filter and not study.lender(name)
    ]
    if others:
        kind = study.models[others[0]].inclusion.filter
        which = "all aligned items" if kind == "aligned" else "both-correct items only"
        first += f" For {listed(others)}, {which} were used."
    return ["## Tasks", first]


def _domains(tasks: Sequence[str]) -> str:
    """``3 language, 3 formal``."""
    counts: dict[str, int] = {}
    for task in tasks:
        counts[domain_of(task)] = counts.get(domain_of(task), 0) + 1
    return ", ".join(f"{number} {domain}" for domain, number in counts.items())


def _circuits(study: Study, counts: Counts) -> list[str]:
    found = study.attribution
    units = listed(_COMPONENTS[component] for component in found.components)
    how = {
        "patching": "attribution patching [@nanda2023attribution; @syed2024attribution]: the difference of clean "
        "and corrupted activation times the gradient of the metric on the corrupted run",
        "ig": f"integrated gradients [@sundararajan2017axiomatic; @hanna2024faith] in {found.ig_steps} steps between "
        "corrupted and clean activations",
        "exact": f"activation patching [@vig2020investigating] of the {found.exact_units} units that are strongest "
        "at first order",
    }[found.estimator]
    gradient = (
        "both answers' log-probabilities"
        if found.gradient == "both_answers"
        else "the correct answer's log-probability"
    )
    sizes = listed(f"{percent:g} %" for percent in study.selection.percents)
    split = (
        " on one half of the items, effects being measured on the other"
        if study.tasks.split
        else ""
    )
    text = (
        f"Circuits are sets of {units} at the last prompt token. A unit's score is its mean over items by {how}; the "
        f"metric is the log-probability difference of the two answers, normalised by its clean and corrupted values, "
        f"and the gradient flows through {gradient}. The circuit of a task holds the {sizes} of all units with the "
        f"{listed(_sign(sign) for sign in study.selection.signs)} scores, found{split or ' on all of its used items'}. "
        f"Results are shown for {study.selection.main:g} %{_main_size(study, counts)}. "
    )
    reliability = []
    if found.splits:
        reliability.append(f"{found.splits} random splits of the used items into halves")
    if found.second_seed:
        reliability.append("a second list of items that shares none with the first")
    if reliability:
        text += f"Reliability was measured from {listed(reliability)}. "
    if found.bootstraps:
        text += f"Intervals of mean overlaps come from {found.bootstraps} resamples of the used items of every task."
    return ["## Circuits", text.rstrip()]


def _main_size(study: Study, counts: Counts) -> str:
    """`` (46 of 46,080 neurons in smollm2)``: the main size in units."""
    size = Size(percentage=study.selection.main)
    found = [
        f"{size.count(number):,} of {number:,} {component} in {listed(names)}"
        for (component, number), names in _alike(counts.units).items()
    ]
    return f" ({'; '.join(found)})" if found else ""


def _alike(units: Mapping[tuple[str, str], int]) -> dict[tuple[str, int], list[str]]:
    """(component, number of units) -> the models that have so many."""
    found: dict[tuple[str, int], list[str]] = {}
    for (model, component), number in units.items():
        found.setdefault((component, number), []).append(model)
    return found


def _sign(sign: str) -> str:
    return {"positive": "highest", "negative": "lowest", "absolute": "largest absolute"}[sign]


def _ablation(study: Study) -> list[str]:
    settings = study.ablation
    if not study.measured_models:
        return []
    kinds = listed(_KINDS[kind] for kind in settings.kinds)
    items = f"the first {settings.max_items}" if settings.max_items else "all"
    left_out = [name for name in study.run_models if name not in study.measured_models]
    text = (
        f"To test circuits causally [@vig2020investigating], the units of every source task's circuit were replaced "
        f"by {kinds}, at every position, while the model answered {items} used items of every target task. "
        "The accuracy drop is the accuracy lost on items that the intact model gets right. "
    )
    controls = []
    if settings.layer_matched_trials:
        controls.append(f"layer-matched (draws: {settings.layer_matched_trials})")
    if settings.random_trials:
        controls.append(f"fully random (draws: {settings.random_trials})")
    if controls:
        text += f"Controls were as many units drawn at random, {listed(controls)}; seed {settings.seed}. "
    if left_out:
        text += f"Circuits of {listed(left_out)} were not ablated."
    return ["## Ablation", text.rstrip()]


def _comparison(study: Study) -> list[str]:
    statistics = study.statistics
    text = [
        "The overlap of two circuits is the share of units that they have in common (containment, shared units over "
        "circuit size); the Jaccard index and a doubly stochastic scaling with zero diagonal "
        "[@sinkhorn1967concerning] are reported beside it.",
        "Means within and across domains were compared over off-diagonal cells by "
        f"{statistics.permutations:,} shuffles of the domain labels (one-sided, p = (1 + hits) / (1 + shuffles) "
        f"[@phipson2010permutation], seed {statistics.seed}).",
        "Tasks were clustered by average linkage on the graph of each task's five nearest, cut at four clusters, and "
        "compared with the domains by the adjusted Rand index [@hubert1985comparing], normalised and adjusted mutual "
        "information [@vinh2010information] and the V-measure [@rosenberg2007v]; the silhouette "
        "[@rousseeuw1987silhouettes] takes the domains as clusters.",
    ]
    compared = [name for name in study.models if name not in study.controls]
    which = "the two of each pair" if statistics.consistency == PAIRWISE else "all of them"
    if len(compared) > 1:
        text.append(
            f"Agreement of the {len(compared)} models is Kendall's tau [@kendall1938new] over the cells of the tasks that "
            f"{which} include. Averages are means over the models that have a cell."
        )
        if statistics.exclude:
            text.append(f"Averages leave out {listed(statistics.exclude)}.")
    pooled = (
        ". Over models, slopes vary at random: their mean was estimated by REML, with errors that correlate over models "
        "(they share tasks), and tested by the method of Hartung and Knapp [@hartung2001refined], applied to what models do "
        "not share of their errors (t with Satterthwaite's degrees of freedom)"
        if len(compared) > 1
        else ""
    )
    text.append(
        "Accuracy drops were regressed on standardised overlap with crossed random intercepts for source and target "
        "and one for the unordered pair of tasks, for overlap is the same in both directions (REML; t with as many "
        f"degrees of freedom as unordered pairs less tasks less one){pooled}; Spearman's correlation was tested by "
        f"{statistics.permutations:,} permutations of the tasks [@mantel1967detection], its interval is from "
        f"{BOOTSTRAPS:,} resamples of the tasks."
    )
    if study.measured_models:
        text.append(
            "What tasks lose to their own circuits and to random units was compared by Wilcoxon's signed ranks over tasks."
            if study.tasks.split
            else "What tasks lose to their own circuits and to random units is reported, not tested: circuits were found on "
            "the items that they were tested on."
        )
    if study.run_models:
        text.append(
            "To test whether domains explain overlap beyond the prompts' surface, overlaps and drops were regressed on "
            "same domain, alone and beside the similarity of answer vocabulary, last prompt token, prompt tokens and "
            f"format; p-values permute residuals by tasks ({statistics.permutations:,} permutations) "
            "[@dekker2007sensitivity], intervals are from resampled tasks, and labels were also shuffled within formats."
        )
    text.append(
        "False discovery rates were controlled once per table of statistics and column of p-values, over all its "
        "models, averages, sizes and measures together [@benjamini1995controlling]."
    )
    return ["## Comparison", " ".join(text)]


def _software(versions: Mapping[str, str]) -> str:
    named = listed(f"{name} {version}" for name, version in versions.items())
    return (
        f"## Software\n\nbrodmann {brodmann.__version__}, a Snakemake workflow [@molder2021sustainable] on "
        f"transformers [@wolf2020transformers] and nnsight [@fiottokaufman2024nnsight]; {named}."
    )


def _settings(settings: Sequence[tuple[str, Any, Any]]) -> list[str]:
    if not settings:
        return ["## Settings", "All settings are brodmann's defaults."]
    lines = ["| setting | value | default |", "| --- | --- | --- |"]
    lines += [
        f"| `{key}` | {_value(value)} | {_value(default)} |" for key, value, default in settings
    ]
    return ["## Settings that are not the defaults", "\n".join(lines)]


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value) or "none"
    return str(value).replace("|", "\\|").replace("\n", " ")


def bibliography(text: str, entries: str) -> str:
    """The entries of a .bib file that ``text`` cites, in its order of the file."""
    known = {
        match[1]: match[0].strip() for match in re.finditer(r"@\w+\{(\w+),.*?\n\}\n", entries, re.S)
    }
    groups = _CITED.findall(text.partition(_SETTINGS)[0])
    cited = {key.strip().lstrip("@") for group in groups for key in group.split(";")}
    if missing := sorted(cited - set(known)):
        raise UserError.at("methods.bib", f"no entry for {', '.join(missing)}")
    return "\n\n".join(entry for key, entry in known.items() if key in cited) + "\n"


def not_default(
    config: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...] = ()
) -> list[tuple[str, Any, Any]]:
    """(dotted key, value, default) of every value that is not the schema's default.

    What every study must name (models, their sources) has no default and is left out, as is how it runs.
    """
    found = []
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for key, value in config.items():
        part = properties.get(key, others if isinstance(others, dict) else {})
        if key in _HOW_IT_RUNS:
            continue
        if isinstance(value, dict) and (part.get("properties") or part.get("additionalProperties")):
            found += not_default(value, part, (*path, key))
        elif "default" in part and value != part["default"]:
            found.append((".".join((*path, key)), value, part["default"]))
    return found
