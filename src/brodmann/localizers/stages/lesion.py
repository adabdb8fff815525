"""Lesion stage: what silencing a network's units does to text and tasks, beside random units.

One pass per model. A *row of work* is one lesion on one measure (the corpus, or a task): its key is made of
the units, so that what two networks or two settings share, the intact model first of all, is measured once.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.config.localizer import RESIDUAL_SITES
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import canonical_json, digest
from brodmann.localizers.stages.localizer import Localized
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import PromptPlan, plan_prompts
from brodmann.significance import effects
from brodmann.significance.fdr import with_q
from brodmann.store import ledger
from brodmann.store.progress import progress
from brodmann.store.store import Store
from brodmann.store.tables import write_table
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import TaskItems, read_items

log = logging.getLogger(__name__)

COLUMNS = (
    *("condition", "selection", "percentage", "k", "seed", "kind", "measure", "task", "n"),
    *("value", "low", "high", "p", "q", "p_random", "q_random"),
)
CORPUS = ""  # in place of a task


@dataclass(frozen=True)
class Line:
    """One lesion of a network's table."""

    condition: str  # intact | lesion | random
    selection: str
    percentage: float | None
    seed: int | None
    kind: str  # empty where nothing is silenced
    units: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Target:
    """Items of one task."""

    items: TaskItems
    plan: PromptPlan
    used: tuple[int, ...]


class LesionStage:
    """What the jobs of this stage share."""

    def __init__(
        self, study: Study, model_json: str, item_files: Sequence[str], manifest: str
    ) -> None:
        from brodmann.runner.perplexity import read_passages

        self.study = study
        self.settings = study.localizer
        self.card = ModelCard.read(model_json)
        self.manifest = manifest  # of the localizer pass
        lesioned = self.settings.lesion
        self.passages = read_passages(lesioned.corpus)[: lesioned.passages]
        self.targets = {items.task: self._target(items) for items in map(read_items, item_files)}

    def _target(self, items: TaskItems) -> Target:
        prompting = self.study.model(self.card.name).prompting
        plan = plan_prompts(items, prompting, self.card.has_chat_template)
        dice = Dice("lesion", self.settings.seed, items.task)
        numbers = dice.shuffled(list(range(len(items))))[: self.settings.lesion.items]
        return Target(items, plan, tuple(sorted(numbers)))

    def localized(self, network: str) -> Localized:
        """A network's selectivity."""
        return Localized(self.study, network, self.manifest)

    def lines(self, localized: Localized) -> list[Line]:
        """Intact, and every size with its random controls."""
        settings = self.settings
        units = {name: own.pairs for name, own in localized.selected(lesioned=True).items()}
        lines = [Line("intact", "", None, None, "", ())]
        for size in settings.lesioned:
            for kind in settings.lesion.kinds:
                name = settings.selection_name(size)
                own = tuple(units[name])
                lines.append(Line("lesion", name, size.percentage, None, kind, own))
                for seed in settings.lesion.seeds:
                    control = tuple(units[settings.control_name(size, seed)])
                    lines.append(Line("random", name, size.percentage, seed, kind, control))
        return lines

    def key(self, localized: Localized, line: Line, task: str) -> str:
        """Hash of everything that one row of work depends on."""
        basis: dict[str, Any] = {
            "stage": "lesion",
            "method": METHODS["lesion"],
            "model": self.card.scoring_identity(),
            "architecture": self.card.architecture,
        }
        if line.units:
            basis |= {"site": self.settings.site, "kind": line.kind, "units": sorted(line.units)}
        if line.units and line.kind == "mean":
            basis["means_of"] = self._means_key(localized)
        if task == CORPUS:
            return digest({**basis, "corpus": self.passages})
        target = self.targets[task]
        return digest(
            {
                **basis,
                "prompts": asdict(target.plan),
                "items": target.items.digest(target.plan.wording),
                "used": target.used,
            }
        )

    def written_key(self, localized: Localized) -> str:
        """Hash of what the written shares on a network's units depend on."""
        return digest(
            {
                "stage": "written",
                "method": METHODS["written"],
                "model": self.card.identity(),
                "architecture": self.card.architecture,
                "units": sorted(localized.main.pairs),
            }
        )

    @property
    def residual(self) -> bool:
        """Whether localized units are dimensions of the residual stream."""
        return self.settings.site in RESIDUAL_SITES

    def _means_key(self, localized: Localized) -> list[Any]:
        network = localized.contrast.network
        return [localized.contrast.sha256, self.settings.truncate[network]]


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    localizer_manifest: str,
    manifest: str,
    threads: int,
) -> None:
    """Rule ``lesion_pass``: measure what the store lacks, then write the manifest."""
    this = ledger.Pass(manifest)
    stage = LesionStage(study, model_json, item_files, localizer_manifest)
    rows, computed = 0, set()
    with Store(this.store / "lesion") as store:
        work = _missing(stage, store)
        unwritten = _unwritten(stage, store)
        log.info("%s: %d lesions to measure", stage.card.name, len(work))
        if work or unwritten:
            model = load(study, stage.card.name, WeightsRecord.read(record_file), threads)
            for key, localized in unwritten.items():
                store.put(key, _written(model, localized))
            meter = _Meter(stage, model)
            total = sum(len(keys) for _, _, keys in work)
            with progress(total, f"lesions {model.name}", unit="row") as bar:
                for localized, line, keys in work:
                    for key, payload in meter.measured(localized, line, keys):
                        store.put(key, payload)
                        bar.update()
                        rows += 1
                    computed.add(localized.contrast.network)
        store.consolidate()
    facts = {
        "stage": "lesion",
        "model_loads": int(bool(work or unwritten)),
        "lesions": len(work),
        "rows": rows,
        "computed": sorted(computed),
        "reused": sorted(set(study.localizer.networks) - computed),
    }
    this.end(stage.card.name, facts)


