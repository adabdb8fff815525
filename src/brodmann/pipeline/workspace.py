"""The study as Snakemake sees it: opened once per Snakefile parse. Reads config and folder listings only;
of results nothing but models' cards, when a job asks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

from brodmann.config.load import LoadedConfig, load_config
from brodmann.config.networks import CORPUS
from brodmann.errors import UserError, together
from brodmann.figures.registry import Family, Scene, families, family_of, files_of
from brodmann.methods import METHODS
from brodmann.models import used_sites as sites
from brodmann.models.results_folder import ResultsFolder
from brodmann.pipeline.made import changes, in_config, recorded, since
from brodmann.pipeline.stages import PASSES, STAGES
from brodmann.places import INSTALLED, ROOT
from brodmann.sites import LEVELS
from brodmann.statistics.inventory import Inventory
from brodmann.stimuli.corpora import FOLDER
from brodmann.tasks import catalogue, published
from brodmann.tasks.domains import FILE as DOMAIN
from brodmann.tasks.domains import PUBLISHED, known

DEFAULT_CONFIG = "config.yaml"
# What `brodmann prereg` writes.
REGISTRATION = "results/preregistration.json"
# Keys of a model entry that say how it runs, not what it computes.
_HOW_IT_RUNS = ("device_map", "max_memory", "gpus", "parallel", "attn_implementation")
# Version of what manifests hold: where it is raised, passes run again, and find their records.
_MANIFEST = 2


class Workspace:
    """A valid study in a working directory, with what the rules need beyond the study itself."""

    def __init__(self, loaded: LoadedConfig, root: Path) -> None:
        self.study = loaded.study
        self.config = loaded.config
        self.config_files = [str(file) for file in loaded.source.files]
        self.root = root
        self.data = loaded.study.tasks.data(root)
        own = {name: self.study.model(name).location for name in self.study.imported_models}
        found = together([partial(ResultsFolder.of_model, *one) for one in own.items()])
        self.folders = dict(zip(own, found, strict=True))
        self.inventory = Inventory.of(self.study, self.folders)

    @classmethod
    def open(cls, workflow: Any, config: dict[str, Any]) -> Workspace:
        """Read the config that this Snakemake run was given; on errors print them all and leave.

        ``--configfile`` stands alone; without it ``config.yaml`` of the working directory is read, and
        if there is none, the one that ships with the workflow. ``--config`` is laid over either.
        Snakemake's ``config`` is replaced by the effective values, which is what job scripts see.
        """
        overrides = dict(workflow.config_settings.config or {})
        # The second are those of a Snakefile that uses this workflow as a module.
        files = config_files(workflow.config_settings.configfiles or workflow.configfiles)
        try:
            _refuse_unwritable(Path.cwd())
            loaded = load_config(files, overrides, root=ROOT)
            workspace = cls(loaded, ROOT)
        except UserError as error:
            refuse(error)
        # Jobs are processes of their own: they find the library where the Snakefile does.
        inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        library = str(ROOT / "src")
        if not INSTALLED and library not in inherited:
            os.environ["PYTHONPATH"] = os.pathsep.join([library, *filter(None, inherited)])
        config.clear()
        config.update(loaded.config)
        config["study"] = loaded.study.to_dict()
        config["config_files"] = [str(Path(file).resolve()) for file in files]
        config["overrides"] = overrides
        return workspace

    def stage_settings(self, model: str, stage: str) -> dict[str, Any]:
        """All config values and method versions that ``stage`` depends on, for one model."""
        versions = {method: METHODS[method] for method in STAGES[stage].methods}
        manifest = {"manifest": _MANIFEST} if stage in PASSES else {}
        return {**self.study.stage_settings(model, stage), "methods": versions, **manifest}

    def changed(
        self, model: str = "", stage: str = "", results: Path = Path("results")
    ) -> list[str]:
        """What has changed, in keys of the config where these are known: of a stage's settings since they
        were noted; without a stage, of the config since the run that came to the end last."""
        old = recorded(results)
        typed = list(changes(old, self.recorded_config)) if old else []
        if not stage:
            return typed
        file = results / model / ".store" / f"{stage}.settings.json"
        found = since(file, self.stage_settings(model, stage))
        return list(in_config(found, typed, STAGES[stage].map))

    @property
    def network_inputs(self) -> list[str]:
        """The files that the networks' texts are read from."""
        found, files = self.study.networks, []
        for dataset in found.datasets.values():
            if dataset.task is not None:
                files.append(f"results/items/{dataset.task}.json")
            elif dataset.file is not None:
                place = Path(dataset.file)
                inside = place.is_dir()
                files += sorted(place.glob("*.txt")) if inside else [place]
            elif dataset.kind == CORPUS:
                # The others are generated, or read where Python is installed.
                place = Path(found.stimuli, FOLDER, f"{dataset.source.partition(':')[2]}.txt")
                files += [place] if place.is_file() else []
        return list(dict.fromkeys(os.path.relpath(file) for file in files))

    def used_networks(self, wildcards: Any) -> dict[str, list[str] | str]:
        """A model's networks, by dataset, and what else decides the numbers of their use."""
        found, model = self.study.networks, f"results/{wildcards.model}"
        return {
            "model_json": f"{model}/model.json",
            "templates": [f"{model}/networks/{one}/templates.safetensors" for one in found.names],
            "samples": self.network_inputs,
            "editing_items": [f"results/items/{task}.json" for task in found.use.editing.tasks],
            "probing_items": [f"results/items/{task}.json" for task in found.use.probing.tasks],
        }

    def paged_units(self, wildcards: Any) -> dict[str, list[str] | str]:
        """Which units of a model with networks have pages, beside those of the networks; nothing of a study
        without pages."""
        study, model = self.study, f"results/{wildcards.model}"
        if not study.atlas.on:
            return {}
        main = study.selection.main_name
        pairs = product(study.attribution.components, study.tasks.selected)
        found: dict[str, list[str] | str] = {
            "masks": [f"{model}/masks/{component}/{main}/{task}.csv" for component, task in pairs]
        }
        if study.localizer.networks:
            found["localizer_manifest"] = f"{model}/.store/localizer.json"
        return found

    def unit_page_files(self, wildcards: Any) -> dict[str, list[str] | str]:
        """What a model's pages are made of: the records of passes that made them, and effects of single
        units that were measured anyway."""
        study, name = self.study, wildcards.model
        model, found = f"results/{name}", {}
        if study.atlas.on and name in study.network_models:
            used = self.used_networks(wildcards)
            found |= {key: used[key] for key in ("templates", "samples")}
            found["tokens_manifest"] = f"{model}/.store/network_use.json"
        elif study.atlas.on and name in study.measured_models:
            found["tokens_manifest"] = f"{model}/.store/ablation.json"
        asked = study.attribution
        if asked.agreement.plain_tasks:
            found["agreements"] = [
                f"{model}/attribution/{one}.agreement.units.csv" for one in asked.components
            ]
        tried = asked.agreement.tried_tasks
        if tried:
            found["attribution_manifest"] = f"{model}/.store/attribution.json"
        exact = study.tasks.selected if asked.estimator == "exact" else ()
        pairs = product(asked.components, dict.fromkeys((*tried, *exact)))
        found["attributions"] = [
            f"{model}/attribution/{component}/{task}.safetensors" for component, task in pairs
        ]
        return found

    @property
    def network_use_files(self) -> list[str]:
        """The text whose perplexity is measured, and the example that is drawn, where networks are used."""
        found = self.study.networks
        if not found.datasets:
            return []
        example = found.use.following.example or Path(found.stimuli) / "example" / "languages.txt"
        return [os.path.relpath(found.use.editing.corpus), os.path.relpath(example)]

    @property
    def stability_curves(self) -> dict[str, str]:
        """The file of how alike circuits of fewer items are, with wildcards; none where nobody asks."""
        if not self.study.attribution.stability.items:
            return {}
        main = self.study.selection.main_name
        return {"curves": f"results/{{model}}/overlap/{{component}}/{main}.stability.curve.csv"}

    @property
    def stability_files(self) -> list[str]:
        """How alike resampled circuits are; nothing of a study without them."""
        study = self.study
        if study.attribution.resampled < 2:
            return []
        main = study.selection.main_name
        pairs = product(study.run_models, study.attribution.components)
        return [f"results/{m}/overlap/{c}/{main}.stability.csv" for m, c in pairs]

    def granularity_attributions(self, wildcards: Any) -> list[str]:
        """What circuits of larger units are made of; nothing where there are none."""
        study, folder = self.study, f"results/{wildcards.model}/attribution"
        levels = (LEVELS[level] for level in study.granularity.levels)
        components = dict.fromkeys(one for level in levels for one in level.components)
        pairs = product(components, study.tasks.selected)
        return [f"{folder}/{one}/{task}.safetensors" for one, task in pairs]

    @property
    def stimulus_files(self) -> list[str]:
        """The files that the localizers' texts are read from."""
        folder = Path(self.study.localizer.stimuli)
        found = []
        for network in self.study.localizer.networks:
            own = folder / network
            if own.is_dir():
                found += sorted(p for p in own.iterdir() if p.is_file() and p.name[0] != ".")
        return [os.path.relpath(file) for file in found]

    @property
    def domain_files(self) -> list[str]:
        """The files that say what the domains of the study's tasks are."""
        used = dict.fromkeys(map(catalogue.domain_of, self.study.tasks.selected))
        places = (self.data / name / DOMAIN for name in used)
        return [os.path.relpath(file) for file in places if file.is_file()]

    @property
    def corpus_file(self) -> str:
        """The text whose perplexity is measured under lesions."""
        return os.path.relpath(self.study.localizer.lesion.corpus)

    @property
    def statistics_settings(self) -> dict[str, Any]:
        """What decides the numbers of the tests."""
        return self.study.statistics.model_dump(mode="json", exclude={"experts"})

    def definition_files(self, task: str) -> list[str]:
        """The files that ``task`` is expanded from, relative to the working directory."""
        settings = self.study.tasks
        if settings.published is not None:
            files: Iterable[Path] = published.source_files(settings.published, task)
        else:
            # Which shared lexicons a task uses only its file says, which is not read here.
            files = [catalogue.task_path(self.data, task), *catalogue.shared_lexicons(self.data)]
        # Relative, so that a study and its clone can move together without looking changed.
        return [os.path.relpath(file) for file in files]

    def loading_settings(self, model: str) -> dict[str, Any]:
        """What decides the numbers of the loaded model; with the sites that its check did without.

        These are only named where the study has come to use them: then the model is checked again.
        """
        settings, card = self.study.model(model).loading_settings(), f"results/{model}/model.json"
        lacking = {
            "sites": sites.unproved(self.study, model, card),
            "massive": sites.not_looked_at(self.study, model, card),
        }
        return {**settings, **{name: found for name, found in lacking.items() if found}}

    def weights_files(self, model: str) -> list[str]:
        """Files whose change means other weights: those of a local folder or GGUF file."""
        entry = self.study.model(model)
        if entry.kind == "gguf":
            return [os.path.relpath(entry.location)]
        if entry.kind == "path":
            folder = Path(entry.location)
            return [os.path.relpath(f) for f in sorted(folder.iterdir()) if f.is_file()]
        return []

    def imported_overlap(self, wildcards: Any) -> list[str]:
        """The files that hold a results-only model's overlaps; in our layout there are several."""
        found = self.folders[wildcards.imported]
        return found.overlap_files(wildcards.component, wildcards.sel)

    def imported_drop(self, wildcards: Any) -> str:
        """The file that holds a results-only model's accuracy drops."""
        found = self.folders[wildcards.imported].drops
        return str(found[wildcards.component, wildcards.sel, wildcards.kind])

    def imported_table(self, wildcards: Any) -> tuple[str, str] | None:
        """File and column of a results-only model's accuracies."""
        return self.study.model(wildcards.imported).accuracies

    def lent_baselines(self, wildcards: Any) -> list[str]:
        """The baselines of the trained model that an untrained one has its items of."""
        name = self.study.lender(wildcards.model)
        tasks = self.study.tasks.selected if name else ()
        return [f"results/{name}/baseline/{task}.json" for task in tasks]

    def imported_baselines(self, wildcards: Any) -> dict[str, str]:
        """Task -> baseline file, where the folder of results has them."""
        found = self.folders[wildcards.imported].baselines
        return {task: str(path) for task, path in found.items()}

    def imported_accuracies(self, wildcards: Any) -> list[str]:
        """The files that a results-only model's accuracies are read from."""
        table = self.imported_table(wildcards)
        return [table[0]] if table else list(self.imported_baselines(wildcards).values())

    @property
    def told_files(self) -> list[str]:
        """What the report tells beyond figures and statistics."""
        return self.more_files + ([REGISTRATION] if Path(REGISTRATION).is_file() else [])

    @property
    def more_files(self) -> list[str]:
        """Results that only pages for people read."""
        study, found = self.study, self.study.networks
        neurons = "neurons" in study.attribution.components
        told = [f"results/{name}/units/neurons.csv" for name in study.measured_models if neurons]
        told += self.stability_files
        if study.granular_models:
            told.append("results/statistics/granularity.csv")
        if study.profiled_models:
            told.append("results/statistics/experts.csv")
            sizes = product(study.profiled_models, study.selection.names)
            told += [f"results/{name}/experts/{sel}.csv" for name, sel in sizes]
        if study.faithfulness.rivals.rounds:
            stem = f"{{}}.{study.attribution.estimator}.rivals.csv"
            tested = product(study.faithfulness_models, study.attribution.components)
            told += [f"results/{m}/faithfulness/{stem.format(unit)}" for m, unit in tested]
        if study.localizer.networks:
            told += [f"results/{name}/localizer/massive.csv" for name in study.run_models]
        used = product(study.network_models, found.names)
        told += [f"results/{name}/networks/{one}/driving.csv" for name, one in used]
        return told

    @property
    def scene(self) -> Scene:
        """The whole study, as figures see it."""
        return Scene(self.study, self.inventory)

    @property
    def figures(self) -> list[str]:
        """Every figure, without its ending."""
        return [stem for family in families() for stem in family.stems(self.scene)]

    def figure_files(self, *rules: str) -> list[str]:
        """Every file that these rules draw in the study."""
        return files_of(stem for rule in rules for stem in family_of(rule).stems(self.scene))

    def figure_inputs(self, family: Family) -> Callable[[Any], dict[str, Any]]:
        """An input function of the rule that draws the family."""
        return lambda wildcards: dict(family.reads(self._at(wildcards)))

    def figure_settings(self, family: Family) -> Callable[[Any], dict[str, Any]]:
        """What decides how its figures look, beside their files; of the domains what users may change."""
        added = [name for name in known() if name not in PUBLISHED]
        looks = {"domains": {name: [known()[name].name, known()[name].colour] for name in added}}
        more = {"names": self.titles, **(looks if added else {})}
        return lambda wildcards: {**family.settings(self._at(wildcards)), **more}

    @cached_property
    def titles(self) -> dict[str, str]:
        """What tasks are called: the study's, and any that results of other models may be of."""
        others = catalogue.list_tasks(self.data) if self.folders else ()
        return catalogue.task_titles(self.data, {*self.study.tasks.selected, *others})

    def _at(self, wildcards: Any) -> Scene:
        model = wildcards.get("shown") or wildcards.get("model", "")
        return self.scene.at(model, wildcards.get("component", ""))

    @property
    def imported_files(self) -> list[str]:
        """Every file that is taken over from elsewhere."""
        found = []
        for name, folder in self.folders.items():
            found += [file for key in folder.overlaps for file in folder.overlap_files(*key)]
            found += [*folder.drops.values(), *folder.baselines.values()]
            if table := self.study.model(name).accuracies:
                found.append(Path(table[0]))
        return [str(path) for path in dict.fromkeys(found)]

    @property
    def text_files(self) -> list[str]:
        """Every file that texts of localizers and networks are read from; items of tasks are none of them."""
        if not self.study.run_models:
            return []
        found = [*self.stimulus_files, *self.network_inputs, *self.network_use_files]
        found += [self.corpus_file] if self.study.localizer.networks else []
        return [one for one in dict.fromkeys(found) if not one.startswith("results/items/")]

    @property
    def recorded_config(self) -> dict[str, Any]:
        """The effective config without what only says how it runs: goes into provenance.json."""
        recorded = {key: value for key, value in self.config.items() if key != "execution"}
        recorded["models"] = {
            name: {key: value for key, value in entry.items() if key not in _HOW_IT_RUNS}
            for name, entry in self.config["models"].items()
        }
        return recorded


def config_files(given: Iterable[str | Path]) -> list[Path]:
    """The config files that apply, in order, as short as they can be written."""
    given = list(given)
    if given:
        return [_short(Path(file)) for file in given]
    own = Path(DEFAULT_CONFIG)
    return [own] if own.is_file() else [_short(ROOT / DEFAULT_CONFIG)]


def _refuse_unwritable(folder: Path) -> None:
    """Before Snakemake tries, and ends with a traceback."""
    for place in (folder, folder / ".snakemake", folder / "results"):
        if place.exists() and not os.access(place, os.W_OK):
            fix = "give yourself the right to, or start with --directory in another folder"
            raise UserError.at(str(place), "cannot be written", fix)


def _short(path: Path) -> Path:
    """Relative to the working directory where that is below it: error messages stay readable."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def alternatives(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names; nothing at all if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def refuse(error: UserError) -> None:
    """Print a user's errors, one line each, and end Snakemake without a traceback."""
    for problem in error.problems:
        print(f"ERROR: {problem}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(1)
