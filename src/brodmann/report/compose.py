"""The report of a study, put together from its results: the story in order, each claim with its test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from brodmann.analysis.written import COLUMNS as WRITTEN
from brodmann.config.study import Study
from brodmann.files import incomplete, read_json
from brodmann.models.card import ModelCard
from brodmann.pipeline.confounds import COLUMNS as CONFOUNDS
from brodmann.pipeline.inventory import AVERAGE, Inventory
from brodmann.pipeline.lesion import COLUMNS as LESIONS
from brodmann.pipeline.overlap import RELIABILITY, SUMMARY
from brodmann.pipeline.printed import Printed, domain_table, modularity_table, robustness_table
from brodmann.pipeline.statistics import TABLES
from brodmann.pipeline.tables import read_table
from brodmann.report import story
from brodmann.report.page import Group, Page, Picture, Section, Table
from brodmann.report.story import Findings

STATISTICS = (
    *("modularity", "domain_modularity", "clustering", "consistency", "threshold_robustness"),
    *("structure_function", "confounds"),
)


@dataclass(frozen=True)
class Sources:
    """What the report is read from."""

    study: Study
    inventory: Inventory
    results: Path
    planned: frozenset[str]  # figures of this study; others in the folder are of an earlier one

    def figure(self, name: str, title: str, caption: str) -> list[Picture]:
        """The figure, or nothing where the study has none."""
        path = self.results / "figures" / f"{name}.png"
        return [Picture(path, title, caption)] if name in self.planned else []

    @property
    def shown(self) -> str:
        """The model whose figures stand in the story: the average, or the only one there is."""
        own = [name for name in self.study.models if name not in self.study.controls]
        if len(own) > 1 and self.inventory.average_overlaps:
            return AVERAGE
        return next(iter(own or self.study.models))

    def called(self, name: str) -> str:
        """A model's name, controls marked."""
        return f"{name} (control)" if name in self.study.controls else name

    @property
    def untrained(self) -> dict[str, str]:
        """Untrained controls, each with the trained model of the same source."""
        models = self.study.models
        return {
            name: other
            for name, entry in models.items()
            for other, trained in models.items()
            if entry.untrained and not trained.untrained and entry.source == trained.source
        }

    @property
    def main(self) -> str:
        """Main selection in words."""
        return (
            f"{self.study.selection.signs[0]} scores, {self.study.selection.main:g} % of all units"
        )

    @property
    def tested(self) -> str:
        """How permutation tests were made."""
        statistics = self.study.statistics
        return f"{statistics.permutations:,} shuffles of the domain labels, one-sided, seed {statistics.seed}"


def compose(
    study: Study,
    inventory: Inventory,
    figures: Iterable[str],
    results: str | Path = "results",
) -> Page:
    """The page of a finished study. ``figures``: names (without ending) of the figures that it has."""
    sources = Sources(study, inventory, Path(results), frozenset(figures))
    tables = {
        name: read_table(
            sources.results / "statistics" / f"{name}.csv", TABLES.get(name, CONFOUNDS)
        )
        for name in STATISTICS
    }
    sections = [_overview(sources)]
    for component in study.attribution.components:
        findings = Findings(
            tables,
            component,
            study.selection.main_name,
            study.ablated_selections[0],
            study.ablation.kinds[0],
        )
        named = component if len(study.attribution.components) > 1 else ""
        sections += _component(sources, findings, named)
    if study.run_models:
        sections.append(_localizers(sources))
    sections.append(_behind(sources))
    names = ", ".join(study.models)
    count = len(study.tasks.selected) if study.run_models else _imported_tasks(tables)
    return Page(
        "Functional map of language models",
        f"{names}: {count} tasks. Written by brodmann.",
        sections,
    )


def _imported_tasks(tables: Mapping[str, pd.DataFrame]) -> int:
    table = tables["modularity"]
    averages = table[table["model"] == AVERAGE]["n"]
    counts = averages if len(averages) else table["n"]
    return int(counts.max()) if len(counts) else 0


