"""``brodmann prune``: a smaller model of the neurons that belong to networks, and what it costs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.commands.common import chosen, number, open_model, positive, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import atomic_folder, write_json
from brodmann.stimuli.corpora import load_corpus
from brodmann.store.tables import write_table

if TYPE_CHECKING:
    from brodmann.runner.engine import Engine

SITE = "mlp_hidden"
COLUMNS = ("condition", "ratio", "seed", "removed", "perplexity", "word_perplexity")
_share = number("a share above 0 and below 1", lambda value: 0 < value < 1)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, model=True)
    add = parser.add_argument
    add("--ratio", type=_share, required=True, help="share of neurons to remove")
    add("--out", required=True, metavar="DIR", help="new or empty folder for the checkpoint")
    says = "of the config, or a source of texts (default corpus:encyclopedia)"
    add("--dataset", default="corpus:encyclopedia", help=says)
    add("--samples", type=positive, default=100, metavar="N", help="texts to read (default 100)")
    add(
        "--components",
        type=positive,
        default=10,
        metavar="K",
        help="networks per layer (default 10)",
    )
    add("--also", type=_share, nargs="*", default=[], help="more ratios, measured only")
    add("--seeds", type=int, nargs="*", default=[0], help="seeds of random prunings (default 0)")
    add("--whole-ends", action="store_true", help="keep the first 3 and last 2 layers")
    add(
        "--compensate", action="store_true", help="add removed means to biases, where there are any"
    )


def run(options: argparse.Namespace) -> int:
    """Save it; a line for each measurement."""
    study, name = chosen(options, domains=False)
    settings = study.networks
    known = settings.datasets.get(options.dataset)
    source = options.dataset if known is None else known.source
    if source.startswith("task:"):
        fix = "give a corpus, a file or a folder"
        raise UserError.at("--dataset", "a task's prompts are not text to prune by", fix)
    corpus = load_corpus(source, stimuli=settings.stimuli, seed=settings.seed)
    texts = corpus.require(options.samples).samples[: options.samples]
    for row in pruned(study, name, options, texts):
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "    "
        seed = f" seed {row['seed']}" if row.get("seed", "") != "" else ""
        print(
            f"{row['condition'] + seed:<16} {ratio}  {row['removed']:>8} neurons removed  "
            f"perplexity {row['perplexity']:.4g} (per word {row['word_perplexity']:.4g})",
            flush=True,
        )
    print(f"{options.out}: saved")
    return 0


def pruned(
    study: Study, name: str, wish: argparse.Namespace, texts: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rows of what it costs, each as soon as it is there; at last the checkpoint is in ``wish.out``.

    ``wish``: the options. ``texts``: those that networks are found in.
    """
    from brodmann.networks.pruning import kept_neurons, prune, random_kept

    out = Path(wish.out)
    _free(out)
    _writable(out)
    model, record = open_model(study, name, SITE)
    from brodmann.runner.engine import Engine

    engine = Engine(model, study.execution.batch_tokens)
    networks = _networks(study, engine, texts, wish.components)
    height = np.abs(networks.maps).max(0)
    others = [ratio for ratio in dict.fromkeys(wish.also) if ratio != wish.ratio]
    ends = wish.whole_ends
    kept = {r: kept_neurons(height, r, whole_ends=ends) for r in (*others, wish.ratio)}
    score = _Perplexity(study, engine)
    rows = [{"condition": "intact", "removed": 0, **score(None, None)}]
    yield rows[-1]
    means = networks.mean if wish.compensate else None
    for ratio, own in kept.items():
        drawn = [("random", seed, random_kept(own, seed)) for seed in wish.seeds]
        for condition, seed, stay in [("networks", "", own), *drawn]:
            row = {"condition": condition, "ratio": ratio, "seed": seed}
            rows.append({**row, "removed": int((~stay).sum()), **score(~stay, means)})
            yield rows[-1]
    final = kept[wish.ratio]
    smaller = prune(model, final, means)
    facts = {
        "model": name,
        "source": study.model(name).source,
        "weights": record.weights_hash,
        "ratio": wish.ratio,
        "smaller": smaller,
        "neurons_per_layer": final.sum(1).tolist(),
        # |z| of the last neuron that stays: what the ratio came to.
        "thresholds": [float(z[stay].min()) for z, stay in zip(height, final, strict=True)],
        "in_a_network": int(networks.members.any(0).sum()),
        "whole_ends": ends,
        "compensated": wish.compensate,
    }
    _save(model, out, facts, rows)


def _free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError.at(str(folder), "is there already", "choose a new or empty folder")


def _writable(folder: Path) -> None:
    """Refuse a place where no folder can be made; nothing is left of the attempt."""
    above = folder.resolve().parent
    missing = [place for place in (above, *above.parents) if not place.exists()]
    made: list[Path] = []
    try:
        for place in reversed(missing):
            place.mkdir()
            made.append(place)
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=above).cleanup()
    except OSError as error:
        raise UserError.at(str(folder), f"cannot be written: {error.strerror}") from None
    finally:
        for place in reversed(made):
            place.rmdir()


def _networks(study: Study, engine: Engine, texts: Sequence[str], components: int) -> Any:
    from brodmann.networks.decompose import decompose
    from brodmann.networks.extraction import Extractor
    from brodmann.runner.texts import encode_texts

    settings = study.networks
    rows = encode_texts(engine.model.tokenizer, texts, truncate=settings.max_tokens)
    extractor = Extractor(engine.model, site=SITE, engine=engine)
    with (
        tempfile.TemporaryDirectory(prefix="brodmann-") as folder,
        extractor.concatenated(rows, folder) as signals,
    ):
        return decompose(
            signals,
            components,
            method=settings.method,
            scope="layer",
            restarts=settings.restarts,
            seed=settings.seed,
            quiet=True,
        )


class _Perplexity:
    """Of the editing corpus, with some neurons inhibited or held at their means."""

    def __init__(self, study: Study, engine: Engine) -> None:
        from brodmann.runner.perplexity import passage_queries
        from brodmann.runner.repeated import Scored
        from brodmann.stimuli.texts import read_passages

        editing = study.networks.use.editing
        self.model = engine.model
        self.passages = read_passages(editing.corpus)[: editing.passages]
        self.queries = passage_queries(self.model.tokenizer, self.passages)
        self.scored = Scored(engine, self.queries)

    def __call__(self, removed: np.ndarray | None, means: np.ndarray | None) -> dict[str, float]:
        from brodmann.runner.edits import edited
        from brodmann.runner.perplexity import Passages

        units = removed if removed is not None else []
        how = "inhibit" if means is None or removed is None else "hold"
        floor = 0 if removed is None else int(np.argmax(removed.any(1)))
        with edited(self.model, units, how, means if how == "hold" else None, site=SITE):
            values = self.scored.log_probabilities(floor)
        found = Passages.of(self.passages, self.queries, values)
        return {"perplexity": found.perplexity, "word_perplexity": found.word_perplexity}


def _save(model: Any, folder: Path, facts: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """All or nothing: the folder appears when it is complete."""
    folder = folder.resolve()
    try:
        with atomic_folder(folder) as staging:
            model.hf.save_pretrained(staging)
            model.tokenizer.save_pretrained(staging)
            write_json(staging / "pruning.json", facts)
            write_table(staging / "pruning.csv", rows, COLUMNS)
            _free(folder)  # as it was before the work began
    except OSError as error:
        raise UserError.at(str(folder), f"cannot be written: {error.strerror}") from None
