"""Model stages: fetch the weights (submitting host), then load once and prove the unit mapping."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brodmann.config.models import ModelEntry
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest, write_json
from brodmann.methods import METHODS
from brodmann.models import used_sites as sites
from brodmann.models.cache import Cache
from brodmann.models.card import ModelCard
from brodmann.models.precision import NARROW
from brodmann.models.sources import WeightsRecord, fetch
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import resolved_format
from brodmann.sites import SITES
from brodmann.store import ledger
from brodmann.store.progress import Stopwatch
from brodmann.store.store import Store

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel

log = logging.getLogger(__name__)


def fetch_weights(study: Study, name: str, output: str) -> None:
    """Rule ``fetch_model``: weights into the cache, their record into ``output``."""
    record = fetch(study.model(name), Cache(study.execution.cache))
    log.info("%s: %s, weights %s", name, record.resolved, record.weights_hash[:12])
    write_json(output, record.to_json())


def check_model(
    study: Study, name: str, *, record_file: str, store: str, output: str, threads: int
) -> None:
    """Rule ``check_model``: write ``model.json``; the model is loaded only if the check is not stored."""
    entry = study.model(name)
    record = WeightsRecord.read(record_file)
    basis = {
        "stage": "check",
        "weights": record.weights_hash,
        "tokenizer": record.tokenizer_hash,
        "loading": entry.loading_settings(),
    }
    key = digest({**basis, "method": METHODS["check"]})
    with Store(Path(store) / "check") as checks:
        payload = checks.get(key) or _of_version_1(checks, basis)
        if payload is None or not _suffices(json.loads(payload), study, name):
            watch = Stopwatch()
            payload = canonical_json(_inspect(study, name, record, threads))
            checks.put(key, payload)
            ledger.enter(
                store, stage="check", model_loads=1, computed=[name], seconds=watch.seconds
            )
        else:
            log.info("%s: self-check found in the store, the model is not loaded", name)
            ledger.enter(store, stage="check", model_loads=0, reused=[name])
        checks.consolidate()
    # Read back in both cases: a card is the same, byte for byte, whether the check was found or made.
    facts = json.loads(payload)
    sites.refuse_layers_of_experts(study, name, facts.get("experts"))
    _card(entry, record, facts).write(output, facts["metadata"])


def _suffices(facts: dict[str, Any], study: Study, name: str) -> bool:
    """Whether a stored check says all that a study asks.

    What another study did without is checked again, and refused if it still fails.
    """
    proved, known = facts["self_check"]["widths"], facts.get("massive") or {}
    sought = set(sites.without_massive(study, name))
    return set(sites.sites(study, name)) <= set(proved) and sought <= set(known)


def _of_version_1(checks: Store, basis: dict[str, Any]) -> bytes | None:
    """The record of the check's first version, which stands for all models but those of narrow dtypes."""
    payload = checks.get(digest({**basis, "method": 1}))
    return None if payload is None or json.loads(payload)["dtype"] in NARROW else payload


def _inspect(study: Study, name: str, record: WeightsRecord, threads: int) -> dict[str, Any]:
    """Load the model, run the self-check, and note what later jobs want to know about it."""
    # The check says what is missing: it knows which sites work instead.
    model = load(study, name, record, threads, wanted=())
    import torch

    from brodmann.models.head import dtype_name
    from brodmann.models.selfcheck import self_check
    from brodmann.runner.context import cache_works
    from brodmann.runner.massive import massive_of
    from brodmann.runner.pack_trial import refusal

    outcome = self_check(model, sites.needs(study, name))
    if left_out := [site for site in SITES if site not in outcome.widths]:
        log.info("%s: not proved, as the study does not use it: %s", name, ", ".join(left_out))
    with torch.inference_mode():
        logits = model.hf(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device)).logits
    config = model.hf.config.get_text_config()
    reason, looked_at = refusal(model), sites.looked_at(study, name)
    return {
        "dtype": dtype_name(model.hf.dtype),
        "logits": dtype_name(logits.dtype),
        "n_parameters": model.n_parameters,
        "n_layers": model.n_layers,
        "hidden_size": model.hidden_size,
        # 0 where there are none that could be addressed.
        "neurons_per_layer": outcome.widths.get("mlp_hidden", 0),
        "heads_per_layer": model.heads_per_layer if "heads" in outcome.widths else 0,
        "head_dim": model.head_dim if "heads" in outcome.widths else 0,
        "vocabulary_size": config.vocab_size,
        "has_chat_template": model.tokenizer.chat_template is not None,
        "architecture": asdict(model.architecture),
        "self_check": asdict(outcome),
        # Whether what rows begin with is read once, if they do not run as packs.
        "packs": {
            **{"taken": not reason, "reason": reason},
            **({"shares": cache_works(model)} if reason else {}),
        },
        **_experts(model, outcome.widths),
        **({"text_of": model.text_of} if model.text_of else {}),
        **({"quantised": model.quantised.facts()} if model.quantised else {}),
        **_absent(model, outcome.widths),
        "massive": massive_of(model, [site for site in looked_at if site in outcome.widths]),
        "metadata": {**software(), "device": str(model.device)},
    }


def _experts(model: LoadedModel, proved: Collection[str]) -> dict[str, Any]:
    """Whose the neurons are; nothing of a model whose neurons are not experts'."""
    own = model.experts
    return {} if own is None or "mlp_hidden" not in proved else {"experts": own.facts()}


def _absent(model: LoadedModel, proved: Collection[str]) -> dict[str, Any]:
    """Which layers do not have a site that others have; nothing where all blocks are alike."""
    found = {site: list(own) for site, own in model.absent.items() if site in proved}
    return {"absent": found} if found else {}


def _card(entry: ModelEntry, record: WeightsRecord, facts: dict[str, Any]) -> ModelCard:
    measured = {key: value for key, value in facts.items() if key != "metadata"}
    return ModelCard(
        name=entry.name,
        source=entry.source,
        resolved_source=record.resolved,
        revision=record.revision,
        untrained=entry.untrained,
        trust_remote_code=entry.trust_remote_code,
        weights_hash=record.weights_hash,
        tokenizer_hash=record.tokenizer_hash,
        format=resolved_format(entry.prompting.format, facts["has_chat_template"]),
        **measured,
    )
