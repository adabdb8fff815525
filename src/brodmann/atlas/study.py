"""A finished study as its folder of results says it: no config, no workflow and no model is needed.

``results/provenance.json``, which a run writes at its end, has the config. Files that the config asks for and
that are not there are passed over: studies of an earlier version have fewer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from brodmann.config.selection import selection_name
from brodmann.config.series import step_name
from brodmann.errors import UserError
from brodmann.files import digest, read_json
from brodmann.store.tables import read_matrix
from brodmann.tasks import domains
from brodmann.tasks.catalogue import sort_key, task_titles

PROVENANCE = "provenance.json"
_PROMPTING = ("format", "chat_template", "system", "bos")


@dataclass(frozen=True)
class ModelEntry:
    """What the config says of a model. ``of``: the trained model that it is the untrained control of."""

    name: str
    control: bool
    imported: bool
    of: str | None
    series: tuple[str, str, float] | None  # name, axis, step


class StudyFolder:
    """The results of a finished study."""

    def __init__(self, results: str | Path, titles: Mapping[str, str] | None = None) -> None:
        """``titles``: of tasks, where the caller knows them; else the workflow's own are read."""
        self.results = Path(results)
        if not self.results.is_dir():
            raise UserError.at(str(results), "there is no such folder of results")
        path = self.results / PROVENANCE
        if not path.is_file():
            what = f"the study is not finished: there is no {PROVENANCE}"
            fix = "run snakemake to its end; brodmann where says how far it is"
            if (self.results / "results" / PROVENANCE).is_file():
                what = "holds a study, and is not its folder of results"
                fix = f"take {self.results / 'results'}"
            raise UserError.at(str(results), what, fix)
        found = read_json(path)
        try:
            self.config: dict[str, Any] = found["config"]
            self.version: str = str(found["brodmann"])
            self.written: str = str(found.get("written", ""))
            self.models = _models(self.config["models"])
            # Those that models were run on.
            self.run_tasks = [str(task) for task in found.get("tasks", ())]
            # What the pages ask of the config: one that was edited by hand may lack anything.
            _ = self.components, self.estimator, self.tried, self.selections, self.main_selection
            _ = [
                self.asked([""], *one)
                for one in (("localizer", "networks"), ("networks", "datasets"))
            ]
            own = self._folder
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            what = "does not say what the study was"
            raise UserError.at(
                str(path), what, "run snakemake provenance to write it anew"
            ) from None
        self._titles = dict(titles or {})
        if own and own.is_dir() and domains.OWN not in os.environ:
            domains.use(str(own))  # jobs know them by then, others do not

    @property
    def config_hash(self) -> str:
        """SHA-256 of the config."""
        return digest(self.config)

    def setting(self, *path: str, default: Any = None) -> Any:
        """A value of the config; ``default`` where the version that made the study did not have it."""
        value: Any = self.config
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return default if value is None else value

    @property
    def _folder(self) -> Path | None:
        """Where the study's own tasks are."""
        own = self.setting("tasks", "folder")
        return Path(own) if own else None

    @property
    def components(self) -> list[str]:
        """Kinds of units that circuits consist of."""
        return list(self.setting("attribution", "components", default=["neurons"]))

    @property
    def estimator(self) -> str:
        """The estimator of the attributions."""
        return str(self.setting("attribution", "estimator", default="patching"))

    @property
    def tried(self) -> list[str]:
        """Estimators that are compared, each at some positions: ``relp at all``."""
        agreement = self.setting("attribution", "agreement", default={})
        return list(agreement.get("estimators") or ())

    @property
    def selections(self) -> list[str]:
        """Sizes and signs of circuits."""
        signs = self.setting("selection", "signs", default=["positive"])
        percents = self.setting("selection", "percents", default=[self.main_percent])
        return [selection_name(sign, percent) for sign in signs for percent in percents]

    @property
    def mask_selections(self) -> list[str]:
        """The same, and those that are silenced: masks may be there of either."""
        signs = self.setting("selection", "signs", default=["positive"])
        percents = self.setting("ablation", "percents", default=[])
        silenced = [selection_name(sign, percent) for sign in signs for percent in percents]
        return list(dict.fromkeys([*self.selections, *silenced]))

    @property
    def main_percent(self) -> float:
        """The size that figures show."""
        return float(self.setting("selection", "main", default=0.1))

    @property
    def main_selection(self) -> str:
        """The selection that figures show."""
        return selection_name(
            self.setting("selection", "signs", default=["positive"])[0], self.main_percent
        )

    @cached_property
    def tasks(self) -> list[str]:
        """Every task that the study has items or matrices of, in the standard order."""
        found = set(self.run_tasks)
        for model in self.models:
            for file in self.results.glob(f"{model.name}/overlap/*/*.containment.csv"):
                found.update(read_matrix(file).columns)
        return sorted(found, key=sort_key)

    def asked(self, there: list[str], *setting: str) -> list[str]:
        """Of what is in the folder, what the config names; all of it, if the version had no such key."""
        names = self.setting(*setting)
        return there if names is None else [name for name in there if name in names]

    @cached_property
    def titles(self) -> dict[str, str]:
        """What tasks are called."""
        places = [domains.DATA, *([self._folder] if self._folder else [])]
        known = {
            task: title
            for place in places
            for task, title in task_titles(place, self.tasks).items()
        }
        return {
            **known,
            **{task: self._titles[task] for task in self.tasks if task in self._titles},
        }


def _models(config: dict[str, dict[str, Any]]) -> list[ModelEntry]:
    entries = [one for name, keys in config.items() for one in _members(name, keys)]
    keys = {name: own for name, own, _ in entries}
    return [
        ModelEntry(
            name,
            bool(own.get("control")),
            str(own.get("source", "")).startswith("results:"),
            _trained(own, keys),
            series,
        )
        for name, own, series in entries
    ]


def _members(
    name: str, keys: dict[str, Any]
) -> list[tuple[str, dict[str, Any], tuple[str, str, float] | None]]:
    """The model, or the checkpoints of a series."""
    series = keys.get("series")
    if not series:
        return [(name, keys, None)]
    axis = str(series.get("axis", "training step"))
    steps = series["steps"] if isinstance(series["steps"], list) else [series["steps"]]
    places = series.get("revisions") or series.get("paths") or []
    return [
        (f"{name}@{step_name(float(step))}", {**keys, "place": place}, (name, axis, float(step)))
        for step, place in zip(steps, places, strict=True)
    ]


def _trained(own: dict[str, Any], models: dict[str, dict[str, Any]]) -> str | None:
    """The trained model of the same source, prompted alike if there is one."""
    if not own.get("untrained"):
        return None

    def where(keys: dict[str, Any]) -> tuple[Any, ...]:
        return keys.get("source"), keys.get("revision"), keys.get("place")

    def prompting(keys: dict[str, Any]) -> list[Any]:
        return [keys.get(key) for key in _PROMPTING]

    same = [
        n for n, keys in models.items() if not keys.get("untrained") and where(keys) == where(own)
    ]
    return min(same, key=lambda n: prompting(models[n]) != prompting(own), default=None)