def _overview(sources: Sources) -> Section:
    study = sources.study
    rows = [_model_row(sources, name) for name in study.models]
    accuracy = read_table(sources.results / "figures" / "accuracy_heatmap.csv")
    lead = [
        "Can the models do the tasks at all? Only tasks that a model masters say something about how it does them."
    ]
    findings = []
    for name in study.run_models:
        own = accuracy[(accuracy["model"] == name) & accuracy["task"].isin(study.tasks.selected)]
        left_out = own[~own["included"]]
        findings.append(
            f"{sources.called(name)}: {int(own['included'].sum())} of {len(own)} "
            f"tasks are included" + (f"; left out: {_reasons(left_out)}." if len(left_out) else ".")
        )
    rule = _inclusion(study)
    caption = (
        "Share of token-aligned minimal pairs of which a model gets both the clean and the corrupted problem right; "
        "independent guesses reach 25 %. Colours run from 50 to 100 %. Crossed out: not included. "
        f"“–”: not known. {rule}"
    )
    heads = ("model", "source", "parameters", "layers", "neurons per layer", "weights")
    return Section(
        "Models and tasks",
        lead,
        findings,
        sources.figure("accuracy_heatmap", "Accuracy", caption),
        [Table("Models of the study", heads, rows, frozenset({0, 1}))],
    )


def _inclusion(study: Study) -> str:
    if not study.run_models:
        return "Accuracies are those of the results that were taken over."
    rules = {name: study.models[name].inclusion for name in study.run_models}
    aligned = [name for name, rule in rules.items() if rule.filter == "aligned"]
    items = "all" if study.tasks.items is None else str(study.tasks.items)
    text = f"Items per task: {items} (seed {study.tasks.seed})."
    for rule in [rule for rule in rules.values() if rule.filter == "both_correct"][:1]:
        text += (
            f" A task is included from {100 * rule.min_both_correct:g} % and {rule.min_items} both-correct items on, if its "
            "baselines differ."
        )
    if aligned:
        text += f" Of {', '.join(aligned)} all aligned items count, whatever the accuracy."
    return text


def _reasons(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row['task']} ({row['reason']})" for _, row in rows.iterrows())


def _model_row(sources: Sources, name: str) -> list[str]:
    entry = sources.study.models[name]
    shown = f"{name} (control)" if entry.control else name
    if entry.results_only:
        return [shown, f"results only: {Path(entry.location).name}", "–", "–", "–", "–"]
    card = asdict(ModelCard.read(sources.results / name / "model.json"))
    source = card["source"] + (", untrained" if card["untrained"] else "")
    return [
        shown,
        source,
        f"{card['n_parameters'] / 1e6:,.0f} M",
        str(card["n_layers"]),
        str(card["neurons_per_layer"]),
        card["weights_hash"][:12],
    ]


def _component(sources: Sources, findings: Findings, named: str) -> Iterator[Section]:
    """The story of one kind of unit; ``named`` tells sections apart where there are several."""
    suffix = f" ({named})" if named else ""
    yield _overlap(sources, findings, suffix)
    yield _certainty(sources, findings, suffix)
    yield _surface(sources, findings, suffix)
    yield _function(sources, findings, suffix)


def _overlap(sources: Sources, findings: Findings, suffix: str) -> Section:
    component, shown = findings.component, sources.shown
    minimum = sources.study.figures.chord_minimum
    figures = [
        *sources.figure(
            f"chord.{shown}.{component}",
            "Overlap of circuits",
            f"{shown}: a band joins two tasks whose circuits share at least {100 * minimum:g} % of their units; its width "
            f"is that share. Circuits: {sources.main}.",
        ),
        *sources.figure(
            f"overlap.containment.{shown}.{component}",
            "Overlap of all pairs of tasks",
            f"{shown}: shared units over circuit size ({sources.main}). White lines part the domains.",
        ),
        *sources.figure(
            f"domains_overlap.{component}",
            "Overlap within each domain and with the others",
            "Mean over cells of the matrix, bars: standard error (SD over the root of the cells, whose number is "
            f"printed). Controls have panels of their own. Tests: {sources.tested}.",
        ),
        *(sources.figure if sources.study.run_models else _nothing)(
            f"composition.{component}",
            "Where in the models the domains' units are",
            f"Per domain the {sources.study.selection.main:g} % of units with the largest absolute mean attribution; units "
            "of several domains are shared. Units per model and layer in 25 bins of depth, log10(count + 1).",
        ),
    ]
    tables = findings.tables
    printed = [
        *modularity_table(tables["modularity"], findings.overlap_sel),
        *domain_table(tables["domain_modularity"], findings.overlap_sel),
    ]
    return Section(
        f"Do tasks of one domain share units?{suffix}",
        [
            "A circuit is the set of units that carry a task. If a cognitive domain is a module of the model, circuits "
            "of tasks of the domain share more units with each other than with those of other domains; in a model "
            "without training they should not."
        ],
        [
            *story.overlap_sentences(findings),
            *story.learned_sentences(findings, sources.untrained),
            *story.domain_sentences(findings),
            *story.clustering_sentences(findings),
        ],
        figures,
        _tables(printed, "overlap", component),
    )


