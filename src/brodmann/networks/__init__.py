"""Functional networks: independent components of a model's signals over texts."""

# Versions (brodmann.methods).
METHODS = {
    "networks": 4,  # signals and their decomposition
    "network_tables": 2,  # consistency, overlap, sizes and layers of networks
    "editing": 1,  # log-probabilities of texts and items under edits of networks
    "editing_effects": 3,  # their tables: metrics, intervals and tests
    "probing": 1,  # features of prompts, and what is read off them
    "following": 2,  # courses of networks over texts
    "driving": 2,  # the texts that drive a network
}
