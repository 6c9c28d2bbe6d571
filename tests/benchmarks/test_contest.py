"""The benchmark's turns: everyone has as many, ratios are paired, and nobody always follows the same one."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "contest.py"


@pytest.fixture(scope="module")
def contest():
    import sys

    spec = importlib.util.spec_from_file_location("contest", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["contest"] = module  # where its dataclasses look up their names
    spec.loader.exec_module(module)
    yield module
    del sys.modules["contest"]


def test_each_turn_begins_with_another(contest):
    seen = []

    def block(name):
        return lambda: seen.append(name) or 2

    found = contest.turns({name: block(name) for name in "abc"}, repeats=3)
    assert "".join(seen) == "abc" + "bca" + "cab" + "abc"
    assert {len(each.wall) for each in found.values()} == {len(each.cpu) for each in found.values()} == {3}


def test_ratios_are_those_of_one_turn(contest):
    found = {
        "slow": contest.Found(wall=[4.0, 40.0, 6.0], cpu=[1.0, 1.0, 1.0]),
        "base": contest.Found(wall=[2.0, 10.0, 2.0], cpu=[1.0, 1.0, 1.0]),
    }
    slow, base = contest.rows(found, "base", "wall")
    assert (slow["ratio"], slow["ratio_range"]) == (3.0, [2.0, 4.0])
    assert (slow["us"], slow["cpu_us"], base["per_s"]) == (6e6, 1e6, 0.5)
    assert contest.ratio([slow, base], "slow", "base") == 3.0
    assert contest.ratio([slow, base], "slow", "base", "cpu") == 1.0
    assert contest.ratio([slow, base], "missing", "base") is None
    assert contest.rows(found, "base", "cpu")[0]["ratio"] == 1.0


@pytest.mark.parametrize("make", ["one_by_one", "at_once"])
def test_blocks_answer_every_text_in_order(contest, make):
    seen = []

    def answer(given):
        seen.extend([given] if isinstance(given, str) else given)

    block = getattr(contest, make)(answer, ["a", "b", "c"], seconds=1e-5)
    seen.clear()
    count = block()
    assert len(seen) == count
    assert seen[:4] == ["a", "b", "c", "a"][:count]


def test_a_table_is_printed(contest, capsys):
    found = contest.turns({"base": lambda: 1, "other": lambda: 1}, repeats=2)
    contest.show("Title", contest.rows(found, "base", "cpu"), "base", rate=True)
    contest.show("Title", contest.rows(found, "base", "wall"), "base")
    said = capsys.readouterr().out
    assert "Title; ratios to 'base'" in said
    assert "/s" in said
    assert "µs" in said
