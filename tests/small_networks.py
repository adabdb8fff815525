"""Networks of two small datasets in a cloned study."""

import numpy as np

from brodmann.networks.maps import Networks

FOLDER = "results/tiny/networks"


SETTINGS = {
    "group_samples": 6,
    "individual_samples": 4,
    "group_components": 3,
    "individual_components": 4,
    "individual_kept": "all",
    "restarts": 3,
    "max_tokens": 20,
}


def configure(study, **more):
    """Two datasets of a user's own; returns how long the ledger is."""
    for name, words in (("sea", "ship wave gull salt"), ("land", "tree field plough road")):
        folder = study.path / "texts" / name
        folder.mkdir(parents=True, exist_ok=True)
        dice = np.random.default_rng(len(words))
        for n in range(12):
            text = " ".join(dice.choice(words.split(), 14 + n))
            (folder / f"{n:02d}.txt").write_text(text)
    config = study.config()
    config["networks"] = {
        "datasets": {"sea": "texts/sea", "land": "texts/land"},
        **SETTINGS,
        **more,
    }
    study.write_config(config)
    return len(study.ledger())


def templates(study, name="sea"):
    return Networks.load(study.path / FOLDER / name / "templates.safetensors")
