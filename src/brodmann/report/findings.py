"""The tables that the report speaks about, and which of their rows get a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.statistics.inventory import ALL, AVERAGE
from brodmann.statistics.printed import without_lonely_average
from brodmann.statistics.registry import STATISTICS
from brodmann.statistics.study_tables import read_statistics
from brodmann.statistics.untrained import EVERY


def read_findings(study: Study, results: Path) -> list[Findings]:
    """The findings about each kind of unit."""
    if not study.attribution.components:
        what = "a study without circuits has no report: localizers and networks are in files and figures"
        raise UserError.at("attribution.components", what)
    tables = {
        name: read_statistics(results / "statistics" / f"{name}.csv")
        for name, one in STATISTICS.items()
        if one.reported
    }
    shown = study.selection.main_name, study.ablated_selections[0], study.ablation.kinds[0]
    components = study.attribution.components
    several = len(components) > 1
    return [Findings(tables, own, *shown, f" ({own})" if several else "") for own in components]


@dataclass(frozen=True)
class Findings:
    """The tables of results/statistics, and which rows the report speaks about."""

    tables: dict[str, pd.DataFrame]
    component: str
    overlap_sel: str
    drop_sel: str
    kind: str
    suffix: str = ""  # of titles, where there are several kinds of unit

    def rows(self, table: str, *, drop: bool = False) -> pd.DataFrame:
        """Rows of the main selection: of containment, or of the accuracy drop."""
        found = self.tables[table]
        chosen = (found["component"] == self.component) & (
            found["sel"] == (self.drop_sel if drop else self.overlap_sel)
        )
        if drop:
            chosen &= found["kind"] == self.kind
        if table != "structure_function":
            chosen &= found["measure"] == ("accuracy_drop" if drop else "containment")
        return found[chosen]

    def by_size(self) -> Iterator[tuple[float, Findings]]:
        """Size of the circuits in per cent, and the findings about the overlap of circuits of that size."""
        sign = f"{self.overlap_sel.partition('-')[0]}-"
        own = self.tables["modularity"]
        found = own[(own["component"] == self.component) & (own["measure"] == "containment")]
        for sel in dict.fromkeys(found["sel"]):
            if str(sel).startswith(sign):
                size = float(str(sel).removeprefix(sign).removesuffix("pct"))
                yield size, replace(self, overlap_sel=str(sel))

    def spoken(self, table: str, *, drop: bool = False) -> pd.DataFrame:
        """Of these, the rows that get a sentence: the average of several models, or the only model there
        is; and every control. All models are in the printed tables."""
        return spoken(self.rows(table, drop=drop))

    def beside_untrained(
        self, model: str, domain: str = EVERY, *, drop: bool = False
    ) -> pd.DataFrame:
        """A model's overlap (or drop) beside that of its untrained control: one row, or none."""
        found = self.rows("untrained", drop=drop)
        return found[(found["model"] == model) & (found["domain"] == domain)]

    def regressions(self, *, drop: bool = False) -> Iterator[list[dict[str, Any]]]:
        """Of each model, the coefficient of same domain: alone, beside surface similarity, within formats."""
        rows = self.rows("confounds", drop=drop)
        rows = rows[rows["term"] == "same_domain"]
        for _, own in rows.groupby(["model", "control"], sort=False):
            by = {row["predictors"]: row for row in own.to_dict("records")}
            yield [by[name] for name in ("domain", "domain_and_surface", "within_formats")]


def by_model(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table in the order of a reader: the average of several models, models, controls."""
    kept = without_lonely_average(rows)
    order = kept["control"].astype(bool) * 2 + (kept["model"] != AVERAGE)
    found: list[dict[str, Any]] = kept.iloc[order.argsort(kind="stable")].to_dict("records")
    return found


def without_controls(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of averages and of models that are no controls."""
    return rows[~rows["control"].astype(bool)]


def spoken(rows: pd.DataFrame) -> pd.DataFrame:
    """See ``Findings.spoken``."""
    own = without_controls(rows)
    several = own[~own["model"].isin([AVERAGE, ALL])]["model"].nunique() > 1
    together = own["model"].isin([AVERAGE, ALL])
    kept = own[together] if several else own[~together]
    return pd.concat([kept, rows[rows["control"].astype(bool)]])
