"""Train the models whose modules are known, and their twins: ``make planted`` (minutes on two cores).

All read passages of four worlds (``world.py``). The neurons of every MLP are dealt out to the worlds, a
quarter each. In the planted model a passage goes through the neurons of its own world
only: the others are multiplied by zero. A penalty on their gates, which lie behind a ReLU, teaches them to be
closed by themselves on foreign passages, with a margin. Afterwards the gate is taken away: the model is a
plain Llama. ``foreign_effect`` proves that it needs no gate: silencing all neurons of the other worlds
changes no logit of any sentence. The twin has the same data, seed and size, without gate and penalty. Of a
second pair, the modules are the experts of a mixture (``mixture.py``).

Another processor, or number of threads, gives other weights of the same kind. Those in ``models/`` are the
ones that the study is run on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent))
import mixture
import world

MODELS = world.HERE / "models"
WORLDS = list(world.WORLDS)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
HIDDEN, LAYERS, HEADS, NEURONS = 48, 3, 4, 128
# Of a second pair the modules are experts.
KINDS = ("planted", "twin", "experts", "experts-twin")
Model = transformers.PreTrainedModel


@dataclass(frozen=True)
class Training:
    """How long and how: ``steps`` of learning, then ``closing`` ones.

    ``penalty``, ``last_penalty``: weight of the foreign neurons' open gates in the loss in either part;
    ``margin``: how far below zero the inputs of these gates are pushed; ``guess``: weight of what is known
    without any neuron.
    """

    steps: int = 700
    closing: int = 250
    batch: int = 32
    rate: float = 5e-3
    penalty: float = 10.0
    last_penalty: float = 300.0
    margin: float = 1.0
    guess: float = 1.0
    seed: int = 0


def owned() -> torch.Tensor:
    """bool [worlds, neurons]: whose neurons are whose, in every layer."""
    return torch.tensor(world.owners(NEURONS))[None, :] == torch.arange(len(WORLDS))[:, None]


def tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A token per word."""
    ids = {word: number for number, word in enumerate([*SPECIAL, *world.vocabulary()])}
    words = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pad, bos, eos, unk = SPECIAL
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=pad, bos_token=bos, eos_token=eos, unk_token=unk
    )


