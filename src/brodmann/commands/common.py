"""What several commands share: types of arguments, the study, its tasks, a model."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from brodmann.config.load import LoadedConfig, examine
from brodmann.config.study import Study
from brodmann.errors import Problem, UserError, did_you_mean, together
from brodmann.models.cache import Cache
from brodmann.models.sources import WeightsRecord, fetch
from brodmann.pipeline.workspace import config_files
from brodmann.places import ROOT
from brodmann.runner.loading import load
from brodmann.store import masks
from brodmann.store.masks import Origin
from brodmann.tasks import catalogue, published
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import TaskItems

if TYPE_CHECKING:
    from brodmann.models.population import Population


def number(what: str, within: Callable[[float], bool]) -> Callable[[str], float]:
    """A type of arguments: a number that ``within`` holds for."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not within(value):
            raise argparse.ArgumentTypeError(f"must be {what}, not '{text}'")
        return value

    return read


def positive(text: str) -> int:
    """A type of arguments: how many."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 up, not '{text}'")
    return int(text)


def study_arguments(
    parser: argparse.ArgumentParser,
    *,
    tasks: bool = False,
    model: bool = False,
    directory: bool = False,
) -> None:
    """Of a command that reads a config. One that names ``tasks`` takes a file after each --configfile;
    ``model``: of one that is about a single model; ``directory``: of one that looks at results."""
    action, nargs = ("append", None) if tasks else ("extend", "+")
    several = "; several: once for each" if tasks else ""
    for option, value, says in (
        ("--configfile", "FILE", "the study, as for snakemake (default: config.yaml)"),
        ("--config", "KEY=VALUE", "a setting in place of the study's, as for snakemake"),
    ):
        parser.add_argument(
            option, action=action, nargs=nargs, default=[], metavar=value, help=says + several
        )
    if model:
        says = "of the config, or a source (hf:ORG/NAME, ...)"
        parser.add_argument("--model", required=True, help=says)
    if directory:
        says = "where results/ lies, as for snakemake (default: this folder)"
        parser.add_argument("--directory", metavar="DIR", help=says)


def as_typed(options: argparse.Namespace) -> list[str]:
    """What Snakemake has to be given to see the same study."""
    files = getattr(options, "typed", options.configfile)
    words = ["--configfile", *files] if files else []
    words += ["--config", *options.config] if options.config else []
    return words + (["--directory", options.directory] if options.directory else [])


def loaded(options: argparse.Namespace, *, domains: bool = True) -> LoadedConfig:
    """The config that the options name. ``domains``: whether it is an error, not a warning, if its domains
    do not say what they are called and how they are drawn."""
    return _sound(*examined(options), domains)


def _sound(found: LoadedConfig, problems: Sequence[Problem], domains: bool) -> LoadedConfig:
    if not domains and found.domains:
        said = "; ".join(map(str, found.domains))
        print(f"WARNING: {said}: figures need this, nothing here does", file=sys.stderr)
        problems = [one for one in problems if one not in found.domains]
    if problems:
        raise UserError(*problems)
    return found


def examined(options: argparse.Namespace) -> tuple[LoadedConfig, list[Problem]]:
    """The same as far as it is sound, and what is wrong with it."""
    given = dict(map(_override, options.config))
    return examine(config_files(options.configfile), given, root=ROOT)


def _override(text: str) -> tuple[str, Any]:
    """KEY=VALUE of ``--config``; the value is YAML, as for Snakemake."""
    key, sign, value = text.partition("=")
    if not sign:
        raise UserError.at(f"--config {text}", "is not KEY=VALUE")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError.at(f"--config {key}", f"{value!r} is not YAML") from None


def known_tasks(study: Study) -> list[str]:
    """Every task there is, whether the config selects it or not."""
    settings = study.tasks
    if settings.published is not None:
        return published.list_published(settings.published, settings.rename)
    return catalogue.list_tasks(settings.data(ROOT))


def read_task(
    study: Study, task: str, count: int | None = None, seed: int | None = None
) -> TaskItems:
    """A task's items, as the study expands them or with a number and a seed of their own."""
    settings = study.tasks
    if settings.published is not None:
        return published.read_published(settings.published, task, count or settings.items)
    definition = load_definition(
        catalogue.task_path(settings.data(ROOT), task), settings.level(task)
    )
    seed = settings.seed if seed is None else seed
    return expand(task, definition, seed=seed, count=count or settings.items)


def read_tasks(
    study: Study, tasks: Sequence[str], count: int | None = None, seed: int | None = None
) -> list[TaskItems]:
    """The items of several tasks, or everything that is wrong with any of them."""
    return together([partial(read_task, study, task, count, seed) for task in tasks])


def chosen(options: argparse.Namespace, *, domains: bool = True) -> tuple[Study, str]:
    """The model that a command is about: one of the config, or a source. ``domains``: see ``loaded``."""
    name = options.model
    if ":" in name:
        given = {"models": {"model": {"source": name}}}
        return _sound(*examine([], given, root=ROOT), domains).study, "model"
    study = loaded(options, domains=domains).study
    if name not in study.models:
        fix = f"{did_you_mean(name, study.models)}; or name a source: hf:{name}, path:DIR"
        raise UserError.at("--model", f"no model '{name}' in the config", fix)
    return study, name


def mask_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a command that takes a mask of the model."""
    says = "a mask: columns layer, unit, model and site"
    parser.add_argument("--mask", required=True, metavar="CSV", help=says)
    says = "take it though it is of another model"
    parser.add_argument("--any-model", action="store_true", help=says)


def masked(
    options: argparse.Namespace, option: str = "mask"
) -> tuple[Sequence[tuple[int, int]], Origin]:
    """The units (layer, unit) of the mask in ``option``, and what they are units of; an error without any."""
    path = getattr(options, option)
    found = masks.read(path)
    if found.origin is None:
        raise UserError.at(path, "the mask has no units")
    return found.units, found.origin


def others(units: Sequence[int], there: Population, seed: int) -> Any:
    """As many of a model's other units, drawn at random; or all of them, if there are not so many."""
    import numpy as np

    rest = np.setdiff1d(there.units, units)
    return np.random.default_rng(seed).choice(rest, size=min(len(units), len(rest)), replace=False)


def open_model(study: Study, name: str, site: str) -> tuple[Any, WeightsRecord]:
    """A model that is run, with its ``site`` proved, and which weights it has; fetched if need be."""
    record = _fetched(study, name)
    return load(study, name, record, os.cpu_count() or 1, wanted=(site,)), record


def open_masked(study: Study, name: str, options: argparse.Namespace, **origins: Origin) -> Any:
    """The model whose units masks name; an error, before it is loaded, if they are another model's.

    ``origins``: option that has the mask -> what its units are units of.
    """
    record = _fetched(study, name)
    for option, origin in origins.items():
        own = Origin.of(name, record.weights_hash, origin.site)
        if not (origin.is_of(own) or options.any_model):
            what = f"its units are those of the model {origin.label}, not of {own.label}"
            fix = "give --model the mask's own model, or add --any-model to take them all the same"
            raise UserError.at(getattr(options, option), what, fix)
    sites = dict.fromkeys(origin.site for origin in origins.values())
    return load(study, name, record, os.cpu_count() or 1, wanted=tuple(sites))


def _fetched(study: Study, name: str) -> WeightsRecord:
    """Which weights a model that is run has; here afterwards."""
    entry = study.model(name)
    if entry.results_only:
        raise UserError.at(f"models.{name}.source", "a results source has no model to run")
    # What libraries say while loading is not what was asked for.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return fetch(entry, Cache(study.execution.cache))
