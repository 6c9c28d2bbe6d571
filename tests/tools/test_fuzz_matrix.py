"""The fuzzing tool of students of matrices: it finds no difference, and it would find one."""

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("understudy._fast", reason="the C extension was not built")


@pytest.fixture
def tool(open_tool):
    return open_tool("fuzz_matrix")


def test_some_hundreds_of_strings_have_one_answer(tool):
    differs = tool.fuzz(200, seed=3, level=2)
    assert len(differs) == 12
    assert all(0 < differ.largest <= differ.tolerance for differ in differs)


def test_another_answer_is_noticed(tool):
    vocabulary = sys.modules["fuzz_fast"].vocabularies(["good bad film", "bad good film"] * 3)["words"]
    file, portable, tolerance = tool.make(vocabulary, "int8", np.random.default_rng(0))
    differ = tool.Differ("hybrid.v1", vocabulary, file, portable, level=2, tolerance=tolerance)
    texts = ["good bad film", "film", "zebra", ""]
    differ.compare(texts)
    differ.portable = tool.PortableMatrices(replace(portable.weights, rows=-portable.weights.rows))
    with pytest.raises(SystemExit, match="extension"):
        differ.compare(texts)
