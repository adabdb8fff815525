"""What localizers contrast: our texts keep their promises; original files are read, or refused clearly."""

import csv
import json
import math
import re
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest
import yaml

from brodmann.errors import UserError
from brodmann.stimuli.demand import demand_texts
from brodmann.stimuli.nonwords import (
    AVOIDED,
    NONWORDS,
    REJECTED,
    SENTENCES,
    LetterModel,
    Vocabulary,
    is_offensive,
    letter_pairs,
    main,
    make_nonwords,
)
from brodmann.stimuli.reader import INSTRUCTION, load_contrast

WORD_LIST = Path("/usr/share/dict/words")
# Cosine of the counts of letter pairs in sentences and lists (word boundaries being letters); here 0.98.
PAIR_SIMILARITY = 0.95
LETTER_SIMILARITY = 0.99  # here 0.996


@pytest.fixture(scope="module")
def stimuli(root):
    return root / "stimuli"


@pytest.fixture(scope="module")
def sentences(stimuli):
    return (stimuli / SENTENCES).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def nonwords(stimuli):
    return (stimuli / NONWORDS).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def stories(stimuli):
    return {
        kind: yaml.safe_load((stimuli / f"theory_of_mind/{kind}.yaml").read_text())["stories"]
        for kind in ("false_belief", "false_photograph")
    }


def cosine(one, other):
    product = sum(one[key] * other[key] for key in one)
    return product / math.sqrt(
        sum(n * n for n in one.values()) * sum(n * n for n in other.values())
    )


def words_of(lines):
    return [word for line in lines for word in line.split()]


def problems(network, folder, **options):
    with pytest.raises(UserError) as caught:
        load_contrast(network, folder, seed=1, **options)
    lines = [str(problem) for problem in caught.value.problems]
    assert all(line.isprintable() for line in lines)
    return lines


# -- sentences and non-words --


def test_sentences_and_lists_are_twelve_words_in_small_letters(sentences, nonwords):
    assert len(sentences) == len(nonwords) >= 240
    for line in sentences + nonwords:
        assert re.fullmatch(r"[a-z]+( [a-z]+){11}", line), line


def test_no_sentence_resembles_another(sentences):
    content = [{word for word in line.split() if len(word) > 3} for line in sentences]
    for place, one in enumerate(content):
        for other in content[:place]:
            assert len(one & other) / len(one | other) < 0.5, (one, other)
    assert len(set(sentences)) == len(sentences)
    # Varied in how they start, too.
    assert Counter(line.split()[0] for line in sentences)["the"] < len(sentences) / 3


def test_lists_are_as_long_as_sentences_word_by_word(sentences, nonwords):
    for one, other in zip(sentences, nonwords, strict=True):
        assert [len(word) for word in one.split()] == [len(word) for word in other.split()]


def test_letters_of_lists_are_distributed_as_in_sentences(sentences, nonwords):
    def pairs(lines):
        return Counter(pair for word in words_of(lines) for pair in letter_pairs(word))

    assert cosine(pairs(sentences), pairs(nonwords)) > PAIR_SIMILARITY
    letters = Counter("".join(words_of(sentences))), Counter("".join(words_of(nonwords)))
    assert cosine(*letters) > LETTER_SIMILARITY


def test_no_nonword_is_a_word_of_our_texts(sentences, nonwords, stories):
    ours = set(words_of(sentences))
    for entry in [*stories["false_belief"], *stories["false_photograph"]]:
        ours.update(re.findall(r"[a-z]+", f"{entry['story']} {entry['question']}".lower()))
    assert not ours & set(words_of(nonwords))


def test_no_nonword_is_in_the_systems_word_list(nonwords):
    if not WORD_LIST.exists():
        pytest.skip(f"no word list on this machine ({WORD_LIST}; Debian: wamerican)")
    vocabulary = Vocabulary.read([WORD_LIST])
    assert not [word for word in words_of(nonwords) if word in vocabulary]


