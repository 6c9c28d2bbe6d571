"""The README's table of speed, from what the benchmark printed."""

import importlib.util
import io
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("speed_table", ROOT / "tools" / "speed_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    return module


def row(name, us):
    return {"name": name, "us": us, "ratio": us / 0.3, "per_s": 1e6 / us, "clock": "cpu"}


def result():
    names = {
        "cbow": 0.3,
        "fastText": 4.0,
        "bilstm, ONNX Runtime": 163.3,
        "MiniLM, torch": 15067.1,
        "not shown": 1.0,
    }
    rows = [row(name, us) for name, us in names.items()]
    return {"single": rows, "batch": rows[:2], "machine": {"cpu": "A processor"}, "data": "sst2"}


def test_the_readme_has_the_marks_once(tool):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tool.place(tool.place(text, "x"), "y") == tool.place(text, "y")


def test_rows_are_written_between_the_marks(tool, monkeypatch):
    tool.README.write_text(f"before\n{tool.START}\nold\n{tool.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("a table\n" + json.dumps(result()) + "\n"))
    tool.main("-")
    written = tool.README.read_text(encoding="utf-8")
    assert written.startswith("before\n<!-- speed-table -->\n| From a string")
    assert written.endswith("<!-- /speed-table -->\nafter\n")
    assert "| **`cbow.v1`, the C extension** | 0.30 µs | ×1 | 3,330,000 |" in written
    assert "| fastText | 4.00 µs | ×13.3 | 250,000 |" in written
    assert "| `bilstm.v1`, ONNX Runtime | 163 µs | ×544 | – |" in written
    assert "| MiniLM (22.7 M), torch | 15.1 ms | ×50,200 | – |" in written
    assert "not shown" not in written
    assert "A processor, one thread, processor time" in written


def test_a_readme_without_marks_is_refused(tool):
    with pytest.raises(SystemExit, match="speed-table"):
        tool.place("nothing", "x")