def _compared(sources: Sources) -> list[str]:
    """The models that averages and comparisons between models are made of."""
    return [name for name in sources.study.models if name not in sources.study.controls]


def _nothing(name: str, title: str, caption: str) -> list[Picture]:
    """No figure: there is nothing that it could show."""
    return []


def _tables(printed: Sequence[Printed], what: str, component: str) -> list[Table]:
    """The printed tables of overlap or of ablation, for one kind of unit."""
    return [
        Table(one.caption, one.heads, one.rows)
        for one in printed
        if what in one.caption and component in one.caption
    ]


def _certainty(sources: Sources, findings: Findings, suffix: str) -> Section:
    component = findings.component
    several = len(_compared(sources)) > 1
    figures = [
        *sources.figure(
            f"robustness.{component}",
            "Size of the circuits",
            "Overlap within and across domains, their ratio, and agreement of clusters with domains, against the size of "
            "the circuits in per cent of all units.",
        ),
        *(sources.figure if several else _nothing)(
            f"consistency_overlap.{component}",
            "Agreement between models",
            "Kendall's tau of the overlaps of all pairs of tasks that every model has; controls are left out.",
        ),
    ]
    printed = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    reliable = [
        picture
        for name in sources.study.run_models
        for picture in sources.figure(
            f"overlap.noise_corrected.{name}.{component}",
            f"Overlap over its noise ceiling, {name}",
            "Two tasks with the same circuit would be seen to overlap by the geometric mean of their reliabilities; "
            "overlaps are divided by it. Diagonal: reliability.",
        )
    ]
    return Section(
        f"How sure is that?{suffix}",
        ["The same at other sizes of circuits, in other models, and on other items."],
        [
            *story.robustness_sentences(findings),
            *_reliability(sources, findings),
            *story.consistency_sentences(findings),
        ],
        figures,
        _tables(printed, "overlap", component),
        [Group("Overlaps over their noise ceiling", figures=reliable)] if reliable else [],
    )


def _reliability(sources: Sources, findings: Findings) -> Iterator[str]:
    for name in sources.study.run_models:
        stem = sources.results / name / "overlap" / findings.component / findings.overlap_sel
        table = read_table(f"{stem}.reliability.csv", RELIABILITY)
        summary = read_table(f"{stem}.summary.csv", SUMMARY)
        mean = table["ceiling"].mean()
        if pd.isna(mean):
            continue
        how = (
            "two lists of items"
            if (table["ceiling_from"] == "seed").all()
            else "two halves of its items"
        )
        text = f"{sources.called(name)}: a task's circuits from {how} share {100 * mean:.1f} % of their units (mean of {len(table)} tasks)"
        within = summary[(summary["measure"] == "containment") & (summary["pairs"] == "within")]
        for _, row in within.iterrows():
            if not pd.isna(row["low"]):
                text += (
                    f"; overlap within domains {100 * row['mean']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}] "
                    f"({int(row['n_bootstraps'])} resamples of the items)"
                )
        yield text + "."


