"""Section *ingredients*: what packed prompts, traces and the LM head cost, and profiles of two batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gpu.circuits import baselines, rate, shared, targets_of
from gpu.clock import Budget, median_seconds, stage
from gpu.report import Report
from gpu.subject import Subject

LENGTHS, SMALL_LENGTHS = (1024, 2048, 4096, 8192), (64, 128)
POSITIONS = 512
COMPARED = 64  # positions whose logits are compared with those of a float64 head
REPLICATES = 120
FLEX_LENGTH = 4096  # of one length: compiling takes longer than all the rest


def ingredients(report: Report, budget: Budget, setting: Any) -> None:
    """Section g."""
    subject = shared(report, setting)
    tasks = baselines(report, subject, budget.part(0.3 * budget.seconds), setting)
    for part in (
        lambda: _profiles(report, subject, tasks, setting),
        lambda: _forwards(report, subject, setting, budget),
        lambda: _head(report, subject, setting),
        lambda: _sums(report, setting),
    ):
        try:  # each tells something by itself
            part()
        except Exception as problem:
            import traceback

            print(traceback.format_exc(), flush=True)
            report.add("ingredients", f"broke off: {type(problem).__name__}: {problem}"[:200], "-")


def _profiles(report: Report, subject: Subject, tasks: list[str], setting: Any) -> None:
    """Tables of torch's profiler: the twelve kinds of work that take most time, on either side."""
    from torch.profiler import ProfilerActivity, profile

    subject.random_masks(tasks)
    target = targets_of(subject, tasks)[0]
    few = {"max_items": 2 if setting.small else 8, "layer_matched_trials": 0, "random_trials": 1}
    sources = tasks[: 2 if setting.small else 12]
    runs: dict[str, Callable[[], object]] = {
        "attribution": lambda: subject.attribution(sources, store="-profile"),
        "ablation": lambda: subject.ablation(target, sources, few, store="-profile"),
    }
    cuda = setting.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    for name, run in runs.items():
        with stage(f"profile of {name}"), profile(activities=kinds) as found:
            run()
            if cuda:
                torch.cuda.synchronize()
        averages = found.key_averages()
        orders = (["self_device_time_total"] if cuda else []) + ["self_cpu_time_total"]
        tables = [averages.table(sort_by=order, row_limit=12) for order in orders]
        (setting.out / f"profile_{name}.txt").write_text("\n\n".join(tables), encoding="utf-8")
        report.add("ingredients", f"profile of {name}", f"profile_{name}.txt")
        if cuda:
            busy = sum(getattr(one, "self_device_time_total", 0) for one in averages) / 1e6
            host = sum(one.self_cpu_time_total for one in averages) / 1e6
            report.add("ingredients", f"{name}: device busy while profiled", busy, "s")
            report.add("ingredients", f"{name}: host busy while profiled", host, "s")


def _forwards(report: Report, subject: Subject, setting: Any, budget: Budget) -> None:
    """One sequence through the decoder, without a head: how attention is masked, and who runs it."""
    model = subject.model
    trunk = model.hf.base_model
    for length in SMALL_LENGTHS if setting.small else LENGTHS:
        if budget.left <= 0:
            break
        ids = torch.randint(1, 200, (1, length), device=setting.device)
        mask = packed_mask(length, 64, model.dtype, setting.device)
        places = torch.arange(length, device=setting.device)[None] % 64
        runs: dict[str, Callable[[], object]] = {
            "causal": lambda: trunk(input_ids=ids, use_cache=False),  # noqa: B023
            "dense mask": lambda: trunk(
                input_ids=ids,  # noqa: B023
                attention_mask=mask,  # noqa: B023
                position_ids=places,  # noqa: B023
                use_cache=False,
            ),
            "traced": lambda: _traced(model, ids),  # noqa: B023
        }
        operations = 2 * subject.shape.layers * subject.shape.block_parameters * length
        for name, run in runs.items():
            with torch.no_grad():
                seconds = median_seconds(run, rounds=3, warm=1)
            what = f"{length} tokens, {name}"
            report.add("ingredients", what, seconds * 1e3, "ms")
            report.add(
                "ingredients", f"{what}: share of the rate", operations / seconds / rate(setting)
            )
        _attentions(report, subject, setting, length)


