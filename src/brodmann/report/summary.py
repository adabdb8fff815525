"""The top of the report: every question with its control, effect and verdict, as the sections have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from math import isnan, nan
from statistics import median
from typing import Any

from brodmann.config.study import Study
from brodmann.numerals import minus
from brodmann.report import function, structure, verdicts
from brodmann.report.domains import (
    BySize,
    Sizes,
    WithoutAlike,
    domain_verdicts,
    judged,
    overlap_verdicts,
    untrained_of,
    verdicts_by_size,
)
from brodmann.report.findings import Findings, without_controls
from brodmann.report.function import own_circuits, without_alike
from brodmann.report.localizers import WRITE, localized
from brodmann.report.networks import alikeness, compared, inhibited
from brodmann.report.page import Cell, Group, Link, Section, Table, anchor
from brodmann.report.recurrence import across_datasets, coming_back
from brodmann.report.reliability import RELIABLE, Reliability, items_used
from brodmann.report.sources import Sources
from brodmann.report.verdicts import ALPHA, Coefficient, Verdict
from brodmann.report.wording import called_cell, points, points_between, share, times
from brodmann.report.writing import writings
from brodmann.statistics.inventory import ALL, AVERAGE
from brodmann.tasks.domains import label

# Of more answers to one question, how many there are of each kind is said.
MOST_ANSWERS = 3
# Studies with fewer items per task, draws of random units, or passages are demonstrations.
FEW_ITEMS, FEW_DRAWS, FEW_PASSAGES = 100, 3, 20


@dataclass(frozen=True)
class Answer:
    """One model's answer to a question. ``size``: the effect as a number, NaN where it is undefined."""

    question: str
    anchor: str
    model: str
    control: str
    n: str
    said: str  # of the effect, where it is defined
    verdict: Verdict
    size: float
    unit: str = ""  # of the size

    @property
    def effect(self) -> str:
        """In words; a dash where it is undefined."""
        return "–" if isnan(self.size) else self.said

    @property
    def cells(self) -> list[Cell]:
        """As a row of the table."""
        question = Link(self.question, f"#{self.anchor}")
        return [question, self.model, self.control, self.n, self.effect, str(self.verdict)]


def summary_section(sources: Sources, findings: Findings) -> Section:
    """A row per question and model; of kinds of unit the first."""
    every = (one(sources, findings) for one in QUESTIONS)
    rows = [one.cells for answers in by_question(chain(*every)) for one in condensed(answers)]
    heads = ("question", "model", "control", "n", "effect", "verdict")
    rules = sources.say("summary.rules", verdicts.RELIABLE, verdicts.MODERATE)
    if not rows:
        return Section("In short", ["No model of this study has results to compare."])
    return Section(
        "In short",
        sources.say("summary.lead"),
        tables=[
            Table("What was asked, and what was found.", heads, rows, frozenset(range(6)), roomy=4)
        ],
        more=[Group("The rules of verdicts", rules)],
    )


def headlines(sources: Sources, findings: Findings) -> Iterator[Answer]:
    """Of each of the ``HEADLINES`` that the study asks, the first answer."""
    for one in HEADLINES:
        yield from islice(one(sources, findings), 1)


def by_question(answers: Iterable[Answer]) -> list[list[Answer]]:
    """The answers to each question, questions in the order of their first answers."""
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.question, []).append(answer)
    return list(found.values())


def condensed(answers: Sequence[Answer]) -> list[Answer]:
    """The answers, or one row that counts them where there are many."""
    if len(answers) <= MOST_ANSWERS:
        return list(answers)
    counts = Counter(one.verdict.level for one in answers)
    sizes = [one.size for one in answers if not isnan(one.size)] or [nan]
    middle = median(sizes)
    between = f"({min(sizes):.3g} to {max(sizes):.3g})"
    said = minus(f"median {middle:.3g} {between} {answers[0].unit}".strip())
    levels = "; ".join(f"{level} {number}" for level, number in counts.most_common())
    common = Verdict(f"of {len(answers)}", levels)
    model = f"{len(answers)} answers"
    return [replace(answers[0], model=model, said=said, size=middle, verdict=common)]


