"""The picture of quality against latency."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from finished import WRONG, write_run

ROOT = Path(__file__).parents[2]
MARKS = "<!-- front-picture -->\n<!-- /front-picture -->\n"
MICROSECONDS = {"teacher": 20_000.0, "student": 2.0, "baseline": 150.0}


@pytest.fixture
def tool(tmp_path, monkeypatch, open_tool):
    module = open_tool("front_picture")
    for name, file in (("NUMBERS", "f.json"), ("PICTURE", "f.svg"), ("README", "README.md")):
        monkeypatch.setattr(module, name, tmp_path / file)
    monkeypatch.setattr(module, "latency", lambda row: MICROSECONDS[row.role])
    module.README.write_text(MARKS, encoding="utf-8")
    return module


@pytest.fixture
def runs(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name)
        report = tmp_path / name / "report.json"
        found = json.loads(report.read_text(encoding="utf-8")) | {"machine": {"cpu": "a processor"}}
        report.write_text(json.dumps(found), encoding="utf-8")
    return [str(tmp_path / "a"), str(tmp_path / "b")]


def test_rows_are_kept_as_numbers_without_those_that_were_not_taught(tool, runs):
    tool.main(runs)
    first, second = json.loads(tool.NUMBERS.read_text(encoding="utf-8"))["sets"]
    assert (first["set"], second["set"]) == ("a", "b")
    assert {row["role"] for row in first["rows"]} == set(WRONG) - {"undistilled"}
    assert {"name": "a.v1", "role": "student", "score": 0.9, "us": 2.0} in first["rows"]


def test_the_picture_says_its_numbers_and_is_drawn_again_from_them(tool, runs):
    tool.main(runs)
    first = tool.PICTURE.read_bytes()
    label = ET.fromstring(first).get("aria-label")
    assert "a: " in label
    assert "a.v1 90.0 % in 2 µs" in label
    assert "of a processor." in tool.README.read_text(encoding="utf-8")
    tool.main([])
    assert tool.PICTURE.read_bytes() == first


def test_the_front_holds_what_nothing_quicker_is_as_good_as(tool):
    given = (("a", 3, 0.9), ("b", 1, 0.7), ("c", 2, 0.7), ("d", 2, 0.8), ("e", 4, 0.85))
    rows = [{"name": name, "us": us, "score": score} for name, us, score in given]
    assert [row["name"] for row in tool.front(rows)] == ["b", "d", "a"]


def test_what_is_kept_is_what_is_drawn():
    numbers = json.loads((ROOT / "docs" / "front.json").read_text(encoding="utf-8"))
    svg = (ROOT / "docs" / "front.svg").read_text(encoding="utf-8")
    for each in numbers["sets"]:
        assert f"{each['set']}: " in svg
        assert all(row["name"] in svg for row in each["rows"])
