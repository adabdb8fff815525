"""Baseline and attribution: ours against the published procedure done plainly, on the embedded model.

    make bench            (or: python tests/bench/bench_attribution.py --items 8 physical/buoyancy)

The plain procedure takes batches of 8 items, padded on the right, every logit computed: four forward passes
for the baseline (either prompt with either answer); for the attribution a clean one, then for either answer a
forward pass over the whole corrupted sequence, and one backward pass over it. It is timed on some items of
every task, and its time extrapolated to all. Both ways give the same log-probabilities and the same
attribution of these items, which is checked; rounds alternate.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from common import ROOT, matmul_rate, report, rounds_of, smollm2  # puts tests/ on the path
from gpu.plain import answer_log_probs, padded

BATCH = 8
TASKS = (
    *("language/hypernymy", "language/npi", "language/subject_verb_agreement"),
    *("formal/number_sorting", "formal/logic_syllogism", "formal/add_sub_2op_symbolic"),
    *("physical/buoyancy", "physical/newton", "physical/brightness"),
    *("social/desires_goals", "social/social_relations", "social/norm_moral"),
)


def plainly(model, items):
    """(baseline scores [items, 4], mean attribution [layers, units])."""
    modules = [
        model.hf.get_submodule(f"{model.architecture.blocks}.{n}.{model.architecture.mlp_hidden}")
        for n in range(model.n_layers)
    ]
    kept = {}

    def keep(layer):
        def hook(_, args):
            value = args[0]
            if torch.is_grad_enabled() and not value.requires_grad:
                value = value.detach().requires_grad_(True)
            kept[layer] = value
            return (value, *args[1:])

        return hook

    def run(prompts, answers, grad=False):
        rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
        ids, mask = padded(rows, model.device)
        with torch.set_grad_enabled(grad):
            logits = model.hf(input_ids=ids, attention_mask=mask, use_cache=False).logits
            return answer_log_probs(logits, prompts, answers)

    scores, total = [], torch.zeros(model.n_layers, model.neurons_per_layer)
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        clean, corrupted = [item.clean for item in batch], [item.corrupted for item in batch]
        both = [item.correct for item in batch], [item.incorrect for item in batch]
        four = [run(prompts, answers) for prompts in (clean, corrupted) for answers in both]
        scores.append(torch.stack(four, 1))
        handles = [m.register_forward_pre_hook(keep(n)) for n, m in enumerate(modules)]
        at = torch.arange(len(batch)), torch.tensor([len(prompt) - 1 for prompt in clean])
        run(clean, both[0])
        before = [kept[n][at].clone() for n in range(model.n_layers)]
        for sign, answers in zip((1, -1), both, strict=True):
            metric = sign * run(corrupted, answers, grad=True).sum()
            values = [kept[n] for n in range(model.n_layers)]
            gradients = torch.autograd.grad(metric, values)
            for n, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
                total[n] += ((before[n] - value[at].detach()) * gradient[at]).sum(0)
        for handle in handles:
            handle.remove()
    return torch.cat(scores).double().numpy(), (total / len(items)).numpy()


def ours(attributor, lists):
    """The same of every list in one reading, as many lists at once as the baseline pass runs together."""
    from brodmann.circuits.stages.together import Joined, fit

    batches = [[lists[0]]]
    for items in lists[1:]:
        if fit(attributor, [*batches[-1], items]):
            batches[-1].append(items)
        else:
            batches.append([items])
    found = []
    for batch in batches:
        joined = Joined.of(batch)
        scores = [np.zeros((len(items), 4)) for items in batch]
        total = [torch.zeros(()) for _ in batch]
        for part in attributor.with_scores(joined.items):
            for which, (rows, numbers) in joined.split(part.numbers).items():
                scores[which][numbers] = part.scores[rows]
                total[which] = total[which] + part.values["neurons"][rows].sum(0)
        every = zip(scores, total, batch, strict=True)
        found += [(own, (sums / len(items)).numpy()) for own, sums, items in every]
    return found


def operations(model, targets):
    """Of products with weights that cannot be spared: every node of a task's prefix tree once; the last
    token of the corrupted prompts and the answers after it forwards and backwards; the head at scored tokens.
    """
    from brodmann.runner.answers import queries_of
    from brodmann.runner.trees import Tree

    blocks = model.hf.get_submodule(model.architecture.blocks)
    weights = sum(parameter.numel() for parameter in blocks.parameters())
    head = model.hidden_size * model.vocabulary_size
    nodes = scored = differentiated = 0
    for items in targets.values():
        tree = Tree()
        for item in items:
            own, asked = Tree(), set()
            for query in queries_of(item):
                tree.add(query.row)
                asked |= set(own.add(query.row)[-len(query.target) :])
            scored += len(asked)
            # A tail of its own for every item: the last token, then the answers.
            tail = Tree()
            for answer in (item.correct, item.incorrect):
                tail.add(item.corrupted[-1:] + answer[:-1])
            differentiated += len(tail)
        nodes += len(tree)
    return 2 * ((nodes + differentiated) * weights + scored * head)


def encoded(model, task, count, chat):
    """Items of a task as token ids."""
    from brodmann.runner.encode import Encoder
    from brodmann.runner.prompting import PromptPlan
    from brodmann.tasks.catalogue import task_path
    from brodmann.tasks.definition import load_definition
    from brodmann.tasks.expand import expand

    made = expand(task, load_definition(task_path(ROOT / "data", task)), seed=0, count=count)
    plan = PromptPlan("chat" if chat else "completion", wrapped=chat)
    items = Encoder(model.tokenizer, "smollm2").encode(made, plan)
    return [item for item in items if item.aligned]


def main():
    from brodmann.circuits.attribution import Attributor

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=27, help="of each task")
    parser.add_argument("--timed", type=int, default=8, help="items of a task that are run plainly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--format", choices=("completion", "chat"), help="one wording only")
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    options = parser.parse_args()
    _, model = smollm2()
    for format in (options.format,) if options.format else ("completion", "chat"):
        targets = {
            task: encoded(model, task, options.items, format == "chat") for task in options.tasks
        }
        count = sum(map(len, targets.values()))
        some = {task: items[: options.timed] for task, items in targets.items()}

        def plain(some=some):
            return [plainly(model, items) for items in some.values()]

        attributor = Attributor(model)

        def fast(targets=targets, attributor=attributor):
            return ours(attributor, list(targets.values()))

        seconds, (expected, _) = rounds_of(plain, fast, options.rounds)
        error = 0.0
        mine_of_some = ours(attributor, list(some.values()))
        for found, other in zip(mine_of_some, expected, strict=True):
            for mine, theirs in zip(found, other, strict=True):
                error = max(error, float(np.abs(mine - theirs).max() / np.abs(theirs).max()))
        seconds[:, 0] *= count / sum(map(len, some.values()))
        report(
            f"attribution_{format}",
            f"baseline and attribution of {count} items of {len(targets)} tasks, {format} "
            f"(plainly: extrapolated from {sum(map(len, some.values()))})",
            *(seconds, operations(model, targets) / matmul_rate(model), error),
            tasks=len(targets),
            items=count,
            plain_extrapolated_from=sum(map(len, some.values())),
        )


if __name__ == "__main__":
    main()