def banner(study: Study) -> str:
    """What makes a study a demonstration; nothing if it is none."""
    if not study.run_models:
        return ""
    small = []
    if study.tasks.items is not None and study.tasks.items < FEW_ITEMS:
        small.append(f"{study.tasks.items} items a task (advised: {FEW_ITEMS})")
    trials = study.ablation.layer_matched_trials
    if study.measured_models and trials < FEW_DRAWS:
        small.append(f"{_draws(trials)} per circuit (advised: {FEW_DRAWS})")
    lesion = study.localizer.lesion
    if study.localizer.networks and len(lesion.seeds) < FEW_DRAWS:
        small.append(f"{_draws(len(lesion.seeds))} per lesion (advised: {FEW_DRAWS})")
    editing = study.networks.use.editing
    if study.network_models and len(editing.seeds) < FEW_DRAWS:
        small.append(f"{_draws(len(editing.seeds))} per network (advised: {FEW_DRAWS})")
    measured = [lesion.passages] if study.localizer.networks else []
    measured += [editing.passages] if study.network_models else []
    few = [number for number in measured if number is not None and number < FEW_PASSAGES]
    if few:
        small.append(f"{min(few)} passages of text (advised: {FEW_PASSAGES})")
    if not small:
        return ""
    return (
        "This study is a demonstration: it shows what the pipeline does, and is too small to establish "
        f"anything about its models. It has {'; '.join(small)}."
    )


def _draws(number: int) -> str:
    return f"{number} {'draw' if number == 1 else 'draws'} of random units"


def _place(title: str, findings: Findings, group: str = "") -> str:
    """The anchor of a section of circuits, or of one of its folds."""
    return "-".join(anchor(part) for part in (f"{title}{findings.suffix}", group) if part)


def _control(beside: Mapping[str, Any] | None) -> str:
    """Of domains that are apart. ``beside``: the row of the untrained control, if there is one."""
    return "shuffled domains" if beside is None else f"{beside['other']}; shuffled domains"


def _tasks(number: int) -> str:
    return f"{number} {'task' if number == 1 else 'tasks'}"


def _items_used(sources: Sources, findings: Findings, model: str) -> str:
    """Of each task: those that circuits are found on; of results that were taken over it is not known."""
    table = Reliability.of(sources, findings).tables.get(model)
    return "items not known" if table is None or table.empty else f"{items_used(table)} each"


# Questions


def _reliability(sources: Sources, findings: Findings) -> Iterator[Answer]:
    place = _place(structure.TITLE, findings, RELIABLE)
    reliability = Reliability.of(sources, findings)
    for name in reliability.tables:
        value = reliability.mean(name)
        if name not in sources.study.controls:
            yield Answer(
                "Are circuits reliable?",
                place,
                name,
                "circuits of other items",
                f"{_items_used(sources, findings, name)}, halves"
                if not sources.study.attribution.second_seed
                else _items_used(sources, findings, name),
                f"{share(value)} of the units come back",
                verdicts.reliable(value),
                100 * value,
                "% of the units",
            )


def _overlap(sources: Sources, findings: Findings) -> Iterator[Answer]:
    verdict, by_size = overlap_verdicts(sources, findings), verdicts_by_size(sources, findings)
    for row in _of_models(findings, "modularity"):
        beside = untrained_of(findings, row["model"])
        alone = points_between(_alone(findings, row), "coefficient")
        more = "" if beside is None else f"; {points_between(beside, 'excess')} more than untrained"
        table = sources.overlaps(row["model"], findings.component)
        more += _rest(WithoutAlike.of(table, table, directed=False), "pairs")
        yield Answer(
            "Do tasks of one domain share more units?",
            _place(structure.TITLE, findings),
            called_cell(row),
            _control(beside),
            _tasks(row["n"])
            if row["model"] == AVERAGE
            else f"{_tasks(row['n'])}, {_items_used(sources, findings, row['model'])}",
            f"{alone} percentage points more within than across{more}"
            f"{_sizes(by_size, row['model'])}",
            verdict[row["model"]],
            100 * row["difference"],
            "percentage points",
        )


def _rest(found: WithoutAlike, what: str) -> str:
    """``; 4.2 without 4 pairs of nearly the same circuit``, if there are such."""
    if not found.pairs:
        return ""
    return f"; {points(found.difference)} without {found.pairs} {what} of nearly the same circuit"


def _sizes(found: BySize, model: str, *domain: str) -> str:
    """``; apart at 2 of 4 sizes of circuits``, if there are several."""
    text = Sizes.of(found, model, *domain).text
    return f"; {text}" if text else ""


def _alone(findings: Findings, row: dict[str, Any], *, drop: bool = False) -> dict[str, Any]:
    """A model's difference with its interval, from the regression on the domain alone, if there is one."""
    table = findings.rows("confounds", drop=drop)
    own = table[(table["model"] == row["model"]) & (table["predictors"] == "domain")]
    none = {"coefficient": row["difference"], "low": nan, "high": nan}
    found = none if own.empty else own.iloc[0].to_dict()
    return none if isnan(found["coefficient"]) else found