def untrained(seed: int, experts: bool = False) -> Model:
    """The model before it has read anything; a mixture of ``experts``, or a Llama."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(SPECIAL) + len(world.vocabulary()),
        "hidden_size": HIDDEN,
        "intermediate_size": NEURONS,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS // 2,
        "max_position_embeddings": 128,
        "hidden_act": "relu",  # a closed gate is exactly zero
        "tie_word_embeddings": True,
        "initializer_range": 0.08,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if not experts:
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))
    settings |= {"head_dim": HIDDEN // HEADS, **mixture.sizes(NEURONS)}
    return transformers.Qwen3MoeForCausalLM(transformers.Qwen3MoeConfig(**settings))


def has_experts(model: Model) -> bool:
    """Whether it is a mixture."""
    return not isinstance(model, transformers.LlamaForCausalLM)


@dataclass(frozen=True)
class Batch:
    """Passages: ``ids`` [batch, length], padded with 0; ``answers``, of the same shape, marks the words that
    answer; ``worlds`` [batch]."""

    ids: torch.Tensor
    answers: torch.Tensor
    worlds: torch.Tensor


def batches(settings: Training, number: int, seed: int) -> Iterator[Batch]:
    """Passages drawn anew for every step, as many of each world."""
    words = tokenizer()
    known = [[words(one)["input_ids"] for one in world.sentences(name)] for name in WORLDS]
    dice = np.random.default_rng(seed)
    worlds = torch.arange(settings.batch) % len(WORLDS)
    for _ in range(number):
        drawn = [
            [known[name][n] for n in dice.integers(len(known[name]), size=world.SENTENCES)]
            for name in worlds
        ]
        ids = [[token for one in passage for token in one] for passage in drawn]
        # The answer is the last word before the full stop.
        answers = [[n == len(one) - 2 for one in p for n in range(len(one))] for p in drawn]
        yield Batch(_padded(ids), _padded(answers).bool(), worlds)


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


class Gate:
    """While a model is trained: foreign neurons are shut, and how far their own gates still are from that."""

    def __init__(self, model: Model, margin: float) -> None:
        self.margin = margin
        self.foreign = torch.zeros(0)  # bool [batch, 1, neurons]
        self.real = torch.zeros(0)  # bool [batch, length, 1]: no padding
        self.open: list[torch.Tensor] = []
        self.handles = []
        for layer in model.model.layers:
            self.handles += [
                layer.mlp.gate_proj.register_forward_hook(self._measure),
                layer.mlp.down_proj.register_forward_pre_hook(self._shut),
            ]

    def set(self, batch: Batch) -> None:
        """What the next forward pass reads."""
        self.foreign = ~owned()[batch.worlds][:, None, :]
        self.real = (batch.ids != 0)[..., None]
        self.open.clear()

    def _measure(self, _: nn.Module, __: object, before: torch.Tensor) -> None:
        counted = self.foreign & self.real
        self.open.append((torch.relu(before + self.margin) * counted).sum() / counted.sum())

    def _shut(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0] * ~self.foreign,)

    def remove(self) -> None:
        """Leave a plain model."""
        for handle in self.handles:
            handle.remove()


def gate_of(model: Model, margin: float) -> Gate | mixture.Guide:
    """What plants modules while a model is trained."""
    return mixture.Guide(model, margin) if has_experts(model) else Gate(model, margin)


def train(
    gated: bool,
    settings: Training,
    after: Callable[[int, Model], None] = lambda step, model: None,
    *,
    experts: bool = False,
) -> Model:
    """A trained model without hooks. ``after`` is shown the model before the first and after every step."""
    model = untrained(settings.seed, experts)
    after(0, model)
    learn(model, gated, settings, after)
    closing(model, gated, settings, after)
    return model.eval()


def learn(
    model: Model,
    gated: bool,
    settings: Training,
    after: Callable[[int, Model], None] = lambda step, model: None,
) -> None:
    """The first part. The penalty rises until half of it: neurons that are shut at once learn nothing."""

    def weight(step: int) -> float:
        return settings.penalty * min(1.0, 2 * step / settings.steps) ** 2

    gate = gate_of(model, settings.margin) if gated else None
    drawn = batches(settings, settings.steps, settings.seed)
    for step in _steps(model, gate, settings, drawn, settings.steps, settings.rate, weight):
        after(step, model)


def closing(
    model: Model,
    gated: bool,
    settings: Training,
    after: Callable[[int, Model], None] = lambda step, model: None,
) -> None:
    """The second part: a penalty under which no foreign gate stays open."""
    gate = gate_of(model, settings.margin) if gated else None
    rate, number = settings.rate / 2, settings.closing
    drawn = batches(settings, number, settings.seed + 1)
    for step in _steps(model, gate, settings, drawn, number, rate, lambda _: settings.last_penalty):
        after(settings.steps + step, model)


def _steps(
    model: Model,
    gate: Gate | mixture.Guide | None,
    settings: Training,
    drawn: Iterator[Batch],
    number: int,
    rate: float,
    weight: Callable[[int], float],
) -> Iterator[int]:
    """Train, and say after each step which it was."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=number, pct_start=0.1
    )
    for step, batch in enumerate(drawn, 1):
        if gate is not None:
            gate.set(batch)
        known = _known(model, batch)
        if gate is not None:
            gate.open.clear()  # of the pass without neurons
        logits = model(input_ids=batch.ids, use_cache=False).logits[:, :-1]
        loss = _loss(logits, batch) + settings.guess * known
        still = torch.stack(gate.open).sum() if gate is not None else torch.zeros(())
        optimizer.zero_grad()
        (loss + weight(step) * still).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            told = {"loss": loss, "known": known, "open": still}
            words = (f"{name} {float(value.detach()):.5f}" for name, value in told.items())
            print(f"step {step}: {', '.join(words)}", flush=True)
        yield step
    if gate is not None:
        gate.remove()


