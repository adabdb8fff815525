"""The part of the methods section that is about functional networks."""

from __future__ import annotations

from brodmann.config.network_use import NetworkUse
from brodmann.config.networks import (
    FILE,
    IDENTIFIED_ONLY,
    Dataset,
    NetworkSettings,
    keeps_signs,
    source_kind,
)
from brodmann.config.study import Study
from brodmann.networks.maps import IDENTIFIED
from brodmann.networks.stages.decomposition import INDIVIDUAL_RESTARTS
from brodmann.report.story.wording import listed, numbered
from brodmann.sites import SITES

_METHODS = {
    "canica": "spatial independent component analysis of the {k} leading right singular vectors (CanICA "
    "[@varoquaux2010group]; fixed-point iteration [@hyvarinen1999fast], cube nonlinearity)",
    "fastica": "temporal independent component analysis in {k} dimensions (FastICA [@hyvarinen1999fast], logcosh "
    "nonlinearity), the columns of the mixing matrix being the maps",
    "dictionary": "dictionary learning [@mairal2009online] with {k} sparse maps",
}
_SCOPES = {
    "all": "all layers together",
    "layer": "every layer by itself",
    "window": "windows of {window} neighbouring layers by themselves",
}


def networks_text(study: Study) -> list[str]:
    """What was decomposed, how, and what was done with it; nothing without datasets or models."""
    settings = study.networks
    if not study.network_models or not settings.names:
        return []
    parts = [_signals(study), _decomposed(settings), _compared(settings), _used(settings.use)]
    return ["## Functional networks", " ".join(part for part in parts if part)]


def _signals(study: Study) -> str:
    settings = study.networks
    layers = "all layers" if settings.layers is None else numbered("layer", settings.layers)
    first = " The first token of a sample was left out." if settings.drop_first else ""
    scaled = "standardised" if settings.zscore else "centred"
    scaled += " over the tokens of what was decomposed" + (
        ", and every token to length 1" if settings.row_norm else ""
    )
    return (
        f"Following [@liu2025brain], the {SITES[settings.site].label} of {layers} were recorded in "
        f"{listed(study.network_models)} at every token of the first {settings.max_tokens} of each sample of "
        f"{listed(_named(dataset) for dataset in settings.datasets.values())}.{first} Signals were {scaled}."
    )


def _named(dataset: Dataset) -> str:
    place = dataset.shown if dataset.kind == FILE else source_kind(dataset.source)[1]
    return f"{dataset.name} ({'prompts of ' if dataset.task else ''}{place})"


def _decomposed(settings: NetworkSettings) -> str:
    starts = "1 start" if settings.restarts == 1 else f"{settings.restarts} starts"
    method = _METHODS[settings.method].format(k=settings.group_components)
    scope = _SCOPES[settings.scope].format(window=settings.window)
    ordered = (
        " and ordered by explained variance, signs as they came"
        if keeps_signs(settings.method, settings.side)
        else ", ordered by explained variance and signed by their peak"
    )
    text = (
        f"{settings.group_samples} samples of a dataset, concatenated, were decomposed over {scope} by {method}, from {starts} "
        f"(seed {settings.seed}). Maps were standardised over units{ordered}; a "
        f"unit belongs to a network if {settings.compared} > {settings.threshold:g}."
    )
    if settings.individual_samples:
        text += (
            f" {settings.individual_samples} other samples were decomposed one by one into at most "
            f"{settings.individual_components} networks each, from {INDIVIDUAL_RESTARTS} starts."
        )
        if settings.individual_kept == IDENTIFIED_ONLY:
            text += (
                f" Counted were those whose mean absolute correlation with their counterparts from other starts was at least "
                f"{IDENTIFIED:g}."
            )
    return text


def _compared(settings: NetworkSettings) -> str:
    text = ""
    if settings.individual_samples:
        text = (
            "The consistency of a group network is the number of networks of single samples whose intersection over union "
            f"with it is above {settings.iou_threshold:g}. "
        )
    if len(settings.names) > 1:
        text += "Networks of different datasets were compared in the same way."
    return text.rstrip()


def _used(use: NetworkUse) -> str:
    editing = use.editing
    edits = [
        {
            "inhibit": "set to 0",
            "multiply": f"multiplied by {amount or 0:g}",
            "add": f"raised by {amount or 0:g}",
        }[how]
        for how, amount in editing.edits
    ]
    parts = []
    if edits:
        measured = "the perplexity of a corpus"
        if editing.tasks:
            measured += f" and the accuracy on {len(editing.tasks)} tasks (at most {editing.items} items each)"
        which = (
            "each network by itself, and sets of them," if editing.networks else "sets of networks"
        )
        parts.append(
            f"Units of {which} were {listed(edits)} at every position, and {measured} measured"
        )
        if editing.seeds:
            parts[-1] += f", beside as many random other units ({numbered('seed', editing.seeds)})"
        tests = "Wilcoxon's signed ranks over passages" + (
            ", exact sign tests over choices" if editing.tasks else ""
        )
        parts[-1] += (
            f": {tests}, two-sided, with false discovery rates over the table [@benjamini1995controlling]."
        )
    if use.probing.tasks:
        parts.append(
            f"Logistic regressions on the last layer's features at the last token read off answers and domains "
            f"({use.probing.folds}-fold cross-validation, seed {use.probing.seed})."
        )
    return " ".join(parts)
