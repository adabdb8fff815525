"""Makes ``tests/golden/kept``: the records of a study on a tiny model, and what its passes read and wrote.

    python tests/golden/make.py                      computes what is missing, keeps every record there is
    python tests/golden/make.py networks network_use   computes these stages anew

``tests/workflow/test_old_results.py`` holds the present code against them. They stand for what users have on
their disks, so they are made anew only after a change that is meant to cost users a run: a method's version
was raised (name its stage, and those that depend on its numbers), or a stage is new. (The stages from
``networks`` on: after a change of the decomposition. ``--weights`` draws another model, and so everything.)

The golden keys have a test of their own, which writes them: ``BRODMANN_GOLDEN=write``, test_golden_keys.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clone import own_cache
from golden.study import (
    KEPT,
    MODEL,
    READ,
    STAGES,
    STORE,
    STUDY,
    TARGETS,
    copy,
    copy_kept,
    records,
    set_up_study,
)


def main() -> None:
    options = _options()
    if options.weights:
        _draw_weights()
    again = STAGES if options.weights else tuple(options.stages)
    kept = tuple(s for s in STAGES if s not in again and (KEPT / STORE / s).is_dir())
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="brodmann-golden-") as folder:
        clone = set_up_study(Path(folder) / "clone")
        results = clone.path / "results"
        copy_kept(results, records(kept))
        with own_cache(Path(folder) / "cache"):
            clone.snakemake(*TARGETS)
        for entry in clone.ledger(MODEL):
            print(f"{entry['stage']}: {entry['model_loads']} model loads")
        shutil.rmtree(KEPT, ignore_errors=True)
        written = (results / STORE / f"{stage}.json" for stage in STAGES)
        manifests = (f"{STORE}/{path.name}" for path in written if path.is_file())
        for name in (*READ, *records(), *manifests):
            copy(results / name, KEPT / name)
    size = sum(path.stat().st_size for path in KEPT.rglob("*") if path.is_file())
    print(f"{KEPT}: {size / 1000:.0f} kB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "stages", nargs="*", choices=[*STAGES, []], metavar="STAGE", help="computed anew"
    )
    parser.add_argument("--weights", action="store_true", help="another model, and so everything")
    return parser.parse_args()


def _draw_weights() -> None:
    """A Llama of two layers. Its weights are wide enough for the tasks to have a contrast."""
    import torch
    import transformers
    from tiny_models import VOCABULARY, tiny_tokenizer

    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(SEED)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.3)
    folder = STUDY / "weights"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


SEED = 3  # under which both tasks and both lists of items have a contrast

if __name__ == "__main__":
    main()
