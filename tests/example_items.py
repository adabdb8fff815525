"""Items of every shape for models with the tiny tokenizer, and their attribution."""

from brodmann.circuits.attribution import Attributor
from brodmann.runner.encode import EncodedItem


def ids(text):
    return tuple(5 + byte for byte in text.encode())


def item(clean, corrupted, correct, incorrect):
    return EncodedItem(ids(clean), ids(corrupted), ids(correct), incorrect and ids(incorrect))


ITEMS = [
    item("the cat sat", "the dog sat", "x", "y"),  # one-token answers
    item("a cat is in", "a dog is in", "ab", "cd"),  # longer ones
    item("no cat is up", "no dog is up", "abc", "q"),  # of unequal length
    item("no cow is up", "no pig is up", "same", "song"),
    item("two", "ten", "x", "z"),
    item("bat", "cat", "x", "yz"),  # nothing shared
    item("ham", "hat", "x", "y"),  # the last token differs
    item("I", "a", "x", "y"),  # one token
]


SINGLE = [item("the cat sat", "the dog sat", answer, None) for answer in ("x", "abc")]


def attribute(model, items, **options):
    attributor = Attributor(model, components=("neurons", "heads"), **options)
    result = {}
    for part in attributor.contributions("language/t", items):
        for component, values in part.values.items():
            for number, value in zip(part.numbers, values, strict=True):
                result[component, number] = value
    return result
