"""What a run ends with on the terminal: what was found, in five lines at most, or how well models do tasks.

From the files of results alone, of which a part may be missing: what was not asked for is not spoken of.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from brodmann.config.study import Study
from brodmann.report.wording import big, p_text
from brodmann.statistics.inventory import AVERAGE, DROP
from brodmann.tasks.domains import label

Row = dict[str, str]


def at_the_end(study: Study, targets: Sequence[str], results: Path = Path("results")) -> list[str]:
    """Of a whole study or its report what was found, of ``baselines`` the accuracies, of others nothing."""
    if not targets or {"all", "report", "results/report.html"} & set(targets):
        return [*found(study, results), f"The report: {(results / 'report.html').resolve()}"]
    return accuracies(study, results) if "baselines" in targets else []


def found(study: Study, results: Path) -> list[str]:
    """Tasks, overlap, ablation, localizers, networks: a line each, of those that the study has."""
    lines = (_tasks, _overlap, _silenced, _localized, _networks)
    return [line for one in lines if (line := one(study, results))]


def accuracies(study: Study, results: Path) -> list[str]:
    """Table: models by domains; mean both-correct accuracy of the included tasks, and how many they are."""
    tasks = study.tasks.selected
    domains = list(dict.fromkeys(task.partition("/")[0] for task in tasks))
    table = [["model", *map(label, domains), "included"]]
    for model in study.run_models:
        read = {task: one for task in tasks if (one := _baseline(results, model, task))}
        kept = {task: one for task, one in read.items() if one["included"]}
        cells = []
        for domain in domains:
            inside = [t for t in tasks if t.partition("/")[0] == domain]
            shares = [kept[t]["both_correct_accuracy"] or 0.0 for t in inside if t in kept]
            mean = f"{100 * sum(shares) / len(shares):.0f} %" if shares else "–"
            cells.append(f"{mean} ({len(shares)} of {len(inside)})")
        table.append([model, *cells, f"{len(kept)} of {len(read)}"])
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in table
    ]
    note = (
        "Items of which both prompts are answered right: mean of the included tasks (their number)."
    )
    return [*lines, note]


def _baseline(results: Path, model: str, task: str) -> dict | None:
    try:
        return json.loads((results / model / "baseline" / f"{task}.json").read_text("utf-8"))
    except FileNotFoundError:
        return None


def _tasks(study: Study, results: Path) -> str:
    said = []
    for model in study.run_models:
        read = [_baseline(results, model, task) for task in study.tasks.selected]
        kept = sum(bool(one and one["included"]) for one in read)
        said.append(f"{_called(study, model)} {kept} of {len(read)}")
    return f"Tasks included: {', '.join(said)}." if said else ""


def _overlap(study: Study, results: Path) -> str:
    rows = _rows(results / "statistics/modularity.csv")
    sel = study.selection.main_name
    said = [
        f"{who} {_number(row['within'])} within a domain, {_number(row['cross'])} across ({_p(row)})"
        for who, row in _spoken(study, rows, sel=sel, measure="containment")
    ]
    return f"Units that two circuits share: {'; '.join(said)}." if said else ""


def _silenced(study: Study, results: Path) -> str:
    rows = _rows(results / "statistics/modularity.csv")
    wanted = {"measure": DROP, "kind": study.ablation.kinds[0], "sel": study.ablated_selections[0]}
    said = [
        f"{who} {_number(row['within'])} in tasks of its domain, {_number(row['cross'])} in others"
        f" ({_p(row)})"
        for who, row in _spoken(study, rows, **wanted)
    ]
    return f"Accuracy lost when a circuit is silenced: {'; '.join(said)}." if said else ""


def _localized(study: Study, results: Path) -> str:
    said = []
    for model in study.run_models:
        for kind in study.localizer.networks:
            rows = _rows(results / model / "localizer" / kind / "lesion.csv")
            by = {row["condition"]: row for row in reversed(rows) if row["measure"] == "perplexity"}
            if {"intact", "lesion", "random"} <= set(by):
                values = [_number(by[name]["value"]) for name in ("intact", "lesion", "random")]
                said.append(
                    "{} {} from {} to {} ({} without as many others)".format(
                        _called(study, model), kind.replace("_", " "), *values
                    )
                )
    return f"Perplexity without localized units: {'; '.join(said)}." if said else ""


def _networks(study: Study, results: Path) -> str:
    said = []
    for model in study.network_models:
        rows = _rows(results / model / "networks" / "consistency.csv")
        again = sum(int(float(row["count"] or 0)) > 0 for row in rows)
        if rows:
            said.append(f"{_called(study, model)} {again} of {len(rows)}")
    return f"Networks that are found again in single texts: {', '.join(said)}." if said else ""


def _spoken(study: Study, rows: list[Row], **wanted: str) -> Iterator[tuple[str, Row]]:
    """Rows of the average of several models, or of the only one, then of controls; each once."""
    component = study.attribution.components[0]
    fitting = [
        row
        for row in rows
        if row["component"] == component and all(row[key] == value for key, value in wanted.items())
    ]
    own = [row for row in fitting if row["model"] not in (*study.controls, AVERAGE)]
    together = [row for row in fitting if row["model"] == AVERAGE]
    first = together if len(own) > 1 and together else own
    for row in (*first, *(row for row in fitting if row["model"] in study.controls)):
        yield _called(study, row["model"]), row


def _called(study: Study, model: str) -> str:
    if model == AVERAGE:
        return "models on average"
    return f"{model} (control)" if model in study.controls else model


def _rows(path: Path) -> list[Row]:
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError:
        return []


def _number(text: str) -> str:
    """As sentences have it; a dash where it is undefined."""
    if not text:
        return "–"
    value = float(text)
    return big(value) if abs(value) >= 1 else f"{value:.2f}"


def _p(row: Row) -> str:
    return p_text(float(row["p"])) if row["p"] else "no test: too few tasks"