def test_nonwords_can_be_said_differ_and_offend_nobody(sentences, nonwords):
    model = LetterModel(words_of(sentences))
    counts = Counter(words_of(nonwords))
    for word, count in counts.items():
        assert not is_offensive(word)
        assert re.search(r"[aeiouy]", word)
        if len(word) > 2:
            assert model.accepts(word)
        if len(word) > 3:
            assert count == 1
    for line in nonwords:
        longer = [word for word in line.split() if len(word) > 1]
        assert len(set(longer)) == len(longer)


def test_the_generator_reproduces_the_committed_lists(stimuli, nonwords, tmp_path):
    (tmp_path / "language").mkdir()
    for name in (SENTENCES, REJECTED, AVOIDED):
        (tmp_path / name).write_bytes((stimuli / name).read_bytes())
    main(["--seed", "0", "--folder", str(tmp_path)])
    assert (tmp_path / NONWORDS).read_text().splitlines() == nonwords
    assert (tmp_path / REJECTED).read_bytes() == (stimuli / REJECTED).read_bytes()


def test_what_readers_objected_to_is_replaced(stimuli, nonwords):
    avoided = (stimuli / AVOIDED).read_text().split()
    assert avoided == sorted(set(avoided))
    assert avoided and not set(avoided) & set(words_of(nonwords))


def test_replacing_some_leaves_the_others(sentences):
    some = sentences[:60]
    before = words_of(make_nonwords(some, 1)[0])
    avoided = {word for word in before[::40] if len(word) > 2}
    after = words_of(make_nonwords(some, 1, avoided=avoided)[0])
    assert len(avoided) > 5 and not avoided & set(after)
    for old, new in zip(before, after, strict=True):
        assert (old != new) == (old in avoided)
        assert len(old) == len(new)


def test_words_are_rejected_and_remembered(sentences):
    some = sentences[:60]
    free, none = make_nonwords(some, 1)
    assert not none
    words = Vocabulary(words_of(free)[::5])
    checked, rejected = make_nonwords(some, 1, words=words)
    assert rejected and not [word for word in words_of(checked) if len(word) > 2 and word in words]
    assert make_nonwords(some, 1, rejected=rejected) == (checked, rejected)
    assert make_nonwords(some, 2)[0] != free


def test_words_are_told_apart_neither_by_capitals_nor_accents():
    vocabulary = Vocabulary(["Ångström's", "café", "Ke", "we", "x"])
    assert [word for word in ("angstrom", "cafe", "ke", "we", "x") if word in vocabulary] == [
        "angstrom",
        "cafe",
        "we",
    ]


def test_our_language_contrast(stimuli, sentences, nonwords):
    contrast = load_contrast("language", stimuli, seed=1)
    assert contrast.network == "language"
    assert contrast.positive == tuple(sentences)
    assert contrast.negative == tuple(nonwords)
    assert contrast == load_contrast("language", stimuli, seed=2)


def test_own_sentences_are_checked(tmp_path):
    (tmp_path / "language").mkdir()
    assert problems("language", tmp_path) == [
        f"{tmp_path / SENTENCES}: the file does not exist",
        f"{tmp_path / NONWORDS}: the file does not exist",
    ]
    line = " ".join(["Word"] * 12)
    (tmp_path / SENTENCES).write_text(f"{line}\ntoo short\n\n")
    (tmp_path / NONWORDS).write_bytes(b"\xff\xfe")
    assert problems("language", tmp_path) == [
        f"{tmp_path / SENTENCES}:2: 2 words, not 12",
        f"{tmp_path / SENTENCES}:3: 0 words, not 12",
        f"{tmp_path / NONWORDS}: not a UTF-8 text file (save it as UTF-8)",
    ]
    (tmp_path / SENTENCES).write_text(f"{line}\n{line}\n")
    (tmp_path / NONWORDS).write_text(f"{line}\n")
    [problem] = problems("language", tmp_path)
    assert "2 sentences, but 1 lists of non-words" in problem
    (tmp_path / NONWORDS).write_text(f"{line}\n{line}\n")
    assert load_contrast("language", tmp_path, seed=1).positive == (line.lower(),) * 2


