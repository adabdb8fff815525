"""Version of every method. Raise one when its numbers change: that reruns the method and no other.

Snakemake does not see changes in imported modules, so each stage carries its version in its rule's
``params`` and in the keys of the result store. Nothing heavy is imported here.
"""

from __future__ import annotations

METHODS = {
    "weights": 1,  # what is fetched or converted, and how it is hashed
    "check": 2,  # the self-check of a model's unit mapping, and what its card says
    "items": 1,  # expansion of tasks to items
    "baseline": 1,  # log-probabilities of the answers
    "inclusion": 2,  # what is computed from them: shares, baselines, decision
    "attribution": 1,  # attributions and their replicates
    "agreement": 1,  # comparison of the estimators
    "masks": 1,  # which units make a circuit
    "overlap": 1,  # overlap, its reliability and intervals
    "ablation": 1,  # log-probabilities under lesions, and their tables
    "localizer": 1,  # responses to a localizer's texts, and their tests
    "localizer_selection": 1,  # which units are selected
    "written": 1,  # what neurons write on localized units
    "lesion": 1,  # perplexity and accuracy under lesions of selected units
    "lesion_effects": 2,  # their tables: intervals and tests
    "networks": 3,  # signals and their decomposition
    "network_tables": 2,  # consistency, overlap, sizes and layers of networks
    "editing": 1,  # log-probabilities of texts and items under edits of networks
    "editing_effects": 2,  # their tables: metrics, intervals and tests
    "probing": 1,  # features of prompts, and what is read off them
    "following": 2,  # courses of networks over texts
    "network_agreement": 1,  # circuits, localized units and networks in common spaces
    "forecast": 1,  # first-order forecast of ablations
    "imports": 1,  # matrices of results-only models
    "average": 1,  # averages over models
    "structure": 3,  # modularity, clustering, consistency
    "structure_function": 3,  # overlap against ablation
    "surface": 1,  # what prompts have in common
    "confounds": 1,  # the domain effect beside it
    "composition": 2,  # domains' units by depth
    "figures": 3,  # how tables are drawn
    "report": 2,  # the report page and the methods section
    "accuracy": 3,  # the accuracy table and heatmap
}