def _domains(sources: Sources, findings: Findings) -> Iterator[Answer]:
    """Which domains are apart by themselves: a row for each, of the model whose figures are shown."""
    rows, reliability = findings.spoken("domain_modularity"), Reliability.of(sources, findings)
    by_size = verdicts_by_size(sources, findings)
    for row in without_controls(rows).to_dict("records"):
        beside = untrained_of(findings, row["model"], row["domain"])
        more = "" if beside is None else f"; {points_between(beside, 'excess')} more than untrained"
        yield Answer(
            f"Is {label(row['domain'])} apart from the other domains?",
            _place(structure.TITLE, findings, structure.DOMAINS),
            called_cell(row),
            _control(beside),
            f"{row['n_domain']} of {_tasks(row['n'])}",
            f"{points(row['difference'])} percentage points more within than across{more}"
            f"{_sizes(by_size, row['model'], row['domain'])}",
            judged(findings, row, reliability),
            100 * row["difference"],
            "percentage points",
        )


def _surface(sources: Sources, findings: Findings) -> Iterator[Answer]:
    overlap = overlap_verdicts(sources, findings)
    for alone, beside, _ in findings.regressions():
        if not alone["control"]:
            first, second = (
                Coefficient(one["coefficient"], one["low"], one["p"]) for one in (alone, beside)
            )
            yield Answer(
                "Do tasks of one domain share more than their prompts explain?",
                _place(structure.TITLE, findings, structure.SURFACE),
                called_cell(alone),
                "similarity of prompts",
                _tasks(alone["n_tasks"]),
                f"{points_between(beside, 'coefficient')} percentage points, surface held constant",
                verdicts.beside_surface(first, second, overlap[alone["model"]]),
                100 * beside["coefficient"],
                "points",
            )


def _own_circuits(sources: Sources, findings: Findings) -> Iterator[Answer]:
    study = sources.study
    for one in own_circuits(sources, findings.component):
        if one.controls and one.model not in study.controls:
            yield Answer(
                "Does a task need its own circuit?",
                _place(function.TITLE, findings),
                one.name,
                _draws(study.ablation.layer_matched_trials),
                _tasks(len(one.table)),
                f"{share(one.mean('own'))} accuracy lost, random units {share(one.mean(one.controls[0]))}",
                one.verdict,
                100 * one.mean("own"),
                "% accuracy lost",
            )


def _drops(sources: Sources, findings: Findings) -> Iterator[Answer]:
    verdict = domain_verdicts(findings, drop=True)
    for row in _of_models(findings, "modularity", drop=True):
        rest = without_alike(sources, findings, row["model"])
        yield Answer(
            "Does silencing a circuit break tasks of its domain more?",
            _place(function.TITLE, findings),
            called_cell(row),
            "shuffled domains",
            _tasks(row["n"]),
            f"{share(row['within'])} accuracy lost within, {share(row['cross'])} across domains; "
            f"{points_between(_alone(findings, row, drop=True), 'coefficient')} percentage points more"
            f"{_rest(rest, 'ordered pairs') if rest is not None else ''}",
            verdict[row["model"]],
            100 * row["difference"],
            "percentage points",
        )


def _predicted(sources: Sources, findings: Findings) -> Iterator[Answer]:
    rows = without_controls(findings.spoken("structure_function", drop=True))
    if (rows["model"] == ALL).any():  # which allows for models that differ
        rows = rows[rows["model"] == ALL]
    for row in rows.to_dict("records"):
        slope = Coefficient(row["coefficient"], row["low"], row["p"])
        yield Answer(
            "Does overlap predict what breaks?",
            _place(function.TITLE, findings, function.PREDICTED),
            called_cell(row),
            "resampled and permuted tasks",
            f"{int(row['n'])} ordered pairs of tasks",
            f"{points(row['least_squares'])} [{points(row['resampled_low'])}, "
            f"{points(row['resampled_high'])}] percentage points of accuracy per SD of overlap; "
            f"{points(row['without_alike'])} without {int(row['n_alike'])} ordered pairs of nearly the same "
            "circuit",
            verdicts.predicts(
                slope, row["resampled_low"], row["mantel_p"], converged=bool(row["converged"])
            ),
            100 * row["least_squares"],
            "percentage points of accuracy per SD of overlap",
        )


