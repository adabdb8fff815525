"""Sentences on localized networks: how many units respond, what their lesions cost, what circuits write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.figures.localizer import NETWORK_NAMES
from brodmann.report.story.findings import ALPHA
from brodmann.report.story.wording import big, draws_text, listed, p_text, share

# What networks respond more to, and less to.
CONTRASTS = {
    "language": ("sentences", "lists of non-words"),
    "theory_of_mind": ("stories about false beliefs", "stories about false photographs"),
    "multiple_demand": ("hard problems", "easy ones"),
}
_OTHER = ("the positive texts", "the negative ones")


def responding_sentence(t: np.ndarray, p_fdr: np.ndarray, name: str, network: str) -> str:
    """How many units pass the false discovery rate. ``t``, ``p_fdr``: [layers, units]."""
    passed = int(((p_fdr < ALPHA) & (t > 0)).sum())
    more, less = CONTRASTS.get(network, _OTHER)
    return (
        f"{name}: {passed:,} of {t.size:,} units respond more to {more} than to {less} (Welch's t, q < {ALPHA} over all "
        "units)."
    )


@dataclass(frozen=True)
class Lesion:
    """One size and kind of a network's lesion, beside the intact model and the random lesions."""

    corpus: pd.Series  # the row of the corpus's perplexity
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
            corpus, none = of["lesion", "perplexity"].iloc[0], rows.iloc[:0]
            random = of.get(("random", "perplexity"), none)["value"]
            yield cls(corpus, of.get(("lesion", "accuracy"), none), random, values)


def lesion_sentences(table: pd.DataFrame, name: str, network: str) -> Iterator[str]:
    """What silencing a network costs, beside random units: the corpus, then each task that suffers."""
    for lesion in Lesion.all_of(table):
        corpus, tasks, intact = lesion.corpus, lesion.tasks, lesion.intact
        text = (
            f"{name}, {NETWORK_NAMES.get(network, network)}: silencing {corpus['selection']} ({int(corpus['k'])} units, "
            f"{corpus['kind']}) takes perplexity from {big(intact['perplexity', ''])} to {big(corpus['value'])}"
        )
        if len(lesion.random):
            text += f"; as many random units to {draws_text(lesion.random)}"
        text += _tested(corpus)
        if len(tasks):
            named = ", ".join(
                f"{row['task']} {share(intact['accuracy', row['task']])} to {share(row['value'])}"
                for _, row in tasks[tasks["q_random"] < ALPHA].iterrows()
            )
            text += f". Tasks that differ from random lesions at q < {ALPHA}: {named or 'none'} (of {len(tasks)})"
        yield f"{text}."


def _tested(corpus: pd.Series) -> str:
    """The test against the random draws' mean; a p that could not be smaller is said to be so."""
    if pd.isna(corpus["p_random"]):
        return ""
    n, p = int(corpus["n"]), float(corpus["p_random"])
    # Two-sided signed ranks: of 2^n sign patterns the two most extreme.
    least = f" (the smallest that {n} passages can give)" if np.isclose(p, 2.0 ** (1 - n)) else ""
    q = "" if pd.isna(corpus["q_random"]) else f", {p_text(corpus['q_random'], 'q')}"
    of = "" if least else f", {n} passages"
    return f"; lesion against these draws {p_text(p)}{least}{q}{of}"


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


def contrasts_text(networks: tuple[str, ...]) -> str:
    """The kinds of texts that the networks of a study are localized by."""
    return listed(" against ".join(CONTRASTS.get(network, _OTHER)) for network in networks)