# -- the language localizer's own files --

HEADER = [f"stim{number}" for number in range(1, 16)]


def row(kind, word="Word", **changes):
    cells = dict(zip(HEADER, ["1", *[f"{word}{n}" for n in range(12)], kind, "x"], strict=True))
    return [(cells | changes)[name] for name in HEADER]


def write_run(folder, rows, name="langloc_fmri_run1_stim_set1.csv", header=HEADER):
    folder = folder / "language"
    folder.mkdir(exist_ok=True)
    with open(folder / name, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, *rows])
    return folder / name


def test_original_runs_win_over_ours(stimuli, tmp_path):
    (tmp_path / "language").mkdir()
    for name in (SENTENCES, NONWORDS):
        (tmp_path / name).write_bytes((stimuli / name).read_bytes())
    write_run(tmp_path, [row("S", "One"), row("N", "Blik")])
    write_run(
        tmp_path, [row("N", "Vorm"), row("S", "Two"), []], name="langloc_fmri_run2_stim_set1.csv"
    )
    contrast = load_contrast("language", tmp_path, seed=1)
    assert [text.split()[0] for text in contrast.positive] == ["one0", "two0"]
    assert [text.split()[-1] for text in contrast.negative] == ["blik11", "vorm11"]
    assert all(len(text.split()) == 12 for text in contrast.positive + contrast.negative)
    assert contrast.source.startswith("original files")


def test_a_byte_order_mark_and_other_column_orders_do_no_harm(tmp_path):
    rows = [row("S"), row("N"), row("S"), row("N")]
    path = write_run(tmp_path, [cells[::-1] for cells in rows], "a.csv", HEADER[::-1])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    expected = " ".join(f"word{n}" for n in range(12))
    assert load_contrast("language", tmp_path, seed=1).positive == (expected, expected)


def test_everything_wrong_in_runs_is_said_at_once(tmp_path):
    good = [row("S"), row("N")]
    run = write_run(
        tmp_path, [*good, row("Q"), row("S", stim5=" "), row("N", stim2="a\x07b"), row("N")[:6]]
    )
    other = write_run(
        tmp_path,
        good,
        "langloc_fmri_run2_stim_set3.csv",
        ["x" * (n == 3) + h for n, h in enumerate(HEADER)],
    )
    empty = write_run(tmp_path, [], "more.csv")
    latin = tmp_path / "language/old.csv"
    latin.write_bytes("stim2,caf\xe9".encode("latin-1"))
    (tmp_path / "language/sub.csv").mkdir()
    found = problems("language", tmp_path)
    assert found == [
        f"{tmp_path / 'language'}: run 1 is missing in stim_set 2, 3 (put its CSV file there)",
        f"{tmp_path / 'language'}: run 2 is missing in stim_set 1, 2 (put its CSV file there)",
        f"{run}: row 4: stim14 is 'Q' (S: sentence, N: non-words)",
        f"{run}: row 5: no word in stim5",
        f"{run}: row 6: control characters in the text (remove them)",
        f"{run}: row 7: stim14 is '' (S: sentence, N: non-words)",
        f"{run}: row 7: no word in {', '.join(HEADER[6:13])}",
        f"{other}: missing columns: stim4 (the first row names the columns stim2 .. stim14)",
        f"{empty}: no rows",
        f"{latin}: not a UTF-8 text file (save it as UTF-8)",
        f"{tmp_path / 'language/sub.csv'}: is not a file",
    ]


def test_one_run_alone_is_incomplete(tmp_path):
    write_run(tmp_path, [row("S"), row("N")])
    [problem] = problems("language", tmp_path)
    assert "run 2 is missing in stim_set 1" in problem


