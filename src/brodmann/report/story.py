"""The findings in sentences, with the numbers, the test and its n: read from the tables of statistics.

Sentences state what was measured and how sure it is, for every model and for the controls beside it. What
could not be tested is said, not left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from brodmann.figures.localizer import NETWORK_NAMES
from brodmann.pipeline.inventory import AVERAGE
from brodmann.pipeline.printed import show_p
from brodmann.pipeline.statistics import ALL

ALPHA = 0.05


@dataclass(frozen=True)
class Findings:
    """The tables of results/statistics, and which rows the report speaks about."""

    tables: dict[str, pd.DataFrame]
    component: str
    overlap_sel: str
    drop_sel: str
    kind: str

    def rows(self, table: str, *, drop: bool = False) -> pd.DataFrame:
        """Rows of the main selection: of containment, or of the accuracy drop."""
        found = self.tables[table]
        chosen = (found["component"] == self.component) & (
            found["sel"] == (self.drop_sel if drop else self.overlap_sel)
        )
        if drop:
            chosen &= found["kind"] == self.kind
        if "measure" in found and table != "structure_function":
            chosen &= found["measure"] == ("accuracy_drop" if drop else "containment")
        return found[chosen]

    def spoken(self, table: str, *, drop: bool = False) -> pd.DataFrame:
        """Of these, the rows that get a sentence: the average of several models, or the only model there
        is; and every control. All models are in the printed tables."""
        return spoken(self.rows(table, drop=drop))


def spoken(rows: pd.DataFrame) -> pd.DataFrame:
    """See ``Findings.spoken``."""
    own = rows[~rows["control"].astype(bool)]
    several = own[~own["model"].isin([AVERAGE, ALL])]["model"].nunique() > 1
    together = own["model"].isin([AVERAGE, ALL])
    kept = own[together] if several else own[~together]
    return pd.concat([kept, rows[rows["control"].astype(bool)]])


def called(row: pd.Series) -> str:
    """A model's name in a sentence."""
    if row["model"] == AVERAGE:
        number = row.get("n_models")
        return (
            "On average over models" if pd.isna(number) else f"On average over {int(number)} models"
        )
    if row["model"] == ALL:
        return "Over all models"
    return f"{row['model']} (control)" if row["control"] else str(row["model"])


def _share(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.1f} %"


def _interval(row: pd.Series, digits: int = 3) -> str:
    if pd.isna(row["low"]):
        return f"{row['coefficient']:.{digits}f}"
    return f"{row['coefficient']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def _p(p: float) -> str:
    shown = show_p(p)
    return f"p < {shown[1:]}" if shown.startswith("<") else f"p = {shown}"


def overlap_sentences(findings: Findings) -> Iterator[str]:
    """Within against across domains, model by model."""
    if findings.rows("modularity").empty:
        yield f"No model has overlaps of {findings.overlap_sel} circuits."
    for _, row in findings.spoken("modularity").iterrows():
        name = called(row)
        if row["n"] < 2 or pd.isna(row["within"]) or pd.isna(row["cross"]):
            yield f"{name}: {row['n']} tasks are included; there are no pairs within and across domains to compare."
            continue
        ratio = "" if pd.isna(row["ratio"]) else f" (ratio {row['ratio']:.2f})"
        yield (
            f"{name}: two tasks of one domain share {_share(row['within'])} of their circuits' units, two tasks of "
            f"different domains {_share(row['cross'])}{ratio}; {_p(row['p'])}, {int(row['permutations']):,} "
            f"shuffles of the domain labels of {row['n']} tasks."
        )


def learned_sentences(findings: Findings, untrained: Mapping[str, str]) -> Iterator[str]:
    """How much of the structure training makes. ``untrained``: control -> the same model, trained."""
    rows = findings.rows("modularity").set_index("model")
    for control, trained in untrained.items():
        if control not in rows.index or trained not in rows.index:
            continue
        without, with_training = rows.loc[control, "difference"], rows.loc[trained, "difference"]
        if pd.isna(without) or pd.isna(with_training) or with_training <= 0:
            continue
        there = max(0.0, without / with_training)
        yield (
            f"What is learned: tasks of one domain share {100 * with_training:.1f} points more of their circuits' units than "
            f"others in {trained}, and {100 * without:.1f} points more in {control}, which never saw a text: {100 * there:.0f} % "
            "of the difference is there without training."
        )


