"""Whoever imports this has what every pass imports until its model is loaded: seconds, most of them of
transformers. For a process that forks passes."""

from brodmann.models.startup import import_model_code

import_model_code()  # first: others import parts of the same the long way

from brodmann.models import view  # noqa: E402, F401
from brodmann.runner import activations, encode, engine, scoring, texts  # noqa: E402, F401
