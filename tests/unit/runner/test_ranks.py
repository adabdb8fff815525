"""Models that two processes share, against the same models in one; on the CPU, through gloo."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_mixtures import MIXTURES
from tiny_models import FAMILIES, tiny_model

from brodmann.errors import UserError
from brodmann.models.split import PROVED, refusal, require_split
from brodmann.runner.encode import Ids
from brodmann.runner.queries import Past, Query
from brodmann.runner.ranks.leader import Ranks
from brodmann.runner.ranks.sent import Call, Packer, Unpacker
from brodmann.runner.ranks.share import Share
from brodmann.runner.trees import Tree

# Norms of heads. Among the others: an embedding that is the head, projections put together again, biases.
FAST = ("qwen3",)
OTHERS = (
    *(
        "gemma2",
        "llama",
        "mistral",
        "qwen2",
        "olmo",
        "olmo2",
        "olmo3",
        "gemma3",
        "phi",
        "phi3",
        "glm",
        "glm4",
    ),
    *("gpt-neox", "granite", "cohere", "starcoder2", "smollm3", "ministral", "cohere2", "exaone4"),
    *("helium", "seed-oss", "ernie"),
)
EXPERTS = ("mixtral", "qwen3-moe", "qwen2-moe", "olmoe")


def python(root, *command, timeout=500):
    """A process that leads: it imports transformers in another way than tests do."""
    path = os.pathsep.join([str(root / "src"), str(root / "tests")])
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    "families",
    [
        FAST,
        *(
            pytest.param((family,), marks=pytest.mark.slow)
            # torch multiplies by experts in no float64.
            for family in (*OTHERS, *(f"{own}:float32" for own in EXPERTS), "llama:bfloat16")
        ),
    ],
)
def test_every_measurement_is_that_of_one_process(root, families):
    done = python(root, str(root / "tests" / "shared_model.py"), *families)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": the same\n") == len(families)


# What goes wrong


def fault(root, end):
    return python(root, "-c", f"import rank_faults; rank_faults.main({end!r})", timeout=120)


@pytest.mark.parametrize("end", ["killed", pytest.param("waiting", marks=pytest.mark.slow)])
def test_a_rank_that_fails_ends_no_other_way_than_with_a_line(root, end):
    done = fault(root, end)
    assert done.returncode == 0 and done.stdout.endswith("as expected\n"), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("idle", "ERROR: models.m: rank 1 was killed (SIGKILL) ("),
        (
            "alone",
            "ERROR: models.m: rank 1 ran out of memory (set a smaller execution.batch_tokens",
        ),
    ],
)
def test_a_rank_that_fails_where_the_leader_cannot_notice_ends_the_job(root, end, line):
    done = fault(root, end)
    assert done.returncode == 1, done.stdout
    assert line in done.stdout


@pytest.mark.slow
def test_followers_end_with_their_leader(root):
    done = fault(root, "leader")
    assert done.returncode == -9, done.stdout
    follower = int(done.stdout.split()[-1])
    deadline = time.monotonic() + 30
    while Path(f"/proc/{follower}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# What is sent


class Leading(Ranks):
    """Knows what followers have, without any."""

    def __init__(self) -> None:
        self.model, self._known, self._numbers, self._dropped = object(), {}, 0, []

    def call(self, *arguments):
        packed = Packer(self).packed(arguments)
        dropped = tuple(self._dropped)
        self._dropped.clear()
        return Call(1, "", packed, dropped, self._numbers)


def grown(rows: list[Ids], past: Tree | None = None) -> Tree:
    tree = Tree(past)
    for row in rows:
        tree.add(row)
    return tree


def test_a_tree_is_sent_once_and_again_when_it_has_grown():
    leader, follower = Leading(), Unpacker(None)
    tree = grown([(1, 2), (1, 3)])
    [first] = follower.arguments(leader.call(tree))
    assert first.tokens == [1, 2, 3]
    second = leader.call(Query(tree))
    assert len(second.arguments) < 600
    assert follower.arguments(second)[0].tree is first
    tree.add((1, 2, 4))
    assert follower.arguments(leader.call(tree))[0].tokens == [1, 2, 3, 4]


def test_what_a_call_left_is_known_by_its_number_until_the_leader_drops_it():
    leader, follower = Leading(), Unpacker(None)
    tree = grown([(1, 2)])
    call = leader.call(tree)
    [theirs] = follower.arguments(call)
    ours, left = Past(tree), Past(theirs)
    follower.keep(call.first, [left])
    leader.know(ours)
    more = grown([(5,)], past=tree)
    [query] = follower.arguments(leader.call(Query(more, past=ours)))
    assert query.past is left and query.tree.past is theirs
    del ours, query
    gc.collect()
    assert len(follower._kept) == 3
    follower.arguments(leader.call(tree))
    assert len(follower._kept) == 2


def test_a_rank_takes_its_own_of_an_edit(monkeypatch):
    dimensions, values = torch.tensor([0, 7, 8, 15]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert Share.of(16, torch.zeros(2, 16)) == Share(16, 0, 16)
    for rank, its in enumerate(([1.0, 2.0], [3.0, 4.0])):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        share = Share.of(16, torch.zeros(2, 8))
        which, within = share.own(dimensions)
        assert (within.tolist(), values[which].tolist()) == ([0, 7], its)


# What cannot be shared


def config_of(family):
    return tiny_model(FAMILIES.get(family) or MIXTURES[family]).config


@pytest.mark.parametrize(
    ("family", "shares", "why"),
    [
        ("gpt2", 2, "no tensor-parallel plan for the family gpt2"),
        ("falcon", 2, "no tensor-parallel plan"),
        ("chatglm", 2, "no tensor-parallel plan"),
        ("deepseek-v2", 2, "splits by mla_kv_a_proj, which is not supported"),
        ("llama", 3, "4 attention heads cannot be divided among 3 GPUs"),
        ("llama", 4, "2 key-value heads cannot be divided among 4 GPUs"),
        ("gemma", 2, "1 key-value heads cannot be divided among 2 GPUs"),
        ("phi3", 4, ""),  # every rank has all keys
        ("llama", 2, ""),
    ],
)
def test_what_cannot_be_shared_is_refused(family, shares, why):
    found = refusal(config_of(family), shares)
    assert why in found and bool(found) == bool(why)


def test_neurons_that_cannot_be_divided_are_told():
    config = config_of("llama")
    config.intermediate_size = 49
    assert refusal(config, 2) == "49 MLP neurons cannot be divided among 2 GPUs"


def test_a_refusal_names_the_other_way(tmp_path):
    config_of("gpt2").save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"models\.m\.parallel: .* \(set parallel: layers\)"):
        require_split(tmp_path, "m", 2, False)


def test_every_way_of_splitting_that_is_accepted_was_compared():
    compared = {
        style
        for family in (*FAST, *OTHERS, *EXPERTS)
        for style in config_of(family).get_text_config().base_model_tp_plan.values()
    }
    # The embedding's is transformers' own addition to every plan.
    assert compared | {"embedding_rowwise"} == PROVED
