"""Functional localizers: units that respond more to one kind of text than to another, and lesions of them."""

# Versions (brodmann.methods).
METHODS = {
    "localizer": 1,  # responses to a localizer's texts, and their tests
    "localizer_selection": 1,  # which units are selected
    "written": 1,  # what neurons write on localized units
    "massive": 1,  # units of very large activations at first tokens
    "lesion": 1,  # perplexity and accuracy under lesions of selected units
    "lesion_effects": 3,  # their tables: intervals and tests
}

_NAMES = {"theory_of_mind": "theory of mind", "multiple_demand": "multiple demand"}


def localizer_name(network: str) -> str:
    """What texts and figures call a localizer."""
    return _NAMES.get(network, network)