def domain_sentences(findings: Findings) -> Iterator[str]:
    """Which domains are separate by themselves."""
    for (_, _), rows in findings.spoken("domain_modularity").groupby(
        ["model", "control"], sort=False
    ):
        name = called(rows.iloc[0])
        tested = rows[rows["p"].notna()]
        apart = tested[tested["q"] < ALPHA]["domain"].tolist()
        parts = [f"{row['domain']} {_p(row['p'])}" for _, row in tested.iterrows()]
        untested = rows[rows["p"].isna()]["domain"].tolist()
        if parts:
            listed = ", ".join(apart) or "none"
            yield f"{name}: domains apart at q < {ALPHA} (false discovery rate over the table): {listed} ({'; '.join(parts)})."
        if untested:
            yield f"{name}: {', '.join(untested)} cannot be tested (a domain needs two tasks, and others beside it)."


def clustering_sentences(findings: Findings) -> Iterator[str]:
    """Do the domains come back without being told?"""
    for _, row in findings.spoken("clustering").iterrows():
        if pd.isna(row["ari"]):
            yield f"{called(row)}: there are too few tasks to cluster."
            continue
        yield (
            f"{called(row)}: {int(row['clusters'])} clusters of {row['n']} tasks agree with the domains at an adjusted "
            f"Rand index of {row['ari']:.3f} ({_p(row['p'])}), adjusted mutual information {row['ami']:.3f}."
        )


def consistency_sentences(findings: Findings) -> Iterator[str]:
    """Do models agree?"""
    for drop, what in ((False, "overlaps"), (True, "accuracy drops")):
        rows = findings.rows("consistency", drop=drop)
        summary = rows[rows["model"] == ALL]
        for _, row in summary.iterrows():
            tau = "not defined" if pd.isna(row["tau"]) else f"{row['tau']:.3f}"
            sd = "" if pd.isna(row["sd"]) else f" (SD {row['sd']:.3f})"
            yield (
                f"Models agree on {what}: mean Kendall's tau {tau}{sd} over {int(row['n_pairs'])} pairs of models and "
                f"the {int(row['n_tasks'])} tasks common to all."
            )
        if summary.empty and not drop:
            yield "Fewer than two models that are no controls have overlaps of this size: there is no agreement to measure."


def robustness_sentences(findings: Findings) -> Iterator[str]:
    """Does it depend on the size of the circuits?"""
    table = findings.tables["threshold_robustness"]
    sign = findings.overlap_sel.partition("-")[0]
    chosen = table[
        (table["component"] == findings.component)
        & (table["measure"] == "containment")
        & table["sel"].str.startswith(f"{sign}-")
    ]
    for (_, _), rows in spoken(chosen).groupby(["model", "control"], sort=False):
        parts = [
            f"{row['percent']:g} %: {row['ratio']:.2f}"
            for _, row in rows.iterrows()
            if not pd.isna(row["ratio"])
        ]
        if parts:
            yield f"{called(rows.iloc[0])}: ratio of overlap within to across by size of the circuits, {'; '.join(parts)}."


def ablation_sentences(findings: Findings) -> Iterator[str]:
    """What a circuit's loss costs tasks of its own domain and of others."""
    for _, row in findings.spoken("modularity", drop=True).iterrows():
        if pd.isna(row["within"]) or pd.isna(row["cross"]):
            yield f"{called(row)}: there are no pairs within and across domains to compare."
            continue
        ratio = "" if pd.isna(row["ratio"]) else f" (ratio {row['ratio']:.1f})"
        yield (
            f"{called(row)}: silencing another task's circuit costs {_share(row['within'])} accuracy if the task is of "
            f"the same domain and {_share(row['cross'])} if it is not{ratio}; {_p(row['p'])}, {row['n']} tasks."
        )


def function_sentences(findings: Findings) -> Iterator[str]:
    """Does overlap predict ablation?"""
    for _, row in findings.spoken("structure_function", drop=True).iterrows():
        name = called(row)
        if pd.isna(row["coefficient"]):
            yield f"{name}: overlap against ablation was not fitted: {row['note']}."
            continue
        text = (
            f"{name}: one SD of overlap goes with {_interval(row)} more accuracy lost ({int(row['n'])} pairs, "
            f"mixed-effects regression{'' if pd.isna(row['low']) else ', 95 % interval'})"
        )
        if not pd.isna(row["spearman"]):
            text += (
                f"; Spearman's rho {row['spearman']:.2f} [{row['spearman_low']:.2f}, {row['spearman_high']:.2f}], "
                f"Mantel {_p(row['mantel_p'])}"
            )
        warned = "" if not isinstance(row["note"], str) else f" The fit warned: {row['note']}"
        unsure = "" if row["converged"] else " The fit did not converge: take no number from it."
        yield f"{text}.{unsure}{warned}"


