"""The fuzzing tool of weighted bags: it finds no difference, and it would find one."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture
def tool(open_tool):
    return open_tool("fuzz_bags")


def test_some_hundreds_of_strings_have_one_answer(tool):
    differs = tool.fuzz(200, seed=3, level=2)
    assert len(differs) == 12
    assert all(0 < differ.largest <= tool.TOLERANCE for differ in differs)


@pytest.mark.parametrize("part", ["rows", "squares", "grams"])
def test_another_answer_is_noticed(tool, part):
    differ = _differ(tool)
    texts = list(itertools.islice(tool.strings(["good", "bad", "film"], np.random.default_rng(0)), 50))
    differ.compare(texts)
    weights = differ.portable.weights
    changed = -getattr(weights, part) if part != "grams" else weights.grams[::-1].copy()
    differ.portable = tool.PortableBag(replace(weights, **{part: changed}))
    with pytest.raises(SystemExit, match="extension"):
        differ.compare(texts)


def _differ(tool):
    vocabulary = tool.vocabularies(["good bad film", "bad good film", "film film good"] * 3)["words"]
    grams = tool.frequent_grams(vocabulary, ["good bad film", "bad good", "film film good bad"])
    weights = tool.draw("dan.v2", len(vocabulary), grams, np.random.default_rng(0))
    file = tool.pack_bag(tool.rule_for("dan.v2", vocabulary), weights)
    return tool.Differ("dan.v2", vocabulary, file, tool.PortableBag(weights), level=2)
