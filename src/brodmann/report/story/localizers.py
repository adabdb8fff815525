"""Sentences on localized networks: how many units respond, what their lesions cost, what circuits write."""

from __future__ import annotations

from collections.abc import Iterator

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
            f"{big(intact['perplexity', ''])} to {big(corpus['value'])}"
        )
        if len(controls):
            text += f"; as many random units to {draws_text(controls)}"
        text += _tested(corpus)
        tasks = own[own["measure"] == "accuracy"]
        worse = tasks[tasks["q_random"] < ALPHA]
        if len(tasks):
            named = ", ".join(
                f"{row['task']} {share(intact['accuracy', row['task']])} to {share(row['value'])}"
                for _, row in worse.iterrows()
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
