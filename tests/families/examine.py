"""What becomes of one family: built tiny, saved as a user's folder, and taken through every stage.

What works agrees with plain transformers, one text at a time: answers' log-probabilities, attributions and
ablations of every kind of unit that the self-check proves, activations that localizers pool and networks
decompose.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from families.build import FAMILIES, tiny
from families.outcome import FAILS, FALLBACK, NOT_BUILT, PART, REFUSED, WORKS, Outcome
from naive_circuits import agrees, items, scores_agree
from naive_sites import naive_activations
from rounding import assert_same
from tiny_models import tiny_tokenizer

from brodmann.errors import UserError, one_line
from brodmann.localizers.selectivity import measure
from brodmann.models.load import LoadedModel, load_model
from brodmann.models.selfcheck import self_check
from brodmann.models.wanted import Need
from brodmann.networks.extraction import Extractor
from brodmann.runner.activations import Activations
from brodmann.runner.context import Reader
from brodmann.runner.engine import Engine
from brodmann.runner.texts import encode_texts

_POSITIVE = ["the cat sat", "a dog", "no cow is up", "rain fell all day"]
_NEGATIVE = ["blick dax", "wug fep toma", "zib", "tove mim rath"]
# As studies ask for them: component -> what circuits of it need.
_CIRCUITS = {
    "neurons": Need("mlp_hidden", "attribution.components", {"[heads]": "heads"}),
    "heads": Need("heads", "attribution.components", {"[neurons]": "mlp_hidden"}),
}
_LONGEST_LINE = 300


def examine(family: str) -> Outcome:
    """Takes seconds, and changes the process (transformers' messages, torch's threads)."""
    kind = FAMILIES[family]
    with tempfile.TemporaryDirectory() as folder:
        try:
            _save(family, Path(folder))
        except Exception as error:  # a family's code, and the recipe, may fail in any way
            return Outcome(family, kind, NOT_BUILT, line=_said(error))
        sites: tuple[str, ...] = ()
        try:
            model = load_model(folder, name="m", wanted=())
            sites = tuple(self_check(model, ()).widths)
            _maps_agree(model, sites)
            without = {}
            for component, need in _CIRCUITS.items():
                if line := _refusal(model, need):
                    without[component] = line
                else:
                    without[component] = _compared(model, component)
            without = {component: line for component, line in without.items() if line}
            how = _fallback(model)
            status = PART if len(without) == len(_CIRCUITS) else FALLBACK if how else WORKS
            return Outcome(family, kind, status, sites, how, without)
        except UserError as error:
            line = str(error.problems[0]).replace(folder, "FOLDER")
            return Outcome(family, kind, REFUSED, sites, line)
        except AssertionError as error:
            line = f"its numbers are not those of plain transformers: {_said(error)}"
            return Outcome(family, kind, FAILS, sites, line)
        except Exception as error:  # what must not be, and is to be seen
            return Outcome(family, kind, FAILS, sites, _said(error))


def _save(family: str, folder: Path) -> None:
    """A tiny model, which runs, and a tokenizer for it."""
    hf = tiny(family)
    with torch.no_grad():
        logits = hf(input_ids=torch.arange(5, 13)[None]).logits
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("its logits are not finite")
    hf.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def _said(error: Exception) -> str:
    """The first line of an error, with its kind."""
    text = one_line(str(error))
    text = text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _refusal(model: LoadedModel, need: Need) -> str:
    """The line that refuses circuits which need a site; nothing where they work."""
    try:
        self_check(model, (need,))
    except UserError as error:
        return str(error.problems[0])
    return ""


def _compared(model: LoadedModel, component: str) -> str:
    """Why circuits cannot be held against plain transformers; nothing where they agree."""
    try:
        agrees(model, items(), component)
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        return "not compared: the family changes activations in place, and no gradient goes through that"
    return ""


def _maps_agree(model: LoadedModel, sites: Collection[str]) -> None:
    """Baseline, localizer and the signals of networks against plain transformers."""
    scores_agree(model, items())
    positive, negative = (encode_texts(model.tokenizer, own) for own in (_POSITIVE, _NEGATIVE))
    activations = Activations(model, site="block_output")
    found = measure(activations, positive, negative, "last-token")
    assert np.isfinite(found.t).all() and np.abs(found.t).max() > 1
    whole = {row: naive_activations(model, row, "block_output") for row in positive}
    assert_same(activations.means(positive), np.mean([own.mean(1) for own in whole.values()], 0))
    site = "mlp_output" if "mlp_output" in sites else "block_output"
    signals = dict(Extractor(model, site=site).runs(positive))
    there = [layer for layer in range(model.n_layers) if model.has(site, layer)]
    for number, row in enumerate(positive):
        expected = naive_activations(model, row, site)[there]
        assert_same(signals[number], expected.transpose(0, 1).reshape(len(row), -1))


def _fallback(model: LoadedModel) -> str:
    """How a model is run that takes no packs, and why; nothing if it takes them."""
    refusal = Engine(model).refusal
    if not refusal:
        return ""
    how = "rows with a KV cache" if Reader(model).caches else "every row whole"
    return f"{how}, as {refusal}"