def _surface(sources: Sources, findings: Findings, suffix: str) -> Section:
    seed = sources.study.statistics.seed
    caption = (
        "Coefficient of same domain in a regression of all pairs of tasks, alone (filled) and beside the similarity of "
        "answers, last prompt token, prompt tokens and format (open). Intervals: 95 %, tasks resampled; p: residuals "
        f"permuted by tasks, one-sided, {sources.study.statistics.permutations:,} permutations, seed {seed}."
    )
    findings_text = list(story.confound_sentences(findings))
    if sources.study.imported_models:
        findings_text.append(
            f"{', '.join(sources.study.imported_models)}: results only, so that their prompts are not at hand and surface "
            "cannot be held constant."
        )
    return Section(
        f"Is it only what the prompts look like?{suffix}",
        [
            "Tasks of a domain also look alike: they share answers, final tokens, words and formats. Does the domain matter "
            "beside these?"
        ],
        findings_text,
        sources.figure(
            f"confounds.{findings.component}", "Same domain beside surface similarity", caption
        )
        if sources.study.run_models
        else [],
    )


def _function(sources: Sources, findings: Findings, suffix: str) -> Section:
    component, shown = findings.component, sources.shown
    ablation = sources.study.ablation
    what = f"{findings.kind} ablation, {findings.drop_sel}"
    items = (
        "all used items"
        if ablation.max_items is None
        else f"the first {ablation.max_items} used items"
    )
    if not sources.inventory.drops:
        text = "No model of this study has ablations."
        if sources.study.run_models:
            text += " Forecasts from attributions are in results/NAME/ablation."
        return Section(f"What breaks when a circuit is silenced?{suffix}", [text])
    drawn = shown if sources.inventory.average_drops else sources.inventory.drops[0].model
    figures = [
        *sources.figure(
            f"ablation.{drawn}.{component}",
            "Accuracy lost",
            f"{drawn}: rows the silenced circuit, columns the task ({what}; {items} of a task that was run here).",
        ),
        *sources.figure(
            f"domains_ablation.{component}",
            "Accuracy lost within each domain, and to and from the others",
            f"Mean over cells, bars: standard error, n: cells. Tests: {sources.tested}.",
        ),
        *sources.figure(
            f"structure_function.{component}",
            "Does overlap predict ablation?",
            "A dot per ordered pair of tasks: overlap of the two circuits against the accuracy that silencing one costs the "
            "other. Mixed-effects regression with crossed random intercepts; Spearman with Mantel p.",
        ),
        *(sources.figure if len(_compared(sources)) > 1 else _nothing)(
            f"consistency_ablation.{component}",
            "Agreement between models on what breaks",
            "Kendall's tau over all ordered pairs of the tasks that every model has; controls are left out.",
        ),
    ]
    printed = [
        *modularity_table(findings.tables["modularity"], findings.drop_sel),
        *domain_table(findings.tables["domain_modularity"], findings.drop_sel),
    ]
    for name in sources.study.measured_models:
        figures += sources.figure(
            f"controls.{name}.{component}",
            f"Circuits against random lesions, {name}",
            f"Accuracy lost, by domain of the task that is tested ({what}; {items}). Layer-matched: as many random units in "
            f"every layer ({_draws(ablation.layer_matched_trials)}); random: of any layer ({_draws(ablation.random_trials)}), "
            f"seed {ablation.seed}.",
        )
        figures += sources.figure(
            f"forecast.{name}.{component}",
            f"Forecast against measured, {name}",
            "The sum of a task's attributions over the silenced units forecasts, at first order, what the metric loses.",
        )
    return Section(
        f"What breaks when a circuit is silenced?{suffix}",
        [
            "Overlap is structure. Silencing each circuit while the model does every task shows function."
        ],
        [*story.ablation_sentences(findings), *story.function_sentences(findings)],
        figures,
        _tables(printed, "ablation", component),
    )


