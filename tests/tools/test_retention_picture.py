"""The picture of what students keep of their teachers, before and now."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from finished import write_run

ROOT = Path(__file__).parents[2]
MARKS = "<!-- retention-picture -->\n<!-- /retention-picture -->\n"


@pytest.fixture
def tool(tmp_path, monkeypatch, open_tool):
    module = open_tool("retention_picture")
    for name, file in (("NUMBERS", "r.json"), ("PICTURE", "r.svg"), ("README", "README.md")):
        monkeypatch.setattr(module, name, tmp_path / file)
    module.README.write_text(MARKS, encoding="utf-8")
    return module


@pytest.fixture
def runs(tmp_path):
    """Two versions: in the old one a student was worse taught, and one set has but an old run."""
    write_run(tmp_path / "old" / "a", dev=(0.8, 0.9), student=60, undistilled=50)
    write_run(tmp_path / "old" / "b")
    write_run(tmp_path / "new" / "a")
    return [str(tmp_path / "old"), str(tmp_path / "new")]


def test_old_and_new_are_kept_as_numbers(tool, runs):
    tool.main(runs)
    first, second = json.loads(tool.NUMBERS.read_text(encoding="utf-8"))["sets"]
    assert first["set"] == "a"
    # 140 right of 200, the teacher 190: what the old version recommended, although its twin was better on dev
    assert first["old"] == {"name": "a.v1", "score": 0.7, "teacher": 0.95, "retention": 0.7368}
    assert first["new"]["retention"] == 0.9474
    assert first["linear"]["retention"] == 0.7895
    assert "new" not in second


def test_the_readme_shows_picture_and_medians(tool, runs):
    tool.main(runs)
    said = tool.README.read_text(encoding="utf-8")
    assert "](docs/retention.svg)" in said
    assert "On 1 sets the median went from 73.7 % to 94.7 %." in said


def test_the_picture_is_drawn_again_from_its_numbers(tool, runs):
    tool.main(runs)
    first = tool.PICTURE.read_bytes()
    tool.PICTURE.unlink()
    tool.main([])
    assert tool.PICTURE.read_bytes() == first


def test_the_picture_stands_alone_in_light_and_dark(tool, runs):
    tool.main(runs)
    svg = tool.PICTURE.read_text(encoding="utf-8")
    root = ET.fromstring(svg)
    assert float(root.get("width")) > 300
    assert "b: 94.7 % before, – now; a: 73.7 % before, 94.7 % now." in root.get("aria-label")
    used = set(re.findall(r"var\(--(\w+)", svg))
    light, dark = re.findall(r"svg \{ (--[^}]*)\}", svg)
    assert {"student", "baseline", "ink", "paper"} <= used
    assert all(f"--{name}:" in light and f"--{name}:" in dark for name in used)
    assert light != dark


def test_what_is_kept_is_what_is_drawn():
    numbers = json.loads((ROOT / "docs" / "retention.json").read_text(encoding="utf-8"))
    svg = (ROOT / "docs" / "retention.svg").read_text(encoding="utf-8")
    for each in numbers["sets"]:
        if each.get("new"):
            assert f"{100 * each['new']['retention']:.1f} % now" in svg