def test_unbalanced_runs_and_too_few_rows(tmp_path):
    path = write_run(tmp_path, [row("S"), row("S"), row("N")], "a.csv")
    assert "2 sentences (S), but 1 lists of non-words (N)" in problems("language", tmp_path)[0]
    path.unlink()
    write_run(tmp_path, [row("S"), row("N")], "a.csv")
    assert "give at least two of each" in problems("language", tmp_path)[0]


def test_columns_named_twice_and_hostile_names(tmp_path):
    header = [*HEADER[:-1], "stim14"]
    write_run(tmp_path, [row("S")], "a\nb\x1b[31m.csv", header)
    [problem] = problems("language", tmp_path)
    assert r"a\nb\x1b[31m.csv: columns named twice: stim14" in problem


# -- stories --


def count(text):
    return len(text.split())


def test_stories_are_matched(stories):
    belief, photograph = stories["false_belief"], stories["false_photograph"]
    assert len(belief) == len(photograph) >= 24
    for one, other in zip(belief, photograph, strict=True):
        assert one["answer"] is other["answer"]
        sentences = [len(re.findall(r"[.?]", entry["story"])) for entry in (one, other)]
        assert sentences == [4, 4], one
        assert abs(count(one["story"]) / count(other["story"]) - 1) < 0.08, one
        assert abs(len(one["story"]) / len(other["story"]) - 1) < 0.15, one
        asks_now = [" now " in entry["question"] for entry in (one, other)]
        assert asks_now[0] == asks_now[1] or " thinks " in one["question"]
    for field, size in (("story", count), ("question", count), ("story", len), ("question", len)):
        means = [mean(size(entry[field]) for entry in kind) for kind in (belief, photograph)]
        assert abs(means[0] / means[1] - 1) < 0.05, (field, means)


def test_answers_are_balanced_for_each_kind_of_question(stories):
    for entries in stories.values():
        asks = Counter(
            (bool(re.search(r" (thinks|shows|says) that ", entry["question"])), entry["answer"])
            for entry in entries
        )
        assert asks == {
            (True, True): 8,
            (True, False): 8,
            (False, True): 4,
            (False, False): 4,
        }


def test_no_name_is_in_two_stories(stories):
    texts = [entry["story"] for entries in stories.values() for entry in entries]
    common = set(re.findall(r"\b[a-z]+", " ".join(texts))) | {"while", "guests"}
    common |= {"friday", "saturday", "sunday", "august"}
    names = Counter(
        name
        for text in texts
        for name in set(re.findall(r"\b[A-Z][a-z]+", text))
        if name.lower() not in common
    )
    assert len(names) >= len(texts)
    assert not [name for name, stories_with_it in names.items() if stories_with_it > 1]


MIND = re.compile(
    r"\b(think|thought|believ|know|knew|want|wish|hope|expect|guess|wonder|remember|forg[eo]t|decid|notice|sure"
    r"|surpris|sees?\b|saw\b|hears?\b|heard|assum|suppos|imagin|intend|realiz|understand|aware|doubt|mistak|idea"
    r"|mind|plans? to|tell|told|secret|happy|sad\b|angry|afraid|glad)"
)


def test_photograph_stories_are_about_no_mind(stories):
    for entry in stories["false_photograph"]:
        assert not MIND.search(f"{entry['story']} {entry['question']}".lower()), entry


def test_our_theory_of_mind_contrast(stimuli, stories):
    contrast = load_contrast("theory-of-mind", stimuli, seed=1)
    assert contrast.network == "theory_of_mind"
    for texts, kind in (
        (contrast.positive, "false_belief"),
        (contrast.negative, "false_photograph"),
    ):
        for text, entry in zip(texts, stories[kind], strict=True):
            instruction, story, question, answer = text.split("\n")
            assert instruction == INSTRUCTION
            assert story == f"Story: {' '.join(entry['story'].split())}"
            assert question == f"Question: {entry['question']} True or False?"
            assert answer == f"Answer: {entry['answer']}"


