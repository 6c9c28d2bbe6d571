"""The fuzzing tool of folded convolutions: it finds no difference, and it would find one."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture
def tool(open_tool):
    return open_tool("fuzz_cnn")


def test_some_hundreds_of_strings_have_one_answer(tool):
    differs = tool.fuzz(200, seed=3, level=2)
    assert len(differs) == 12
    assert all(0 < differ.largest <= 1e-4 for differ in differs)


@pytest.mark.parametrize("part", ["numbers", "steps"])
def test_another_answer_is_noticed(tool, part):
    vocabulary = sys.modules["fuzz_fast"].vocabularies(["good bad film", "bad good film"] * 3)["words"]
    folded = tool.fold(tool.draw(len(vocabulary), np.random.default_rng(0)), "int8")
    file = tool.pack_folded(tool.rule_for("kim-cnn.v1", vocabulary), folded)
    differ = tool.Differ("kim-cnn.v1", vocabulary, file, tool.PortableCNN(folded), level=2)
    drawn = sys.modules["fuzz_fast"].strings(["good", "bad", "film"], np.random.default_rng(0))
    texts = list(itertools.islice(drawn, 50))
    differ.compare(texts)
    differ.portable = tool.PortableCNN(replace(folded, **{part: -getattr(folded, part)}))
    with pytest.raises(SystemExit, match="extension"):
        differ.compare(texts)