def _localizers(sources: Sources) -> Section:
    """Localized networks and their lesions."""
    settings = sources.study.localizer
    main = settings.selections[0]
    seeds = ", ".join(map(str, settings.lesion.seeds))
    findings = []
    for name in sources.study.run_models:
        for network in settings.networks:
            folder = sources.results / name / "localizer" / network
            called = sources.called(name)
            lesions = read_table(folder / "lesion.csv", LESIONS)
            findings += story.lesion_sentences(lesions, called, network)
            if (folder / "circuits.csv").is_file():
                findings += story.written_sentences(
                    read_table(folder / "circuits.csv", WRITTEN), called, network
                )
    figures = [
        *sources.figure(
            "localizer_lesion",
            "What is lost without a network",
            f"Perplexity of a corpus of prose (per token), and accuracy on tasks of each domain (at most "
            f"{settings.lesion.items} items a task, pooled), with the network's units held at zero against as many random "
            f"other units (seeds {seeds}). Bands: 95 % intervals. Dotted: intact.",
        ),
        *sources.figure(
            "localizer_depth",
            "Where the networks are",
            f"Selected units ({main}) in per cent of each layer's units.",
        ),
        *sources.figure(
            "localizer_selectivity",
            "How selective units are",
            "Welch's t of the absolute activation, positive against negative texts, all units; dashed: the least selective "
            "unit that is selected.",
        ),
        *(sources.figure if len(settings.networks) > 1 else _nothing)(
            "localizer_overlap",
            "How far the networks overlap",
            f"Jaccard index of the selected units ({main}).",
        ),
        *sources.figure(
            "localizer_circuits",
            "Do circuits write on the networks?",
            "Share of the squared length of circuit neurons' write vectors that lies on localized units of their own layer, "
            "over that of random neurons of the same layers (1,000 draws). Filled: p < 0.05, one-sided.",
        ),
    ]
    return Section(
        "Functional localizers",
        [
            "As in neuroscience: units that respond more to one kind of text than to another (sentences against lists of "
            "non-words, stories about beliefs against stories about pictures, hard against easy sums), and what breaks when "
            "they are silenced."
        ],
        findings,
        figures,
    )


def _draws(number: int) -> str:
    return "1 draw" if number == 1 else f"{number} draws"


def _behind(sources: Sources) -> Section:
    """Every model by itself, the methods section, and what made the results."""
    groups = []
    components = sources.study.attribution.components
    for name in sources.study.models:
        figures: list[Picture] = []
        for component in components:
            figures += _own_figures(sources, name, component)
        if figures:
            groups.append(Group(f"Figures of {name}", figures=figures))
    methods = sources.results / "methods.md"
    text = methods.read_text(encoding="utf-8") if methods.is_file() else ""
    groups.append(Group("Methods section, to paste (results/methods.md, .bib)", text=text))
    path = sources.results / "provenance.json"
    record = read_json(path)
    if not isinstance(record, dict) or not {"brodmann", "git_commit"} <= record.keys():
        raise incomplete(path)
    return Section(
        "Behind this report",
        [
            f"brodmann {record['brodmann']}, commit {record['git_commit'] or 'unknown'}. Versions, config, hashes of weights "
            "and items: results/provenance.json. Every table of statistics: results/statistics."
        ],
        tables=[Table("Software", ("package", "version"), _versions(record), frozenset({0, 1}))],
        more=groups,
    )


def _versions(record: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    return [[name, str(version)] for name, version in record["packages"].items()]


def _own_figures(sources: Sources, name: str, component: str) -> list[Picture]:
    """Of one model: overlap in two measures, chord, ablation, agreement of estimators."""
    captions = (
        ("chord", "Overlap of circuits", f"{sources.main}."),
        (
            "overlap.containment",
            "Overlap of all pairs of tasks",
            f"Shared units over circuit size, {sources.main}.",
        ),
        (
            "overlap.doubly_stochastic",
            "Overlap, doubly stochastic",
            "Diagonal set to zero, rows and columns scaled to one. Grey: tasks that share units with no other.",
        ),
        ("ablation", "Accuracy lost", "Rows the silenced circuit, columns the task."),
        (
            "agreement",
            "Estimated against true effects",
            "A dot per unit: attribution against patching the unit.",
        ),
    )
    return [
        picture
        for stem, title, caption in captions
        for picture in sources.figure(f"{stem}.{name}.{component}", f"{title}, {name}", caption)
    ]
