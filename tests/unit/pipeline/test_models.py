"""What a model's card says of the way it is run, and what cards of stored checks say that did not note it."""

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

from brodmann.config.load import load_config
from brodmann.files import canonical_json
from brodmann.models.card import ModelCard
from brodmann.pipeline.models import check_model, fetch_weights
from brodmann.store.store import Store, _records


@pytest.fixture
def checked(root, tmp_path, monkeypatch):
    """Check a tiny model of a family for a study: its card. The store is kept."""
    monkeypatch.chdir(tmp_path)

    def check(family):
        if not Path("model").exists():
            save_tiny("model", family)
        config = {
            "models": {"m": {"source": f"path:{tmp_path / 'model'}"}},
            "localizer": {"networks": []},
            "execution": {"device": "cpu", "cache": str(tmp_path / "cache")},
        }
        Path("config.yaml").write_text(json.dumps(config))
        study = load_config([Path("config.yaml")], root=root).study
        fetch_weights(study, "m", "source.json")
        files = {"record_file": "source.json", "store": "store", "output": "model.json"}
        check_model(study, "m", **files, threads=1)
        return ModelCard.read("model.json")

    return check


@pytest.mark.parametrize(
    ("family", "reason"), [("llama", ""), ("bloom", "its code takes no position_ids")]
)
def test_the_card_says_whether_packs_are_taken_and_why_not(checked, family, reason):
    card = checked(family)
    assert card.packs == {"taken": not reason, "reason": reason}
    assert checked(family) == card


def test_a_stored_check_that_did_not_note_it_stands(checked):
    card = checked("llama")
    before = Path("model.json").read_text()
    shards = list(Path("store/check").iterdir())
    [(key, _)] = (record for shard in shards for record in _records(shard))
    with Store(Path("store/check")) as checks:
        facts = json.loads(checks.get(key))
    del facts["packs"]
    for shard in shards:
        shard.unlink()
    with Store(Path("store/check")) as checks:
        checks.put(key, canonical_json(facts))
    again = checked("llama")
    assert again.packs is None and again.identity() == card.identity()
    written = json.loads(before)
    del written["packs"]
    assert json.loads(Path("model.json").read_text()) == written
    ledger = [json.loads(line) for line in Path("store/ledger.jsonl").read_text().splitlines()]
    assert [entry["model_loads"] for entry in ledger] == [1, 0]
