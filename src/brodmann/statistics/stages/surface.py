"""Surface stage: what the tasks' prompts share, in the tokens of one model. Needs its tokenizer only."""

from __future__ import annotations

import os
from collections.abc import Sequence

from brodmann.config.study import Study
from brodmann.models.cache import Cache
from brodmann.models.card import ModelCard
from brodmann.models.sources import WeightsRecord, locate
from brodmann.runner.encode import Encoder
from brodmann.runner.prompting import plan_prompts
from brodmann.statistics.surface import similarity_table, surface
from brodmann.store.tables import write_frame
from brodmann.tasks.items import read_items


def write_surface(
    study: Study, *, model_json: str, record_file: str, item_files: Sequence[str], output: str
) -> None:
    """Rule ``surface``: similarities of all ordered pairs of tasks."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from brodmann.models.load import load_tokenizer

    card = ModelCard.read(model_json)
    entry = study.model(card.name)
    record = WeightsRecord.read(record_file)
    folder = locate(entry, Cache(study.execution.cache), record)
    tokenizer = load_tokenizer(folder, f"models.{card.name}", entry.trust_remote_code)
    encoder = Encoder(tokenizer, card.name)
    surfaces = {}
    for items in map(read_items, item_files):
        plan = plan_prompts(items, entry.prompting, card.has_chat_template)
        encoded = encoder.encode(items, plan)
        prompts = [ids for item in encoded for ids in (item.clean, item.corrupted)]
        surfaces[items.task] = surface(items.wordings[plan.wording], prompts)
    write_frame(output, similarity_table(surfaces))
