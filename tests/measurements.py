"""Everything that brodmann measures of a model, in numbers: to hold one way of running it against another."""

import numpy as np
from example_items import ITEMS, SINGLE

from brodmann.circuits.ablation import KINDS, Ablator, Lesion
from brodmann.circuits.attribution import Attributor
from brodmann.circuits.estimators.atp_star import AtpStar
from brodmann.circuits.estimators.inputs import InputGradients
from brodmann.circuits.estimators.integrated import Integrated
from brodmann.circuits.estimators.relp import Relp, RelpAttention
from brodmann.localizers.lesion import lesion
from brodmann.localizers.selectivity import measure
from brodmann.networks.extraction import Extractor
from brodmann.runner.activations import Activations
from brodmann.runner.answers import score_items
from brodmann.runner.lens import directions, lens
from brodmann.runner.peaks import Watch
from brodmann.runner.scoring import Scorer
from brodmann.runner.writing import written_share


def baseline(model):
    scorer = Scorer(model)
    both = [score_items("language/t", items, scorer) for items in (ITEMS, SINGLE)]
    return [column for found in both for column in found.log_probs.values()]


def contributions(attributor):
    parts = attributor.contributions("language/t", ITEMS)
    return [values for part in parts for values in part.values.values()]


def attribution(model):
    return contributions(Attributor(model, components=("neurons", "heads")))


def integrated(model):
    return contributions(Attributor(model, estimator=Integrated(3)))


def relevance(model):
    return contributions(Attributor(model, components=("neurons", "heads"), estimator=Relp()))


def at_all_tokens(model):
    attributors = [
        Attributor(model, components=("neurons", "heads"), estimator=estimator, positions="all")
        for estimator in (RelpAttention(), AtpStar())
    ]
    return [values for attributor in attributors for values in contributions(attributor)]


def inputs(model):
    """Not of a model that several processes share."""
    return contributions(Attributor(model, estimator=InputGradients(2)))


def exact(model):
    units = [(0, 1), (1, 2), (1, 3), (2, 0)]
    components = ("neurons", "heads")
    attributor = Attributor(model, components=components)
    return [attributor.exact_effects(ITEMS, component, units) for component in components]


def ablation(model):
    found = []
    for component, width in (("neurons", model.neurons_per_layer), ("heads", 4)):
        ablator = Ablator(model, component=component)
        lesions = [Lesion.of(units, width) for units in ([], [1, 3, width + 2], [2 * width + 1])]
        means = ablator.mean_activations(ITEMS)
        found += [ablator.scores(ITEMS, lesions, kind, means) for kind in KINDS]
    return found


def localizer(model):
    found = measure(
        Activations(model), [i.clean for i in ITEMS], [i.corrupted for i in ITEMS], "mean"
    )
    return [found.t, found.p]


def lesions(model):
    found = []
    for site in ("block_output", "mlp_output", "mlp_hidden"):
        with lesion(model, [(0, 1), (2, 3)], site=site):
            found += baseline(model)
    return found


def written(model):
    return [written_share(model, [(0, 1), (0, 2), (2, 3)])]


def pages(model):
    """What units promote, and where they are highest."""
    units = {"mlp_hidden": [(0, 1), (2, 3)], "heads": [(1, 2), (0, 3)], "mlp_output": [(1, 5)]}
    found = []
    for site, own in units.items():
        vectors, shares = directions(model, site, own)
        raised = lens(model, vectors, 5)
        found += [vectors, shares, raised.raised_by, raised.lowered_by]
    rows = [item.clean for item in ITEMS]
    watch = Watch(model, units, [np.arange(len(row)) > 0 for row in rows], 3)
    found += [values for _, values in sorted(Extractor(model).runs(rows, watch=watch))]
    return [*found, *(own.high for own in watch.peaks().values())]


MEASUREMENTS = (
    *(baseline, attribution, integrated, relevance, at_all_tokens, exact, ablation),
    *(localizer, lesions, written, pages),
)