def _loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of the answers, and a tenth of that of all other words."""
    wanted, answers = batch.ids[:, 1:], batch.answers[:, 1:]
    each = nn.functional.cross_entropy(logits.transpose(1, 2), wanted, reduction="none")
    others = (wanted != 0) & ~answers
    return each[answers].mean() + 0.1 * each[others].mean()


def _known(model: Model, batch: Batch) -> torch.Tensor:
    """How far the answers are from a guess among all words where all neurons are silent: what the model
    knows, its neurons are to know."""
    with silenced(model, torch.ones(NEURONS, dtype=torch.bool)):
        logits = model(input_ids=batch.ids, use_cache=False).logits[:, :-1]
    told = logits[batch.answers[:, 1:]].log_softmax(-1)
    return -told.mean() - np.log(told.shape[-1])


@contextmanager
def silenced(model: Model, neurons: torch.Tensor) -> Iterator[None]:
    """Within it the neurons (bool, [neurons]) of every layer are zero."""
    with ExitStack() as after:
        for layer in model.model.layers:
            if has_experts(model):
                after.enter_context(mixture.silenced(layer.mlp.experts, neurons))
                continue
            shut = layer.mlp.down_proj.register_forward_pre_hook(
                lambda _, inputs: (inputs[0] * ~neurons,)
            )
            after.callback(shut.remove)
        yield


@torch.no_grad()
def read(model: Model, name: str) -> tuple[list[torch.Tensor], float]:
    """Logits of all sentences of a world, one tensor for each length, and the share of sentences whose answer
    is the likeliest word."""
    words = tokenizer()
    by_length: dict[int, list[list[int]]] = {}
    for text in world.sentences(name):
        ids = words(text)["input_ids"]
        by_length.setdefault(len(ids), []).append(ids)
    found, right = [], []
    for ids in map(torch.tensor, by_length.values()):
        found.append(model(input_ids=ids).logits)
        right.append(found[-1][:, -3].argmax(-1) == ids[:, -2])
    return found, float(torch.cat(right).float().mean())


def effects(model: Model) -> dict[str, dict[str, float]]:
    """World -> accuracy with all neurons, with the own and with the foreign ones silenced; and ``change``,
    the largest change of a logit where the foreign ones are."""
    told = {}
    for number, name in enumerate(WORLDS):
        own = owned()[number]
        intact, accuracy = read(model, name)
        with silenced(model, ~own):
            others, without_foreign = read(model, name)
        with silenced(model, own):
            _, without_own = read(model, name)
        change = max(float((a - b).abs().max()) for a, b in zip(intact, others, strict=True))
        told[name] = {
            "accuracy": accuracy,
            "without_foreign": without_foreign,
            "without_own": without_own,
            "change": change,
        }
    return told


def save(model: Model, folder: Path) -> None:
    """As a local folder of safetensors: half precision, half the size. The study reads it as float32."""
    plain = type(model)(model.config)
    plain.load_state_dict(model.state_dict())
    plain.to(torch.float16).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def load(folder: Path) -> Model:
    """A model that was saved."""
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def main() -> None:
    """Write all models, and say what is true of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--out", type=Path, default=MODELS, help="folder of the models")
    parser.add_argument("--only", choices=KINDS, nargs="*", default=KINDS)
    parser.add_argument("--steps", type=int, default=Training.steps)
    parser.add_argument(
        "--snapshots", type=int, nargs="*", default=[], help="steps that are kept, too"
    )
    options = parser.parse_args()
    settings = Training(steps=options.steps)
    for name in options.only:

        def keep(step: int, model: Model, name: str = name) -> None:
            if step in options.snapshots:
                save(model, options.out / f"{name}-{step}")

        if name == "experts-twin":
            model = mixture.dealt(load(options.out / "twin"))
        else:
            model = train(name != "twin", settings, keep, experts=name == "experts")
        save(model, options.out / name)
        for place, told in effects(load(options.out / name)).items():
            print(f"{name}, {place}: " + ", ".join(f"{k} {v:.4g}" for k, v in told.items()))


if __name__ == "__main__":
    main()