_Work = tuple[Localized, Line, dict[str, str]]  # key -> task


def _missing(stage: LesionStage, store: Store) -> list[_Work]:
    """What the store lacks, lesion by lesion; of equal rows of two networks only the first."""
    known: set[str] = set()
    work = []
    for network in stage.settings.networks:
        localized = stage.localized(network)
        for line in stage.lines(localized):
            keys = {stage.key(localized, line, task): task for task in (CORPUS, *stage.targets)}
            lacking = {k: task for k, task in keys.items() if k not in known and k not in store}
            known |= lacking.keys()
            if lacking:
                work.append((localized, line, lacking))
    return work


def _unwritten(stage: LesionStage, store: Store) -> dict[str, Localized]:
    """Networks whose written shares the store lacks, by their key."""
    # A model whose neurons cannot be addressed has no circuits of them, either.
    if not stage.residual or not stage.card.neurons_per_layer:
        return {}
    every = map(stage.localized, stage.settings.networks)
    keys = {stage.written_key(localized): localized for localized in every}
    return {key: localized for key, localized in keys.items() if key not in store}


def _written(model: Any, localized: Localized) -> bytes:
    """What the model's neurons write on a network's units, as a record."""
    from safetensors.numpy import save as pack

    from brodmann.runner.writing import written_share

    return pack({"share": written_share(model, localized.main.pairs)})


class _Meter:
    """A loaded model that is lesioned and measured."""

    def __init__(self, stage: LesionStage, model: Any) -> None:
        from brodmann.runner.context import Reader
        from brodmann.runner.encode import Encoder
        from brodmann.runner.scoring import Scorer

        self.stage = stage
        self.model = model
        batch_tokens = stage.study.execution.batch_tokens
        self.scorer = Scorer(model.hf, model.device, batch_tokens, Reader(model))
        encoder = Encoder(model.tokenizer, model.name)
        self.encoded = {}
        for task, target in stage.targets.items():
            items = encoder.encode(target.items, target.plan)
            self.encoded[task] = [items[number] for number in target.used]
        self._means: dict[str, np.ndarray] = {}

    def measured(
        self, localized: Localized, line: Line, keys: Mapping[str, str]
    ) -> Iterator[tuple[str, bytes]]:
        """(key, record) of one lesion on each measure."""
        from brodmann.localizers.lesion import lesion

        settings = self.stage.settings
        kind = line.kind or "zero"
        means = self._means_of(localized) if kind == "mean" else None
        made_with = {**software(), "device": str(self.model.device)}
        for key, task in keys.items():
            with lesion(self.model, line.units, site=settings.site, kind=kind, means=means):
                found = self._task(task) if task else self._corpus()
            yield key, canonical_json({**found, "computed_with": made_with})

    def _means_of(self, localized: Localized) -> np.ndarray:
        from brodmann.runner.activations import Activations
        from brodmann.runner.texts import encode_texts

        contrast, settings = localized.contrast, self.stage.settings
        if contrast.network not in self._means:
            truncate = settings.truncate[contrast.network]
            texts = (*contrast.positive, *contrast.negative)
            rows = encode_texts(self.model.tokenizer, texts, truncate=truncate)
            activations = Activations(
                self.model, site=settings.site, batch_tokens=self.scorer.batch_tokens
            )
            self._means[contrast.network] = activations.means(rows)
        return self._means[contrast.network]

    def _corpus(self) -> dict[str, Any]:
        from brodmann.runner.perplexity import score_passages

        found = score_passages(self.scorer, self.model.tokenizer, self.stage.passages)
        self._finite(found.log_probs, "the corpus, passage")
        return asdict(found)

    def _task(self, task: str) -> dict[str, Any]:
        """By how much each item's right answer is likelier than the wrong one; None if it cannot be said."""
        from brodmann.runner.answers import queries_of

        items = self.encoded[task]
        # Dual: both answers after the clean prompt. Single: the answer's two prompts, read as a whole,
        # which must be equally long.
        asked = [n for n, item in enumerate(items) if item.incorrect is not None or item.aligned]
        single = {n for n in asked if items[n].incorrect is None}
        queries = []
        for n in asked:
            queries += queries_of(items[n])[2:] if n in single else queries_of(items[n])[:2]
        values = self.scorer.log_probabilities(queries)
        self._finite(values, f"{task}, answer")
        margins: list[float | None] = [None] * len(items)
        for place, n in enumerate(asked):
            margins[n] = values[2 * place] - values[2 * place + 1]
        return {"margins": margins}

    def _finite(self, values: Sequence[float], what: str) -> None:
        for number, value in enumerate(values, 1):
            if not math.isfinite(value):
                raise UserError.at(
                    f"{what} {number}",
                    f"under a lesion {self.model.name} gives a log-probability of {value}",
                    "its dtype may be too small; try dtype: float32",
                )


