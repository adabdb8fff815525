"""Rule ``network_use_pass``: one load of a model for all that is done with its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brodmann.comparison.stages.maps import Agreement
from brodmann.comparison.stages.unit_pages import UnitPages
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.networks.stages.editing import Editing
from brodmann.networks.stages.following import Draw, Following
from brodmann.networks.stages.probing import Probing
from brodmann.networks.stages.use import Localizing, UseStage
from brodmann.runner.bench import Bench
from brodmann.store.shares import WHOLE, Share
from brodmann.store.work import Pass


def use_stage(study: Study, model_json: str, template_files: Mapping[str, str]) -> UseStage:
    """Networks' use, with the localizers that networks are compared with."""
    from brodmann.localizers.contrasts import contrast_of
    from brodmann.localizers.selectivity import measure

    return UseStage(study, model_json, template_files, Localizing(contrast_of, measure))


def following_of(stage: UseStage, pages: UnitPages | None = None) -> Following:
    """Following, over the samples that a dataset's networks were found in. ``pages``: of units whose places
    in these texts are found beside it."""
    from brodmann.networks.dataset_texts import group_texts

    def texts(dataset: str) -> Sequence[str]:
        return group_texts(stage.study, dataset, stage.card)

    return Following(stage, texts) if pages is None else Following(stage, texts, pages.companion)


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    template_files: Mapping[str, str],
    editing_items: Sequence[str],
    probing_items: Sequence[str],
    manifest: str,
    threads: int,
    share: Share = WHOLE,
    mask_files: Mapping[str, Mapping[str, str]] | None = None,
    localizer_manifest: str | None = None,
) -> None:
    """Measure what the store lacks, then write the manifest.

    Which units the localizer names must be known before they can be edited: of shards, one makes it first.
    ``mask_files``: component -> task -> main circuit, where units have pages (``unit_pages``).
    """
    stage = use_stage(study, model_json, template_files)
    editing, probing = Editing(stage, editing_items), Probing(stage, probing_items)
    pages = None
    if mask_files is not None:
        pages = UnitPages(study, stage.card, stage.networks, mask_files, localizer_manifest)
    following = following_of(stage, pages)
    _held_out(editing.passages, {name: following.samples(name) for name in stage.networks})
    load = Bench.opener(study, stage.card.name, record_file, threads)
    with Pass("network_use", stage.card.name, manifest, load, share) as this:
        this.make(editing.localizer_works(), dealt=False)
        if share.prepares:
            return
        conditions = editing.conditions(this)
        works = [
            *following.works(),
            *(pages.works() if pages is not None else ()),
            *Agreement(stage).works(),
            *editing.works(conditions),
            *probing.works(conditions),
        ]
        this.make(works, bar="networks", unit="work")
        this.note(computed=this.made, reused=this.named - this.made)


def _held_out(passages: Sequence[str], samples: Mapping[str, Sequence[str]]) -> None:
    """No passage may be among the texts that networks were found in."""
    for dataset, texts in samples.items():
        whole = [" ".join(text.split()) for text in texts]
        for number, passage in enumerate(passages, 1):
            if any(passage in text for text in whole):
                raise UserError.at(
                    "networks.editing.corpus",
                    f"passage {number} is among the samples of networks.datasets.{dataset}",
                    "perplexity is to be measured on texts that no network was found in",
                )


def write_all(
    study: Study,
    *,
    model_json: str,
    template_files: Mapping[str, str],
    editing_items: Sequence[str],
    probing_items: Sequence[str],
    manifest: str,
    folder: str,
    draw: Draw,
) -> None:
    """Rule ``network_use``: every table and page that needs no model. ``draw``: a picture of courses."""
    from brodmann.networks.stages import following as following_tables
    from brodmann.networks.stages.corrected import write_corrected
    from brodmann.networks.stages.editing import write_editing
    from brodmann.networks.stages.probing import write_probing

    stage = use_stage(study, model_json, template_files)
    write_editing(
        stage,
        item_files=editing_items,
        manifest=manifest,
        output=f"{folder}/editing.csv",
        sets_output=f"{folder}/editing_sets.csv",
    )
    write_probing(
        stage,
        editing_item_files=editing_items,
        item_files=probing_items,
        manifest=manifest,
        output=f"{folder}/probing.csv",
    )
    pages = f"{folder}/interpretation"
    write_corrected(
        stage,
        item_files=editing_items,
        manifest=manifest,
        table=f"{pages}/corrected.csv",
        output=f"{pages}/corrected.html",
    )
    following = following_of(stage)
    following_tables.write_connectivity(
        following, manifest=manifest, output=f"{folder}/connectivity.csv"
    )
    for dataset in stage.networks:
        following_tables.write_example(
            following,
            dataset=dataset,
            manifest=manifest,
            stem=f"{pages}/course.{dataset}",
            draw=draw,
        )
        following_tables.write_courses(
            following,
            dataset=dataset,
            manifest=manifest,
            output=f"{folder}/{dataset}/courses.safetensors",
        )
        following_tables.write_driving(
            following,
            dataset=dataset,
            manifest=manifest,
            output=f"{folder}/{dataset}/driving.csv",
        )
