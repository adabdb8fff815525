"""Version of every method. Raise one when its numbers change: that reruns the method and no other.

Snakemake does not see changes in imported modules, so each stage carries its version in its rule's
``params`` and in the keys of the result store. Versions of a map's methods stand in its own ``__init__``.
"""

from __future__ import annotations

from brodmann.maps import what_maps_say

METHODS = {
    "weights": 1,  # what is fetched or converted, and how it is hashed
    "check": 2,  # the self-check of a model's unit mapping, and what its card says
    "items": 1,  # expansion of tasks to items
    "activations": 1,  # mean absolute activations, which random controls are matched in
    "unit_pages": 1,  # tokens that units promote, and where they are highest, for the atlas
    "network_agreement": 1,  # circuits, localized units and networks in common spaces
    "imports": 1,  # matrices of results-only models
    "average": 1,  # averages over models
    "granularity_statistics": 3,  # circuits of small and large units
    "experts": 1,  # circuits among the experts of mixtures
    "structure": 6,  # modularity, clustering, consistency, untrained controls
    "structure_function": 5,  # overlap against ablation
    "surface": 1,  # what prompts have in common
    "confounds": 1,  # the domain effect beside it
    "series": 1,  # what changes along checkpoints
    "compared": 1,  # maps of pairs of models
    "composition": 3,  # domains' units by depth
    "figures": 5,  # how tables are drawn
    "report": 8,  # the report page and the methods section
    "atlas": 3,  # the page of the maps, and its data
    "accuracy": 4,  # the accuracy table and heatmap
}
for _own in what_maps_say("METHODS").values():
    METHODS |= _own