def test_random_answers_are_seeded(stimuli):
    true, one, same, other = (
        load_contrast("theory_of_mind", stimuli, seed=seed, answers=answers)
        for seed, answers in ((1, "true"), (1, "random"), (1, "random"), (2, "random"))
    )
    assert one == same
    assert len({true.sha256, one.sha256, other.sha256}) == 3
    assert "seed 1" in one.source
    for texts in (one.positive, one.negative):
        assert {text.rsplit("Answer: ")[1] for text in texts} == {"True", "False"}


def write_stories(folder, kinds=("story", "question"), numbers=range(1, 11)):
    folder = folder / "theory_of_mind"
    folder.mkdir(exist_ok=True)
    for letter in "bp":
        for number in numbers:
            for kind in kinds:
                text = f"The {kind}\nof {number}{letter}.\n" if kind != "answer" else "true\n"
                (folder / f"{number}{letter}_{kind}.txt").write_text(text)
    return folder


def test_original_stories_are_read(tmp_path):
    folder = write_stories(tmp_path)
    (folder / "10p_question.txt").write_text("In it, ten.\n\nTrue     False\n")
    (folder / "notes.txt").write_bytes(b"\xff")
    contrast = load_contrast("theory_of_mind", tmp_path, seed=1)
    assert len(contrast.positive) == len(contrast.negative) == 10
    assert (
        "Story: The story of 10b.\nQuestion: The question of 10b. True or False?\n"
        in (contrast.positive[-1])
    )
    assert "Question: In it, ten. True False\nAnswer: " in contrast.negative[-1]
    assert "drawn with seed 1" in contrast.source
    write_stories(tmp_path, ["answer"])
    (folder / "3b_answer.txt").write_text("False")
    contrast = load_contrast("theory_of_mind", tmp_path, seed=1)
    assert [text.endswith("True") for text in contrast.positive].index(False) == 2
    assert "drawn" not in contrast.source


def test_everything_wrong_with_original_stories_is_said_at_once(tmp_path):
    folder = write_stories(tmp_path)
    (folder / "2b_question.txt").unlink()
    (folder / "10p_story.txt").unlink()
    (folder / "3p_story.txt").write_text(" \n")
    (folder / "4p_story.txt").write_bytes(b"caf\xe9")
    (folder / "5p_story.txt").write_text("A\x00b")
    assert problems("theory_of_mind", tmp_path) == [
        f"{folder}/2b_question.txt: the file does not exist (each story needs its files)",
        f"{folder}/3p_story.txt: is empty",
        f"{folder}/4p_story.txt: not a UTF-8 text file (save it as UTF-8)",
        f"{folder}/5p_story.txt: control characters in the text (remove them)",
        f"{folder}/10p_story.txt: the file does not exist (each story needs its files)",
    ]


def test_answers_to_original_stories_are_checked(tmp_path):
    folder = write_stories(tmp_path, ("story", "question", "answer"))
    (folder / "1b_answer.txt").write_text("maybe")
    (folder / "1p_answer.txt").unlink()
    assert problems("theory_of_mind", tmp_path) == [
        f"{folder}/1p_answer.txt: the file does not exist (each story needs its files)",
        f"{folder}/1b_answer.txt: 'maybe' is neither True nor False",
    ]


def test_missing_stories_up_to_the_highest_number(tmp_path):
    write_stories(tmp_path, numbers=[*range(1, 11), 12])
    assert len(problems("theory_of_mind", tmp_path)) == 4


def write_yaml(folder, belief, photograph):
    folder = folder / "theory_of_mind"
    folder.mkdir(exist_ok=True)
    (folder / "false_belief.yaml").write_text(belief)
    (folder / "false_photograph.yaml").write_text(photograph)
    return folder


STORY = {"story": "A b.", "question": "C.", "answer": True}