# The light jobs


def write_table_of(
    study: Study,
    *,
    model_json: str,
    item_files: Sequence[str],
    localizer_manifest: str,
    manifest: str,
    network: str,
    output: str,
) -> None:
    """Rule ``lesion``: one network's table, every lesion on the corpus and on every task."""
    stage = LesionStage(study, model_json, item_files, localizer_manifest)
    store = Store(Path(manifest).parent / "lesion")
    localized = stage.localized(network)
    lines = stage.lines(localized)
    rows: list[dict[str, object]] = []
    for task in (CORPUS, *stage.targets):
        what = f"a stored lesion of {network}"
        found = {
            line: json.loads(store.require(stage.key(localized, line, task), what, manifest))
            for line in lines
        }
        rows += _task_rows(task, found) if task else _corpus_rows(found, study.localizer.seed)
    rows = with_q(with_q(rows), p="p_random", q="q_random")
    write_table(output, rows, COLUMNS)


def _corpus_rows(found: Mapping[Line, dict], seed: int) -> list[dict[str, object]]:
    surprise = {
        line: -np.array(record["log_probs"]) / np.array(record["tokens"])
        for line, record in found.items()
    }
    rows = []
    for measure, count in (("perplexity", "tokens"), ("word_perplexity", "words")):
        for line, record in found.items():
            value = effects.perplexity(record["log_probs"], record[count], seed)
            # One test per lesion: per word it is the same question again.
            tests = _tests(line, surprise, effects.rank_test) if count == "tokens" else {}
            rows.append(_row(line, measure, CORPUS, value, tests))
    return rows


def _task_rows(task: str, found: Mapping[Line, dict]) -> list[dict[str, object]]:
    right = {
        line: np.array([m > 0 for m in record["margins"] if m is not None], dtype=float)
        for line, record in found.items()
    }
    return [
        _row(line, "accuracy", task, effects.accuracy(own), _tests(line, right, effects.sign_test))
        for line, own in right.items()
    ]


def _tests(line: Line, values: Mapping[Line, np.ndarray], test: Any) -> dict[str, float]:
    """p against the intact model and, of a network's lesion, against its random controls."""
    if line.condition == "intact":
        return {}
    intact = next(own for other, own in values.items() if other.condition == "intact")
    tests = {"p": test(values[line], [intact])}
    controls = [
        own
        for other, own in values.items()
        if other.condition == "random"
        and (other.selection, other.kind) == (line.selection, line.kind)
    ]
    if line.condition == "lesion" and controls:
        tests["p_random"] = test(values[line], controls)
    return tests


def _row(
    line: Line, measure: str, task: str, value: effects.Value, tests: Mapping[str, float]
) -> dict[str, object]:
    return {
        "condition": line.condition,
        "selection": line.selection,
        "percentage": "" if line.percentage is None else repr(line.percentage),
        "k": len(line.units),
        "seed": "" if line.seed is None else line.seed,
        "kind": line.kind,
        "measure": measure,
        "task": task,
        **asdict(value),
        **tests,
    }
