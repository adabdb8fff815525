"""All that the golden tests know of where things are in the package. What moves is changed here alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

# ``digest`` hashes what this module's ``canonical_json`` writes.
import brodmann.files as hashing
from brodmann.circuits.stages import ablation, attribution, baseline, faithfulness
from brodmann.comparison.stages import network_use as network_pass
from brodmann.config.load import load_config
from brodmann.files import digest
from brodmann.localizers.stages import lesion, localizer
from brodmann.methods import METHODS
from brodmann.models.cache import Cache
from brodmann.models.sources import fetch
from brodmann.networks.consistency import SampleNetworks
from brodmann.networks.maps import Networks
from brodmann.networks.stages import decomposition as networks
from brodmann.pipeline import models
from brodmann.pipeline.items import expand_task
from brodmann.stimuli.corpora import load_corpus
from brodmann.stimuli.reader import load_contrast
from brodmann.store import ledger
from brodmann.store.shares import WHOLE, Marker, Share
from brodmann.store.store import Store
from brodmann.tasks.definition import load_definition
from brodmann.tasks.items import read_items
from brodmann.tasks.published import list_published, read_published

__all__ = [
    "METHODS",
    "Cache",
    "Marker",
    "Networks",
    "SampleNetworks",
    "Share",
    "Store",
    "digest",
    "expand_task",
    "fetch",
    "hashing",
    "ledger",
    "list_published",
    "load_config",
    "load_contrast",
    "load_corpus",
    "load_definition",
    "read_items",
    "read_published",
]


@dataclass(frozen=True)
class Files:
    """What the rules of one study's model read, and where its pass writes."""

    model: str
    store: str
    card: str
    record: str
    manifest: str
    items: list[str]
    second: list[str]
    baselines: list[str]
    masks: str
    templates: dict[str, str]
    attributions: str = ""  # where there are passes that read them
    lenders: tuple[str, ...] = ()  # the trained model's baselines, of an untrained one

    @classmethod
    def of(cls, model: str, tasks: Iterable[str]) -> Files:
        """Where the rules of a study look for them."""
        own, tasks = f"results/{model}", tuple(tasks)
        return cls(
            model=model,
            store=f"{own}/.store",
            card=f"{own}/model.json",
            record=f"{own}/.source.json",
            manifest=f"{own}/.store/pass.json",
            items=[f"results/items/{task}.json" for task in tasks],
            second=[f"results/items/.second/{task}.json" for task in tasks],
            baselines=[f"{own}/baseline/{task}.json" for task in tasks],
            masks=f"{own}/masks",
            templates={"sea": f"{own}/networks/sea/templates.safetensors"},
        )

    def circuits(self, component: str, selection: str, tasks: Iterable[str]) -> dict[str, str]:
        """Task -> mask."""
        return {task: f"{self.masks}/{component}/{selection}/{task}.csv" for task in tasks}

    def items_of(self, tasks: Iterable[str]) -> list[str]:
        """The items files of some tasks."""
        return [f"results/items/{task}.json" for task in tasks]


def the_passes(study: Any, files: Files, share: Share = WHOLE) -> dict[str, Callable[[], None]]:
    """Pass -> what runs it, as its rule does."""
    common = {
        "share": share,
        "model_json": files.card,
        "record_file": files.record,
        "threads": 1,
        "manifest": files.manifest,
    }
    circuits = {"item_files": files.items, "baseline_files": files.baselines}
    asked = {}
    if study.faithfulness.tasks:
        asked["faithfulness"] = lambda: faithfulness.run_pass(
            study, attribution_folder=files.attributions, **circuits, **common
        )
    return {
        **asked,
        "check": lambda: models.check_model(
            study,
            files.model,
            record_file=files.record,
            store=files.store,
            output=f"{files.store}/checked.json",
            threads=1,
        ),
        "baseline": lambda: baseline.run_pass(
            study, item_files=files.items, lenders=files.lenders, **common
        ),
        "attribution": lambda: attribution.run_pass(
            study, second_files=files.second, **circuits, **common
        ),
        "ablation": lambda: ablation.run_pass(study, mask_folder=files.masks, **circuits, **common),
        "localizer": lambda: localizer.run_pass(study, **common),
        "lesion": lambda: lesion.run_pass(
            study,
            item_files=files.items_of(study.localizer.lesion.tasks),
            localizer_manifest=files.manifest,
            **common,
        ),
        "networks": lambda: networks.run_pass(study, **common),
        "network use": lambda: network_pass.run_pass(
            study,
            template_files=files.templates,
            editing_items=files.items_of(study.networks.use.editing.tasks),
            probing_items=files.items_of(study.networks.use.probing.tasks),
            mask_files={
                component: files.circuits(
                    component, study.selection.main_name, study.tasks.selected
                )
                for component in study.attribution.components
            },
            **common,
        ),
    }
