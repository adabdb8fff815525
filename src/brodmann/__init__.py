"""brodmann: functional maps of language models, from circuits to localizers to networks.

The package follows the data's way: ``config`` (what to do) -> ``models`` and ``tasks`` (on what) ->
``circuits`` (which units) -> ``analysis`` -> ``figures``; ``pipeline`` is the only layer that knows
Snakemake. Importing ``brodmann`` itself imports nothing heavy, so that light jobs start at once.
"""

__version__ = "0.1.0"
