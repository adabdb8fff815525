"""The table of stages, against the rules, the packages of the maps and the method versions."""

import inspect
import re
from importlib import import_module
from types import SimpleNamespace

from brodmann.methods import METHODS
from brodmann.pipeline import stages
from brodmann.pipeline.stages import MAPS, PASSES, SHARDS, STAGES
from brodmann.runner.stage import Stage
from brodmann.store.shares import Marker


def test_every_stage_is_a_rule_of_its_map(root):
    where = {}
    for path in (root / "rules").rglob("*.smk"):
        for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M):
            where[rule] = path.parent.name
    for name, stage in STAGES.items():
        assert (root / "src/brodmann" / stage.map).is_dir()
        if stage.map != "models":
            assert where[stage.rule or name] == stage.map, name


def test_maps_are_found_by_their_stages():
    """In the order in which they run: maps, then what compares and tests them."""
    assert {"circuits", "localizers", "networks"} <= set(MAPS)
    wings = [stage.map for stage in STAGES.values()]
    assert list(dict.fromkeys(wings)) == ["models", *MAPS, "comparison", "statistics"]


def test_the_function_of_a_stage_may_stand_beside_it(monkeypatch):
    """A small map has its stages and their functions in one module."""
    small = SimpleNamespace(STAGES=(Stage("lone", ":run"), Stage("other", "place:run")))
    monkeypatch.setattr(stages, "import_module", lambda name: small)
    found = {stage.run for stage in stages.stages_of("atlas")}
    assert found == {"brodmann.atlas.stages:run", "brodmann.atlas.stages.place:run"}


def test_every_method_has_a_version():
    for stage in STAGES.values():
        assert set(stage.methods) <= METHODS.keys(), stage.name


def test_a_pass_is_what_asks_for_a_models_memory(root):
    text = "".join(path.read_text() for path in (root / "rules").rglob("*.smk"))
    rules = re.split(r"^rule ", text, flags=re.M)[1:]
    asking = {rule.partition(":")[0] for rule in rules if "**needs(" in rule}
    assert asking == PASSES.keys()
    for rule in rules:
        for named in re.findall(r'\*\*needs\("(\w+)"\)', rule):
            assert rule.startswith(f"{named}:")


def test_who_reads_a_settings_file_has_settings(root):
    text = "".join(path.read_text() for path in (root / "rules").rglob("*.smk"))
    read = set(re.findall(r"/\.store/(\w+)\.settings\.json", text))
    assert read == {name for name, stage in STAGES.items() if stage.methods}


def test_a_pass_that_can_be_shared_has_a_rule_for_its_shards(root):
    """And waits for them; its function is told which share of the works is its own."""
    text = "".join(path.read_text() for path in (root / "rules").rglob("*.smk"))
    made = dict(re.findall(r"^use rule (\w+) as (\w+) with:", text, re.M))
    assert {shard: name for name, shard in made.items()} == SHARDS
    assert set(re.findall(r'shards=shards_of\("(\w+)"\)', text)) == set(made)
    for name in made:
        module, _, function = STAGES[name].run.partition(":")
        assert "share" in inspect.signature(getattr(import_module(module), function)).parameters
        store = STAGES[name].store
        [place] = re.findall(rf'"(results/\S+/shards/{store}\.\S+)"', text)
        filled = place.format(model="tiny", shard=2, shards=3)
        assert filled == Marker("tiny", store, 2, 3).path
