"""The part of the methods section that is about localizers."""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.config.localizer import LEAST_SELECTIVE, MOST_SELECTIVE, LocalizerSettings
from brodmann.config.study import Study
from brodmann.report.story.wording import listed, numbered
from brodmann.sites import SITES

_CONTRASTS = {
    "language": "sentences against lists of non-words [@fedorenko2010new]",
    "theory_of_mind": "stories about false beliefs against stories about false photographs [@dodellfeder2011fmri]",
    "multiple_demand": "hard against easy problems [@fedorenko2013broad]",
}
_NAMES = {
    "language": "language",
    "theory_of_mind": "theory-of-mind",
    "multiple_demand": "multiple-demand",
}
_POOLED = {
    "last-token": "at the last token",
    "mean": "averaged over tokens",
    "sum": "summed over tokens",
}
_KINDS = {"zero": "at zero", "mean": "at their mean over the localizer's texts"}


def localizers_text(
    study: Study, texts: Mapping[str, tuple[int, int]], passages: int | None
) -> list[str]:
    """``texts``: network -> number of positive and negative texts; ``passages``: of the corpus."""
    settings = study.localizer
    if not settings.networks:
        return []
    parts = [_found(settings, texts), _selected(settings), _lesioned(settings, passages)]
    if SITES[settings.site].residual and "neurons" in study.attribution.components:
        parts.append(
            "How much circuits write on a network is the share of the squared length of the circuit's write vectors "
            "(columns of the MLP's output projection, main size) that lies on the network's units in the output of the same "
            "layer, against 1,000 draws of as many random neurons of the same layers (one-sided)."
        )
    return ["## Localizers", " ".join(parts)]


def _found(settings: LocalizerSettings, texts: Mapping[str, tuple[int, int]]) -> str:
    contrasts = []
    for network in settings.networks:
        numbers = texts.get(network)
        counted = f" ({numbers[0]} and {numbers[1]} texts" if numbers else " ("
        pooled = _POOLED[settings.pooling[network]]
        limit = settings.truncate[network]
        cut = f" of the first {limit}" if limit and pooled == _POOLED["last-token"] else ""
        cut = f", {limit} tokens read" if limit and not cut else cut
        how = f"{counted}{', ' if numbers else ''}{pooled}{cut})"
        contrasts.append(
            f"the {_NAMES.get(network, network)} network by {_CONTRASTS.get(network, network)}{how}"
        )
    return (
        f"Following [@alkhamissi2025llm], units were localized among the {SITES[settings.site].label}: {'; '.join(contrasts)}. "
        "A unit's response is the absolute value of its activation; positive were compared with negative texts by Welch's t "
        "[@welch1947generalization], with false discovery rates over all units of a network [@benjamini1995controlling]."
    )


def _selected(settings: LocalizerSettings) -> str:
    sizes = listed(
        f"{size.number} units" if size.percentage is None else f"{size.percentage:g} %"
        for size in settings.all_sizes
    )
    sizes += "" if settings.all_sizes[-1].percentage is None else " of all units"
    which = {
        MOST_SELECTIVE: "with the highest t",
        LEAST_SELECTIVE: "with the lowest t",
    }.get(
        settings.range,
        f"drawn at random between percentiles {settings.range.replace('-', ' and ')} of t (seed {settings.seed})",
    )
    return f"Networks are the {sizes} {which}."


def _lesioned(settings: LocalizerSettings, passages: int | None) -> str:
    lesion = settings.lesion
    held = listed(_KINDS[kind] for kind in lesion.kinds)
    corpus = "a corpus of prose" if passages is None else f"{passages} passages of prose"
    text = f"To lesion a network its units were held {held} at every position, in every layer. The perplexity (per token) of {corpus}"
    if lesion.tasks:
        text += f" and the accuracy on {len(lesion.tasks)} tasks (at most {lesion.items} items each) were"
    else:
        text += " was"
    text += " compared with the intact model"
    if lesion.seeds:
        text += (
            f" and with lesions of as many random other units ({numbered('seed', lesion.seeds)})"
        )
    tests = "Wilcoxon's signed ranks over passages"
    if lesion.tasks:
        tests += ", exact sign tests over items"
    return (
        f"{text}: {tests}, two-sided, with false discovery rates over a network's table. Intervals are from resampled passages"
        + (" and Wilson's for accuracies." if lesion.tasks else ".")
    )
