"""The sections on structure and function, and the first table, of whole studies whose matrices are made up.

Nine tasks in three domains; one pair of them has nearly the same circuit. Statistics are those that the
pipeline makes of the matrices; what the page must say of them is worked out by hand.
"""

import json

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.masks import HEADER as MASK
from brodmann.circuits.overlap import noise_corrected
from brodmann.circuits.stages.ablation import ACTIVATION
from brodmann.circuits.stages.ablation import COLUMNS as LESIONS
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.circuits.stages.units import COLUMNS as UNITS
from brodmann.config.load import load_config
from brodmann.report.findings import read_findings
from brodmann.report.function import function_section
from brodmann.report.prose import Prose
from brodmann.report.sources import Sources
from brodmann.report.structure import structure_section
from brodmann.report.summary import QUESTIONS, summary_section
from brodmann.statistics.inventory import AVERAGE, Inventory
from brodmann.statistics.registry import STATISTICS
from brodmann.statistics.stages.confounds import write_confounds
from brodmann.statistics.stages.structure import write_structure
from brodmann.statistics.stages.structure_function import write_structure_function
from brodmann.statistics.surface import SIMILARITIES
from brodmann.store.tables import write_matrix, write_table

TASKS = [
    *("language/npi", "language/hypernymy", "language/subject_verb_agreement"),
    *("formal/code_arithmetic", "formal/add_sub_2op_symbolic", "formal/add_sub_2op_verbal"),
    *("social/agent", "social/norm_moral", "social/desires_goals"),
]
ALIKE = (TASKS[0], TASKS[1])
SIZES = (1.0, 5.0)
ONE = {"source": "hf:org/one"}
PLAIN = {**ONE, "untrained": True, "control": True}
# Model -> means within and across domains: of overlaps, and of accuracy lost.
MEANS = {"one": (0.3, 0.1, 0.4, 0.05), "two": (0.2, 0.1, 0.2, 0.05), "plain": (0.15, 0.1, 0, 0)}
MEANS[AVERAGE] = (0.25, 0.1, 0.3, 0.05)
BACK = {"one": 0.9, "two": 0.5, "plain": 0.8}
OWN, RANDOM, ACTIVE = 0.6, 0.1, 0.2


def block(within, across, own, *, alike=None, sources=0.0):
    """``sources``: what each source has more than the one before, so that rows are not all alike."""
    domains = np.array([task.partition("/")[0] for task in TASKS])
    values = np.where(domains[:, None] == domains[None, :], within, across)
    values = values + sources * np.arange(len(TASKS))[:, None]
    np.fill_diagonal(values, own)
    table = pd.DataFrame(values, TASKS, TASKS)
    if alike is not None:
        table.loc[ALIKE] = table.loc[ALIKE[::-1]] = alike
    return table


