import json

import pytest

from understudy.errors import UnderstudyError
from understudy.report import write
from understudy.report.write import write_report

from . import sample


def make_report(name="concierge"):
    return sample.make_report(3, 2, name=name)


def test_three_files_and_nothing_else(tmp_path):
    report = make_report()
    paths = write_report(report, tmp_path / "new" / "report")
    assert sorted(p.name for p in paths.json.parent.iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads(paths.json.read_text(encoding="utf-8")) == report
    assert paths.markdown.read_text(encoding="utf-8").startswith("# concierge")
    assert paths.html.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_incomplete_report_leaves_the_folder_alone(tmp_path):
    report = make_report()
    del report["machine"]
    with pytest.raises(UnderstudyError, match="lacks 'machine'"):
        write_report(report, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_the_numbers_are_on_disk_before_anything_is_drawn(tmp_path, monkeypatch):
    def fail(report):
        raise RuntimeError("no pictures today")

    monkeypatch.setattr(write, "render_html", fail)
    with pytest.raises(RuntimeError):
        write_report(make_report(), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["name"] == "concierge"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    paths = write_report(make_report(), tmp_path)
    before = paths.json.read_bytes()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(make_report(name="other"), tmp_path)
    assert paths.json.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_lone_surrogates_survive_in_json_and_break_nothing(tmp_path):
    report = make_report()
    report["disagreements"]["cbow.v1"][0]["text"] = "half \ud83d an emoji"
    paths = write_report(report, tmp_path)
    assert json.loads(paths.json.read_text(encoding="utf-8")) == report
    assert "half" in paths.html.read_text(encoding="utf-8")