def packed_mask(length: int, each: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Additive [1, 1, length, length]: sequences of ``each`` tokens side by side, none sees another."""
    rows = torch.arange(length, device=device)
    seen = (rows[:, None] >= rows) & (rows[:, None] // each == rows // each)
    mask = torch.zeros(length, length, dtype=dtype, device=device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]


def _traced(model: Any, ids: torch.Tensor) -> None:
    """The same forward pass through nnsight; it stops before the head."""
    with model.nn.trace({"input_ids": ids}, use_cache=False) as tracer:
        model.module("block_output", model.n_layers - 1).get().detach()
        tracer.stop()


def _attentions(report: Report, subject: Subject, setting: Any, length: int) -> None:
    """Attention alone, of one layer: kinds of masks, and FlexAttention's blocks where it works."""
    own, device = subject.model.widths, setting.device
    dtype = subject.model.dtype
    shape = (1, own.heads, length, own.head_dim)
    query, key, value = (torch.randn(shape, device=device, dtype=dtype) for _ in range(3))
    mask = packed_mask(length, 64, dtype, device)
    attend = torch.nn.functional.scaled_dot_product_attention
    times = {
        "causal": median_seconds(lambda: attend(query, key, value, is_causal=True)),
        "dense mask": median_seconds(lambda: attend(query, key, value, attn_mask=mask)),
    }
    if device.type == "cuda" and length == FLEX_LENGTH:
        try:
            times["FlexAttention, blocks"] = _flex(query, key, value, length)
        except Exception as problem:  # compiling it needs more than every image has
            print(f"  FlexAttention: {type(problem).__name__}: {problem}"[:300], flush=True)
    for name, seconds in times.items():
        report.add(
            "ingredients", f"attention of a layer, {length} tokens, {name}", seconds * 1e3, "ms"
        )


def _flex(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, length: int) -> float:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def own(_: Any, __: Any, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        return (row >= column) & (row // 64 == column // 64)

    blocks = create_block_mask(own, None, None, length, length, device=query.device)
    compiled = torch.compile(flex_attention)
    return median_seconds(lambda: compiled(query, key, value, block_mask=blocks))


def _head(report: Report, subject: Subject, setting: Any) -> None:
    """The LM head at scored positions: as brodmann computes it (float32), and in bf16."""
    head = subject.model.hf.get_output_embeddings()
    hidden = torch.randn(
        POSITIONS, subject.model.hidden_size, device=setting.device, dtype=subject.model.dtype
    )
    with torch.no_grad():
        wide = median_seconds(lambda: head(hidden))
        narrow = median_seconds(lambda: torch.nn.functional.linear(hidden, head.weight))
    watched = hidden.float().requires_grad_(
        True
    )  # its gradient is not rounded to the model's dtype
    logits = head(watched)
    upstream = torch.randn_like(logits)
    back = median_seconds(lambda: torch.autograd.grad(logits, watched, upstream, retain_graph=True))
    report.add("ingredients", f"LM head of {POSITIONS} positions, float32", wide * 1e3, "ms")
    report.add("ingredients", f"LM head of {POSITIONS} positions, bf16", narrow * 1e3, "ms")
    report.add(
        "ingredients", f"LM head of {POSITIONS} positions, float32: gradient", back * 1e3, "ms"
    )
    gradient = torch.autograd.grad(logits, watched, upstream)[0][:COMPARED]
    with torch.no_grad():
        given, weight = hidden[:COMPARED], head.weight.double()
        forwards = _apart(head(given), given.double() @ weight.T)
        backwards = _apart(gradient, upstream[:COMPARED].double() @ weight)
    for what, error in (("logits", forwards), ("gradient", backwards)):
        report.add("ingredients", f"LM head, float32 against float64: {what}", error, most=1e-5)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((found.double() - expected).abs().max() / expected.abs().max())


def _sums(report: Report, setting: Any) -> None:
    """Replicates that are summed on the device, batch by batch, against float64; the strongest of each."""
    from brodmann.circuits.replicates import Accumulator, Strongest

    shape, items, batch = (4, 1000), 64, 16
    weights = torch.rand(REPLICATES, items)
    values = torch.randn(items, *shape, device=setting.device)
    sums = Accumulator(weights.numpy(), shape, setting.device)
    for start in range(0, items, batch):
        numbers = list(range(start, start + batch))
        sums.add(numbers, values[numbers])
    flat = values.cpu().double().flatten(1)
    found = {
        "mean": (sums.mean.reshape(-1), flat.mean(0)),
        "replicates": (sums.replicates.cpu(), weights.double() @ flat),
    }
    for what, (own, expected) in found.items():
        error = _apart(torch.as_tensor(own), expected)
        report.add("ingredients", f"sums of items against float64: {what}", error, most=1e-5)
    there = Strongest.of(sums.replicates).tensors("there").values()
    here = Strongest.of(sums.replicates.cpu().numpy()).tensors("here").values()
    other = sum(int((a != b).sum()) for a, b in zip(there, here, strict=True))
    report.add("ingredients", "strongest of replicates that the host has not", other, most=0)
