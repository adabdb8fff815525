"""The report's section on functional localizers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from brodmann.comparison.written import COLUMNS as WRITTEN
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.report.findings import ALPHA
from brodmann.report.page import Section
from brodmann.report.sources import Sources
from brodmann.report.wording import numbered
from brodmann.store.tables import read_table


def localizers_section(sources: Sources) -> Section:
    """Localized networks and their lesions."""
    settings, say = sources.study.localizer, sources.say
    findings = []
    for name in sources.study.run_models:
        for network in settings.networks:
            folder = sources.results / name / "localizer" / network
            of = sources.called(name), network
            tensors = load_file(folder / "selectivity.safetensors")
            passed = responding(tensors["t"], tensors["p_fdr"])
            findings += say("localizers.responding", passed, tensors["t"].size, *of)
            table = read_table(folder / "lesion.csv", LESIONS)
            findings += say("localizers.lesions", Lesion.all_of(table), *of)
            if (folder / "circuits.csv").is_file():
                table = read_table(folder / "circuits.csv", WRITTEN)
                findings += say("localizers.written", table, *of)
    seeds = settings.lesion.seeds
    draws = f" ({numbered('seed', seeds)}; circles)" if seeds else ""
    return Section(
        "Functional localizers",
        say("localizers.lead", settings.networks),
        findings,
        sources.figures("localizers", draws=draws),
    )


def responding(t: np.ndarray, p_fdr: np.ndarray) -> int:
    """How many units pass the false discovery rate. ``t``, ``p_fdr``: [layers, units]."""
    return int(((p_fdr < ALPHA) & (t > 0)).sum())


@dataclass(frozen=True)
class Lesion:
    """One size and kind of a network's lesion, beside the intact model and the random lesions."""

    corpus: dict[str, Any]  # the row of the corpus's perplexity
    tasks: pd.DataFrame  # a row a task: accuracy
    random: pd.Series  # perplexities of the random lesions
    intact: pd.Series  # (measure, task or "") -> value

    @classmethod
    def all_of(cls, table: pd.DataFrame) -> Iterator[Lesion]:
        """The lesions of ``lesion.csv``, in its order."""
        intact = table[table["condition"] == "intact"].astype({"task": object}).fillna({"task": ""})
        values = intact.set_index(["measure", "task"])["value"]
        lesions = table[table["condition"] != "intact"]
        for _, rows in lesions.groupby(["selection", "kind"], sort=False):
            of = {key: own for key, own in rows.groupby(["condition", "measure"])}
            corpus, none = of["lesion", "perplexity"].iloc[0].to_dict(), rows.iloc[:0]
            random = of.get(("random", "perplexity"), none)["value"]
            yield cls(corpus, of.get(("lesion", "accuracy"), none), random, values)

    @property
    def smallest(self) -> bool:
        """Whether p is the smallest of two-sided signed ranks: of 2^n sign patterns the two most extreme."""
        return bool(np.isclose(self.corpus["p_random"], 2.0 ** (1 - int(self.corpus["n"]))))