def _lesions(sources: Sources, _: Findings) -> Iterator[Answer]:
    for one in localized(sources):
        for lesion in one.lesions[:1] if one.name not in sources.study.controls else ():
            row, intact = lesion.corpus, lesion.intact["perplexity", ""]
            random = (
                f", random units {times(lesion.random.median() / intact)}"
                if len(lesion.random)
                else ""
            )
            yield Answer(
                f"Does the model need its {one.network.replace('_', '-')} units?",
                "functional-localizers",
                one.shown,
                _draws(len(lesion.random)),
                f"{int(row['k'])} units {one.in_dimensions(lesion)}".rstrip()
                + f", {int(row['n'])} passages",
                f"perplexity {times(row['value'] / intact)}{random}",
                one.verdict(lesion),
                row["value"] / intact,
                "times the intact perplexity",
            )


def _writing(sources: Sources, _: Findings) -> Iterator[Answer]:
    for one in writings(sources):
        random = "random neurons of the same layers"
        median_ratio = f"{one.table['ratio'].median():.2f}"
        other = ""
        if one.other is not None:
            other = f"; untrained {one.other_significant} of {len(one.other)}"
            other += f" ({one.other['ratio'].median():.2f} times)"
        yield Answer(
            f"Do circuits write on its {one.network.replace('_', '-')} units?",
            f"functional-localizers-{anchor(WRITE)}",
            one.model,
            f"{random}; {one.twin}" if one.twin else random,
            f"{len(one.table)} circuits",
            f"{one.significant} of {len(one.table)} circuits write more (q < {ALPHA:g}), {median_ratio} "
            f"times as much in the median{other}",
            one.verdict,
            float(one.table["ratio"].median()),
            "times random neurons",
        )


def _with_networks(sources: Sources) -> list[str]:
    """Models whose networks are spoken of: no controls."""
    study = sources.study
    return [name for name in study.network_models if name not in study.controls]


def _networks(sources: Sources, _: Findings) -> Iterator[Answer]:
    for name in _with_networks(sources):
        found, verdict = inhibited(sources, name)
        if found is not None:
            own = found.comparable if len(found.comparable) else found.rows
            ratios, every = (rows["value"] / rows["intact"] for rows in (own, found.rows))
            massive = f"; with massive activations {times(every.max())}" if found.held else ""
            yield Answer(
                "Does the model need single networks?",
                "functional-networks",
                name,
                _draws(len(sources.study.networks.use.editing.seeds)),
                f"{len(found.rows)} networks, {int(found.rows['n'].max())} passages",
                f"perplexity {times(ratios.median())} (median), {times(ratios.max())} at most{massive}",
                verdict,
                float(ratios.median()),
                "times the intact perplexity",
            )


def _come_back(sources: Sources, _: Findings) -> Iterator[Answer]:
    for name in _with_networks(sources):
        found = coming_back(sources, name)
        yield Answer(
            "Do networks come back?",
            "functional-networks-do-networks-come-back",
            name,
            "networks of single texts",
            f"{found.templates} networks, {found.usable} of {found.found} of single texts"
            f"{f' ({found.empty} are empty)' if found.empty else ''}",
            f"{found.back} of {found.templates} networks come back in a text"
            f"{''.join(f'; {one.text}' for one in across_datasets(sources, name)[:3])}",
            found.verdict,
            100 * found.share,
            "% of the networks",
        )


def _maps(sources: Sources, _: Findings) -> Iterator[Answer]:
    for name in _with_networks(sources):
        tested = compared(sources, name)
        yield Answer(
            "Are the maps more alike than chance?",
            "functional-networks-are-the-maps-more-alike-than-chance",
            name,
            "permuted units",
            f"{len(tested)} comparisons of circuits, localized units and networks (each, and all of a "
            "dataset together)",
            f"medians: {', '.join(alikeness(tested))}",
            verdicts.alike(int((tested["q"] < ALPHA).sum()), len(tested)),
            float(tested["ratio"].median()),
            "times chance",
        )


def _of_models(findings: Findings, table: str, *, drop: bool = False) -> list[dict[str, Any]]:
    """The rows that get an answer: the average of several models, or the only one; and each with a twin."""
    rows = without_controls(findings.spoken(table, drop=drop))
    if (rows["model"] == AVERAGE).any() and not drop:
        twins = set(findings.rows("untrained")["model"])
        every = findings.rows(table)
        rows = every[(every["model"] == AVERAGE) | every["model"].isin(twins)]
    return sorted(rows.to_dict("records"), key=lambda row: row["model"] != AVERAGE)


Question = Callable[[Sources, Findings], Iterator[Answer]]
QUESTIONS: tuple[Question, ...] = (
    *(_reliability, _overlap, _domains, _surface, _own_circuits),
    *(_drops, _predicted, _lesions, _writing, _networks, _come_back, _maps),
)
# What a run ends with on the terminal.
HEADLINES: tuple[Question, ...] = (_overlap, _own_circuits, _lesions, _networks, _maps)
