"""Prompts and answers become the token ids that SPEC prescribes."""

import pytest
from tiny_models import CHAT_TEMPLATE, tiny_tokenizer

from brodmann.config.models import Prompting
from brodmann.errors import UserError
from brodmann.runner.encode import Encoder
from brodmann.runner.prompting import PromptPlan, plan_prompts, resolved_format
from brodmann.tasks.items import Item, TaskItems

COMPLETION = Item("The cat", "The cats", " sits", " sit")
CHAT = Item("Cat or cats?", "Cats or cat?", "sits", "sit")


def task(**changes):
    values = {
        "task": "language/x",
        "wordings": {"completion": [COMPLETION], "chat": [CHAT]},
        **changes,
    }
    return TaskItems(**values)


def prompting(format="auto", chat_template="auto", system="", bos="none"):
    return Prompting(format, chat_template, system, bos)


def text_of(tokenizer, ids):
    return tokenizer.decode(list(ids), skip_special_tokens=False)


@pytest.mark.parametrize(
    ("format", "has_template", "expected"),
    [
        ("auto", True, "chat"),
        ("auto", False, "completion"),
        ("chat", False, "chat"),
        ("completion", True, "completion"),
    ],
)
def test_format(format, has_template, expected):
    assert resolved_format(format, has_template) == expected


def test_precedence_of_wording():
    """force_base_evaluation > the model's format > auto; only chat wording is ever wrapped."""
    forced = task(force_base_evaluation=True)
    assert plan_prompts(forced, prompting("chat"), True) == PromptPlan("completion", False)
    assert plan_prompts(task(), prompting("completion"), True) == PromptPlan("completion", False)
    assert plan_prompts(task(), prompting(), True) == PromptPlan("chat", True, system="")
    assert plan_prompts(task(), prompting(), False) == PromptPlan("completion", False)
    assert plan_prompts(task(), prompting("chat", "none"), True) == PromptPlan("chat", False)
    assert plan_prompts(task(), prompting("chat"), False) == PromptPlan("chat", False)


def test_published_tasks_have_one_wording_which_serves_as_raw_text_too():
    published = task(wordings={"chat": [CHAT]})
    assert plan_prompts(published, prompting("completion"), True) == PromptPlan("chat", False)
    assert plan_prompts(published, prompting("chat"), True) == PromptPlan("chat", True, system="")
    forced = task(wordings={"chat": [CHAT]}, force_base_evaluation=True)
    assert plan_prompts(forced, prompting("chat"), True) == PromptPlan("chat", False)


def test_settings_that_do_not_matter_are_not_in_the_plan():
    raw = plan_prompts(task(), prompting("completion", system="a"), True)
    assert raw == plan_prompts(task(), prompting("completion", system="b"), True)
    wrapped = plan_prompts(task(), prompting("chat", bos="model"), True)
    assert wrapped == plan_prompts(task(), prompting("chat", bos="none"), True)


def test_raw_text_gets_no_special_token_and_answers_are_never_merged():
    tokenizer = tiny_tokenizer()
    [item] = Encoder(tokenizer, "m").encode(task(), PromptPlan("completion", False))
    assert text_of(tokenizer, item.clean + item.correct) == "The cat sits"
    assert item.clean == tuple(tokenizer("The cat", add_special_tokens=False)["input_ids"])
    assert text_of(tokenizer, item.incorrect) == " sit"
    assert not item.aligned


def test_bos_model_starts_raw_text_with_it():
    tokenizer = tiny_tokenizer()
    [item] = Encoder(tokenizer, "m").encode(task(), PromptPlan("completion", False, bos=True))
    assert item.clean[0] == tokenizer.bos_token_id == item.corrupted[0]
    assert text_of(tokenizer, item.clean[1:]) == "The cat"
    tokenizer.bos_token = None
    with pytest.raises(UserError, match=r"models\.m\.bos: the tokenizer has no BOS token"):
        Encoder(tokenizer, "m").encode(task(), PromptPlan("completion", False, bos=True))


def test_chat_wraps_an_empty_system_turn_and_one_user_turn():
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE)
    [item] = Encoder(tokenizer, "m").encode(task(), PromptPlan("chat", True, system=""))
    assert text_of(tokenizer, item.clean) == (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nCat or cats?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    # The template's own markers are single special tokens, not spelt out.
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") == item.clean[0]


def test_system_text_and_no_system_turn():
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE)
    encoder = Encoder(tokenizer, "m")
    [item] = encoder.encode(task(), PromptPlan("chat", True, system="Be brief."))
    assert "system\nBe brief.<|im_end|>" in text_of(tokenizer, item.clean)
    [item] = encoder.encode(task(), PromptPlan("chat", True, system=None))
    assert text_of(tokenizer, item.clean).startswith("<|im_start|>user")


def test_a_template_that_refuses_a_system_turn_gets_none(caplog):
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + CHAT_TEMPLATE
    )
    tokenizer = tiny_tokenizer(refusing)
    [item] = Encoder(tokenizer, "m").encode(task(), PromptPlan("chat", True, system=""))
    assert text_of(tokenizer, item.clean).startswith("<|im_start|>user")
    assert caplog.text.count("takes no system turn") == 1


def test_single_answer_items_have_no_second_answer():
    single = task(wordings={"chat": [Item("a", "b", "c")]}, single_answer=True)
    [item] = Encoder(tiny_tokenizer(), "m").encode(single, PromptPlan("chat", False))
    assert item.incorrect is None and item.aligned


def test_a_text_without_tokens_names_task_and_item():
    empty = task(wordings={"chat": [CHAT, Item("a", "b", "", "c")]})
    with pytest.raises(UserError, match="language/x, item 1: the correct text has no tokens"):
        Encoder(tiny_tokenizer(), "m").encode(empty, PromptPlan("chat", False))
