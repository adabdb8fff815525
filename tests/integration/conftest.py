"""The shipped study and its embedded model, SmolLM2, on all cores."""

import os

import pytest
import torch

from brodmann.config.load import load_config
from brodmann.models.cache import Cache
from brodmann.models.load import load_model
from brodmann.models.sources import fetch, locate


@pytest.fixture(scope="module")
def study(root):
    return load_config([root / "config.yaml"], root=root).study


@pytest.fixture(scope="module")
def weights(study):
    entry = study.model("smollm2")
    cache = Cache()
    return locate(entry, cache, fetch(entry, cache))


@pytest.fixture(scope="module")
def model(weights):
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield load_model(weights, name="smollm2")
    torch.set_num_threads(threads)
