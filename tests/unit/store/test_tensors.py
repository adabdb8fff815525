"""Results as safetensors: what the library itself reads from them, and what is damaged."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from brodmann.errors import UserError
from brodmann.store.tensors import facts_of, metadata_of, read_tensor, read_tensors, write_tensors

TENSORS = {"scores": np.arange(6, dtype=np.float32).reshape(2, 3), "units": np.array([4, -1])}
METADATA = {"n": 3, "site": "heads", "shares": [0.5, None], "facts": {"loss": 0.25}, "digits": "12"}


@pytest.fixture
def path(tmp_path):
    write_tensors(tmp_path / "t.safetensors", TENSORS, METADATA)
    return tmp_path / "t.safetensors"


def test_the_library_reads_what_was_written(path):
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            found = file.get_tensor(name)
            assert found.dtype == tensor.dtype and found.tolist() == tensor.tolist()
        texts = file.metadata()
    assert texts["site"] == "heads" and json.loads(texts["shares"]) == [0.5, None]


def test_tensors_and_metadata_come_back(path):
    found = read_tensors(path)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in TENSORS.items()
    }
    assert read_tensor(path, "units").tolist() == [4, -1]
    # A text that is a number in JSON is one: the format has only texts.
    assert metadata_of(path) == {**METADATA, "digits": 12}
    record = path.read_bytes()
    assert facts_of(record) == {"loss": 0.25} and facts_of(record, "n") == 3


def test_a_tensor_that_is_not_there_and_damage_get_a_line(path, tmp_path):
    with pytest.raises(UserError, match=r"t\.safetensors: is incomplete"):
        read_tensor(path, "masks")
    content = path.read_bytes()
    for damaged in (content[:-1], content[:20], b"", b"\xff" * 40):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"t\.safetensors: is damaged"):
            read_tensors(path)
    for damaged in (content[:20], b"", b"\x02" + bytes(7) + b"{}", b"\xff" * 40):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"t\.safetensors: is damaged"):
            metadata_of(path)
    path.write_bytes(save(TENSORS))  # nobody's: without metadata
    with pytest.raises(UserError, match=r"t\.safetensors: is damaged"):
        metadata_of(path)
