"""The fuzzing tool of taggers: it finds no difference, and it would find one."""

from dataclasses import replace

import pytest

pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture
def tool(open_tool):
    return open_tool("fuzz_tagger")


def test_some_hundreds_of_sentences_have_one_answer(tool):
    differs = tool.fuzz(60, seed=3, level=2)
    assert len(differs) == 18
    assert all(0 < differ.largest <= 1e-4 for differ in differs)


@pytest.mark.parametrize("part", ["numbers", "task", "entries"])
def test_another_answer_is_noticed(tool, part):
    texts = ["good bad film", "Bad good film.", "a bad film"] * 5
    differ = tool.differs_of(texts, (), level=2)[2]
    differ.compare(texts)
    if part == "numbers":
        differ.folded = replace(differ.folded, numbers=-differ.folded.numbers)
    elif part == "task":
        differ.task = tool.Task(tool.LABELS, "tagging", "accuracy")
    else:  # a word that C would leave, but does not
        differ.folded = replace(differ.folded, entries=replace(differ.folded.entries, max_words=1))
        texts = ["a.b.c.d"]
    with pytest.raises(SystemExit, match=r"extension|is not left"):
        differ.compare(texts)