def test_everything_wrong_with_our_format_is_said_at_once(tmp_path):
    bad = [
        STORY | {"answer": "yes"},
        {"story": 3, "qestion": "C.", "answer": False},
        "text",
        STORY | {"story": "a\x07"},
    ]
    folder = write_yaml(
        tmp_path, "stories: !!python/name:os.system\n", json.dumps({"stories": bad, "more": 1})
    )
    where = f"{folder}/false_photograph.yaml"
    belief, *photograph = problems("theory_of_mind", tmp_path)
    assert belief.startswith(f"{folder}/false_belief.yaml:1: not plain data")
    assert photograph == [
        f"{where}: unknown key 'more' (allowed: stories)",
        f"{where}: stories[0].answer: must be true or false, found 'yes'",
        f"{where}: stories[1]: unknown key 'qestion' (did you mean 'question'?)",
        f"{where}: stories[1].story: must be text",
        f"{where}: stories[1].question: missing",
        f"{where}: stories[2]: must be a mapping (with the keys story, question, answer)",
        f"{where}: stories[3].story: control characters in the text (remove them)",
    ]


def test_unbalanced_or_no_stories(tmp_path):
    write_yaml(tmp_path, json.dumps({"stories": [STORY]}), json.dumps({"stories": [STORY] * 2}))
    assert "1 false-belief stories, but 2 others" in problems("theory_of_mind", tmp_path)[0]
    write_yaml(tmp_path, "", "stories: {}")
    found = problems("theory_of_mind", tmp_path)
    assert len(found) == 2 and all("no stories" in problem for problem in found)


# -- multiple demand --


@pytest.mark.parametrize("seed", range(5))
def test_arithmetic_has_the_published_sizes_and_is_right(seed):
    for texts, low, high in zip(demand_texts("arithmetic", seed), (100, 1), (199, 19), strict=True):
        assert len(set(texts)) == 100
        signs = Counter()
        for text in texts:
            match = re.fullmatch(r"Question: Solve (\d+) ([+-]) (\d+)\.\nAnswer: (\d+)", text)
            first, second, result = int(match[1]), int(match[3]), int(match[4])
            assert low <= min(first, second) < max(first, second) <= high
            assert result == (first + second if match[2] == "+" else first - second)
            signs[match[2]] += 1
        assert signs == {"+": 50, "-": 50}


@pytest.mark.parametrize("seed", range(5))
def test_spans_are_reversed_right(seed):
    for texts, length in zip(demand_texts("span", seed), (8, 2), strict=True):
        assert len(set(texts)) == 100
        for text in texts:
            asked, answer = re.fullmatch(r"Question: .*: (.+)\.\nAnswer: (.+)", text).groups()
            assert asked.split()[::-1] == answer.split()
            assert len(set(asked.split())) == length


def test_our_multiple_demand_contrast(tmp_path):
    loaded = {
        (demand, seed): load_contrast("multiple-demand", tmp_path, seed=seed, demand=demand)
        for demand in ("arithmetic", "span")
        for seed in (1, 2)
    }
    assert len({contrast.sha256 for contrast in loaded.values()}) == 4
    one = loaded["span", 2]
    assert one == load_contrast("multiple_demand", tmp_path, seed=2, demand="span")
    assert one.source == "generated: span, seed 2"
    # The same for good: a change here changes everyone's localizer.
    texts = loaded["arithmetic", 1]
    assert texts.positive[0] == FIRST_HARD and texts.negative[0] == FIRST_EASY


FIRST_HARD = "Question: Solve 167 + 171.\nAnswer: 338"
FIRST_EASY = "Question: Solve 15 + 17.\nAnswer: 32"


# -- options --


def test_unknown_options_are_named_at_once(tmp_path):
    assert problems("langage", tmp_path, demand="spam", answers="\n") == [
        "network: no network 'langage' (did you mean 'language'?)",
        "demand: no demand 'spam' (did you mean 'span'?)",
        r"answers: no answers '\n' (allowed: random, true)",
    ]