def confound_sentences(findings: Findings) -> Iterator[str]:
    """What of the domain effect survives the prompts' surface."""
    for drop, what in ((False, "overlap"), (True, "accuracy lost")):
        rows = findings.rows("confounds", drop=drop)
        rows = rows[rows["term"] == "same_domain"]
        for (_, _), own in rows.groupby(["model", "control"], sort=False):
            by = {row["predictors"]: row for _, row in own.iterrows()}
            alone, beside, within = (
                by[name] for name in ("domain", "domain_and_surface", "within_formats")
            )
            name = called(alone)
            if pd.isna(alone["coefficient"]):
                yield f"{name}, {what}: no regression on the domain (too few pairs, or nothing varies)."
                continue
            text = f"{name}, {what}: same domain alone {_interval(alone)} ({_p(alone['p'])})"
            if pd.isna(beside["coefficient"]):
                yield f"{text}; surface similarity cannot be set beside it (too few pairs, or not to be told apart)."
                continue
            text += f"; beside surface similarity {_interval(beside)} ({_p(beside['p'])})"
            text += f": the domain effect {_verdict(alone, beside)}. "
            yield text + _within_formats(within)


def _verdict(alone: pd.Series, beside: pd.Series) -> str:
    """By the permutation test; an interval over resampled tasks that holds 0 is said beside it."""
    if not alone["p"] < ALPHA:
        return "is not there to begin with"
    if not beside["p"] < ALPHA:
        return "does not survive"
    if beside["low"] <= 0:
        return (
            "survives the permutation test, but not the resampling of tasks (its interval holds 0)"
        )
    return "survives"


def _within_formats(row: pd.Series) -> str:
    if pd.isna(row["p"]):
        return "No surface format holds tasks of several domains, so labels cannot be shuffled within formats."
    return f"With labels shuffled within surface formats only ({int(row['n_movable'])} tasks can move): {_p(row['p'])}."


# Localizers


def lesion_sentences(table: pd.DataFrame, name: str, network: str) -> Iterator[str]:
    """What silencing a network costs, beside random units: the corpus, then each task that suffers."""
    network = NETWORK_NAMES.get(network, network)
    intact = table[table["condition"] == "intact"].set_index(["measure", "task"])["value"]
    intact.index = intact.index.map(lambda key: (key[0], "" if pd.isna(key[1]) else key[1]))
    lesions = table[table["condition"] == "lesion"]
    for (selection, kind), own in lesions.groupby(["selection", "kind"], sort=False):
        random = table[
            (table["condition"] == "random")
            & (table["selection"] == selection)
            & (table["kind"] == kind)
        ]
        corpus = own[own["measure"] == "perplexity"].iloc[0]
        controls = random[random["measure"] == "perplexity"]["value"]
        text = (
            f"{name}, {network}: silencing {selection} ({int(corpus['k'])} units, {kind}) takes perplexity from "
            f"{_big(intact['perplexity', ''])} to {_big(corpus['value'])}"
        )
        if len(controls):
            spread = dict.fromkeys([_big(controls.min()), _big(controls.max())])
            text += f"; as many random units to {' to '.join(spread)}"
        if not pd.isna(corpus["p_random"]):
            text += f" ({_p(corpus['p_random'])} against their mean, {int(corpus['n'])} passages)"
        tasks = own[own["measure"] == "accuracy"]
        worse = tasks[tasks["q_random"] < ALPHA]
        if len(tasks):
            named = ", ".join(
                f"{row['task']} {_share(intact['accuracy', row['task']])} to {_share(row['value'])}"
                for _, row in worse.iterrows()
            )
            text += f". Tasks that differ from random lesions at q < {ALPHA}: {named or 'none'} (of {len(tasks)})"
        yield f"{text}."


def written_sentences(table: pd.DataFrame, name: str, network: str) -> Iterator[str]:
    """How many circuits write on a network more than chance."""
    tested = table[table["p"].notna()]
    if not len(tested):
        return
    above = tested[tested["q"] < ALPHA]
    yield (
        f"{name}: {len(above)} of {len(tested)} circuits write on the {NETWORK_NAMES.get(network, network)} network more than "
        f"random neurons of their layers do (q < {ALPHA}); median ratio {tested['ratio'].median():.2f}."
    )


def _big(value: float) -> str:
    """A perplexity in as many digits as it deserves."""
    return f"{value:,.1f}" if value < 1e3 else f"{value:,.0f}" if value < 1e6 else f"{value:.2g}"