class Study:
    """All files that the sections read, below a folder of results."""

    def __init__(self, root, folder, models, **sections):
        config = {
            "models": models,
            "tasks": {"include": TASKS, **sections.pop("tasks", {})},
            "selection": {"percents": list(SIZES), "main": SIZES[0]},
            "localizer": {"networks": []},
            "statistics": {"permutations": 200, "seed": 1},
            **sections,
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        self.study = load_config([folder / "config.yaml"], root=root).study
        self.results = folder / "results"
        self.inventory = Inventory.of(self.study, {})
        for one in self.inventory.all_overlaps:
            own = self.overlaps(one.model)
            for measure in one.measures:
                write_matrix(one.path(measure), own)
        for one in self.inventory.all_drops:
            within, across = MEANS[one.model][2:]
            lost = block(within, across, OWN, sources=0.001 if within else 0.0)
            write_matrix(one.path(), lost)
        for name in self.study.run_models:
            self.circuits(name)
        self.statistics()
        say = Prose(root / "workflow" / "report")
        self.sources = Sources(self.study, self.inventory, self.results, frozenset(), say)
        [self.findings] = read_findings(self.study, self.results)

    def overlaps(self, model):
        within, across = MEANS[model][:2]
        return block(within, across, 1.0, alike=None if model == "plain" else 0.9)

    def circuits(self, name):
        """What stands beside the matrices of a model that was run."""
        own = self.results / name
        rates = dict.fromkeys(TASKS, BACK[name])
        for sel in self.study.selection.names:
            stem = f"overlap/neurons/{sel}"
            corrected = noise_corrected(self.overlaps(name), rates)
            write_matrix(own / f"{stem}.noise_corrected.csv", corrected)
            rows = [
                {"task": task, "n_items": 20 + n % 2, "ceiling": rate, "ceiling_from": "halves"}
                for n, (task, rate) in enumerate(rates.items())
            ]
            write_table(own / f"{stem}.reliability.csv", rows, RELIABILITY)
            within = {"measure": "containment", "pairs": "within", "mean": 0.37}
            write_table(own / f"{stem}.summary.csv", [{**within, "low": 0.3, "high": 0.4}], SUMMARY)
            for task in TASKS:
                units = [{"layer": 0, "unit": n, "score": 0.25} for n in (1, 2)]
                write_table(own / f"masks/neurons/{sel}/{task}.csv", units, MASK)
        token = {"rank": 1, "layer": 0, "unit": 1, "score": 0.25, "side": "promotes", "place": 1}
        rows = [{**token, "task": task, "token": '" a"', "logit": 1.0} for task in TASKS]
        write_table(own / "units/neurons.csv", rows, UNITS)
        for sel in self.study.ablated_selections if name in self.study.measured_models else ():
            for kind in self.study.ablation.kinds:
                for task in TASKS:
                    self.lesions(own / f"ablation/neurons/{sel}/{kind}/{task}.csv", task)
        surface = [
            {"source": one, "target": other, "source_format": "statement"}
            | {name: (n * 7 + place) % 5 / 5 for place, name in enumerate(SIMILARITIES)}
            for n, (one, other) in enumerate((a, b) for a in TASKS for b in TASKS if a != b)
        ]
        columns = ("source", "target", "source_format", *SIMILARITIES)
        write_table(own / "surface.csv", surface, columns)

    def lesions(self, path, task):
        rows = [
            {"source": task, "condition": condition, "drop": drop}
            for condition, drop in (
                *(("intact", 0.0), ("circuit", OWN)),
                *(("layer_matched", RANDOM), ("layer_matched", RANDOM)),
            )
        ]
        columns = LESIONS
        if self.study.ablation.activation_matched_trials:
            rows.append({"source": task, "condition": "activation_matched", "drop": ACTIVE})
            columns = (*columns, ACTIVATION)
        write_table(path, rows, columns)

    def statistics(self):
        settings = self.study.statistics
        outputs = {name: one.path for name, one in STATISTICS.items()}
        structure = {
            name: path
            for name, path in outputs.items()
            if name not in ("structure_function", "confounds")
        }
        write_structure(self.inventory, settings, structure)
        write_structure_function(self.inventory, settings, outputs)
        surfaces = {name: f"results/{name}/surface.csv" for name in self.study.run_models}
        write_confounds(self.inventory, settings, outputs, surfaces=surfaces)

    def answers(self):
        found = {}
        for question in QUESTIONS:
            for one in question(self.sources, self.findings):
                found.setdefault(one.question, []).append(one)
        return found


def made(root, tmp_path_factory, models, **sections):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for module in ("resampling", "confounds", "structure_function", "untrained"):
            patch.setattr(f"brodmann.statistics.{module}.BOOTSTRAPS", 100)  # fewer will do
        return Study(root, folder, models, **sections)


@pytest.fixture(scope="module")
def twins(root, tmp_path_factory):
    """A model and its untrained control; circuits are tested on the other half of the items."""
    sections = {"tasks": {"split": "half"}, "ablation": {"activation_matched_trials": 1}}
    models = {"one": ONE, "plain": PLAIN}
    return made(root, tmp_path_factory, models, **sections)


@pytest.fixture(scope="module")
def several(root, tmp_path_factory):
    """Two models and no control; circuits are tested on the items that they were found on."""
    return made(root, tmp_path_factory, {"one": ONE, "two": {"source": "hf:org/two"}})


def row_of(table, name):
    [row] = [row for row in table.rows if getattr(row[0], "text", row[0]) == name]
    return dict(zip(table.heads, row, strict=True))


def groups_of(section):
    return {group.title: group for group in section.more}


def test_overlaps_stand_beside_those_of_the_untrained_model(twins):
    section = structure_section(twins.sources, twins.findings)
    row = row_of(section.tables[0], "one")
    # Of nine pairs within domains eight share 30 %, one 90 %.
    assert (row["tasks"], row["circuits that come back"]) == ("9", "90.0 %")
    assert (row["within domains"], row["across domains"]) == ("36.7 %", "10.0 %")
    assert row["difference"] == "26.7"
    # The control's differ by 5 points.
    assert row["more than untrained"].startswith("21.7 [")
    assert row["verdict"].startswith("shown: more than in the untrained model")
    other = row_of(section.tables[0], "plain (control)")
    assert (other["within domains"], other["verdict"]) == ("15.0 %", "–")
    said = " ".join(section.lead)
    assert "Without the 1 pair of tasks whose circuits are nearly the same" in said
    assert "differ by 20.0 percentage points instead of 26.7" in said
    assert "differ by 5.0 percentage points instead of 26.7" in said
    assert "all domains together at 2 of 2 sizes (1, 5 %)" in said


def test_what_is_left_over_noise_ceilings_is_told_for_every_size(twins):
    section = structure_section(twins.sources, twins.findings)
    group = groups_of(section)["Other sizes of circuits, other models"]
    sizes, ceilings = group.tables[:2]
    assert sizes.caption == "Size of the circuits: more than the untrained model."
    own = [row for row in sizes.rows if row[1] == "all"]
    assert [row[2:5] for row in own] == [["1", "26.7", "5.0"], ["5", "26.7", "5.0"]]
    assert [row[:3] for row in ceilings.rows] == [["one", size, "36 of 36"] for size in ("1", "5")]
    counts = [sorted(row[3].split(", ")) for row in ceilings.rows]
    assert counts == [["3 formal", "3 language", "3 social"]] * 2
    # Overlaps over 0.9 and over 0.8, at most one.
    one = (8 * 0.3 + 0.9) / 9 / 0.9 - 0.1 / 0.9
    assert ceilings.rows[0][4:6] == [f"{100 * one:.1f}", f"{100 * 0.05 / 0.8:.1f}"]
    assert ceilings.rows[0][7] == "26.7; 5.0"


def test_circuits_are_told_task_by_task(twins):
    group = groups_of(structure_section(twins.sources, twins.findings))[
        "How reliable are the circuits?"
    ]
    every, tasks = group.tables
    one, plain = row_of(every, "one"), row_of(every, "plain (control)")
    assert one["circuits from"] == "two halves of the items, 20 to 21 items in all"
    assert one["share of the effect, circuit"] == "50.0 % (50.0 % to 50.0 %)"
    assert one["within domains, items resampled"] == "37.0 [30.0, 40.0]"
    assert one["verdict"].startswith("reliable") and plain["verdict"] == "–"
    assert len(tasks.rows) == 9 and {row[-1] for row in tasks.rows} == {"60.0 %"}


def test_units_of_a_control_are_not_told(twins):
    section = structure_section(twins.sources, twins.findings)
    [table] = groups_of(section)[
        "The strongest units of every circuit, and what they promote"
    ].tables
    assert table.caption == "one: the first units of each circuit."
    assert table.rows[0][1:] == ["L0 N1", "25.0 %", "\u201c\N{NO-BREAK SPACE}a\u201d", "–"]


def test_what_lesions_cost_stands_beside_random_units(twins):
    section = function_section(twins.sources, twins.findings)
    row = row_of(section.tables[0], "one")
    assert (row["own circuit"], row["random units"]) == ("60.0 %", "10.0 %")
    # The mean of what the sources have more, of 0 to 8 thousandths.
    assert row["circuits of the domain"] == "40.4 %" and row["difference"] == "35.0"
    said = " ".join(section.lead)
    assert "costs a task 40.4 % of its accuracy if the two are of one domain" in said
    assert "Without the 2 ordered pairs whose circuits are nearly the same" in said
    assert "flatters" not in said
    [domains] = groups_of(section)["Circuits against random units"].tables
    assert domains.heads[-1] == "activation-matched units"
    assert [row[3:] for row in domains.rows if row[0] == "one"] == [
        ["60.0 %", "10.0 %", "–", "20.0 %"]
    ] * 3
    against = " ".join(groups_of(section)["Circuits against random units"].lead)
    assert "more than silencing random units for every task" in against
    assert "that are about as active as the circuit cost it 20.0 %" in against


def test_every_question_has_its_control_effect_and_verdict(twins):
    found = twins.answers()
    [reliable] = found["Are circuits reliable?"]
    assert reliable.effect == "90.0 % of the units come back"
    [overlap] = found["Do tasks of one domain share more units?"]
    assert overlap.control == "plain; shuffled domains"
    assert overlap.n == "9 tasks, 20 to 21 items each"
    assert "; 20.0 without 1 pairs of nearly the same circuit" in overlap.effect
    assert overlap.effect.endswith("; apart at 2 of 2 sizes of circuits")
    assert overlap.size == pytest.approx(100 * ((8 * 0.3 + 0.9) / 9 - 0.1))
    assert len([one for one in found if one.endswith("apart from the other domains?")]) == 3
    [own] = found["Does a task need its own circuit?"]
    assert own.effect == "60.0 % accuracy lost, random units 10.0 %"
    assert own.verdict.level == "shown"
    [drop] = found["Does silencing a circuit break tasks of its domain more?"]
    assert drop.size == pytest.approx(35.0, abs=0.1)
    assert "without 2 ordered pairs of nearly the same circuit" in drop.effect
    [slope] = found["Does overlap predict what breaks?"]
    assert slope.n == "72 ordered pairs of tasks"
    [surface] = found["Do tasks of one domain share more than their prompts explain?"]
    assert surface.model == "one" and "surface held constant" in surface.effect
    table = summary_section(twins.sources, twins.findings).tables[0]
    assert len(table.rows) == sum(map(len, found.values()))


def test_the_average_speaks_for_several_models(several):
    section = structure_section(several.sources, several.findings)
    rows = section.tables[0].rows
    assert [row[0].text for row in rows] == ["average (2)", "one", "two"]
    # Reliability is known of models alone.
    assert [row[2] for row in rows] == ["–", "90.0 %", "50.0 %"]
    assert [row[7] for row in rows] == ["–"] * 3
    said = " ".join(section.lead)
    assert "On average over 2 models" in said and "there is no untrained control" in said
    found = several.answers()
    [overlap] = found["Do tasks of one domain share more units?"]
    assert (overlap.model, overlap.n) == ("average (2)", "9 tasks")
    assert overlap.control == "shuffled domains"
    assert [one.model for one in found["Are circuits reliable?"]] == ["one", "two"]
    assert [str(one.verdict).partition(":")[0] for one in found["Are circuits reliable?"]] == [
        *("reliable", "moderately reliable"),
    ]
    [slope] = found["Does overlap predict what breaks?"]
    assert slope.model.startswith("all models")


def test_circuits_that_are_tested_on_their_own_items_are_not_tested(several):
    section = function_section(several.sources, several.findings)
    assert any("flatters it" in said for said in section.lead)
    own = several.answers()["Does a task need its own circuit?"]
    assert {one.verdict.level for one in own} == {"not tested"} and len(own) == 2
    [domains] = groups_of(section)["Circuits against random units"].tables
    assert "activation-matched units" not in domains.heads


def test_many_models_are_counted_in_the_first_table(several, monkeypatch):
    """More than so many answers to one question are one row."""
    monkeypatch.setattr("brodmann.report.summary.MOST_ANSWERS", 1)
    table = summary_section(several.sources, several.findings).tables[0]
    rows = {row[0].text: row for row in table.rows}
    assert rows["Are circuits reliable?"][1] == "2 answers"
    assert rows["Are circuits reliable?"][4] == "median 70 (50 to 90) % of the units"


def test_a_study_that_silences_nothing_says_so(root, tmp_path_factory):
    study = made(root, tmp_path_factory, {"one": ONE}, ablation={"forecast_only": True})
    section = function_section(study.sources, study.findings)
    assert section.lead == [
        "No circuit of this study was silenced. Forecasts from attributions are in "
        "results/NAME/ablation."
    ]
    assert not section.tables and not section.more
    found = study.answers()
    assert "Does a task need its own circuit?" not in found
    structure = structure_section(study.sources, study.findings)
    # No size is set against an untrained model, and no accuracy was lost.
    assert [table.caption for table in structure.tables] == [
        "Overlap of circuits (containment), model by model."
    ]
    tasks = groups_of(structure)["How reliable are the circuits?"].tables[1]
    assert {row[-1] for row in tasks.rows} == {"–"}
