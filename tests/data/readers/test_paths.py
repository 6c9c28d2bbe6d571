import os

import pytest

from understudy.data.readers.paths import expanded, kind_of, nearest_beside
from understudy.errors import DataError


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/a.csv") == tmp_path / "a.csv"
    assert str(expanded("a~/b.csv")) == "a~/b.csv"


def test_an_unknown_home_is_refused():
    with pytest.raises(
        DataError, match=r"There is no home folder for '~nobody-here' in '~nobody-here/x.csv'"
    ):
        expanded("~nobody-here/x.csv")


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(DataError, match=r"The name of 'a\\udcff\.csv' is not valid UTF-8\. Rename"):
        expanded(os.fsdecode(b"a\xff.csv"))


def test_files_and_folders_are_told_apart(tmp_path):
    (tmp_path / "a.csv").write_text("a")
    (tmp_path / "b.csv").symlink_to("a.csv")
    kinds = [kind_of(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv", ".")]
    assert kinds == ["file", "file", "", "folder"]


def test_a_broken_link_is_said(tmp_path):
    (tmp_path / "a.csv").symlink_to("gone.csv")
    with pytest.raises(DataError, match=r"a\.csv is a link to gone\.csv, which is not there"):
        kind_of(tmp_path / "a.csv")


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"a\.csv is a pipe, not a file\. .* save them in a file first"):
        kind_of(tmp_path / "a.csv")
    with pytest.raises(DataError, match="/dev/null is a device"):
        kind_of(expanded("/dev/null"))


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be looked at: File name too long"):
        kind_of(tmp_path / ("a" * 300))


def test_the_nearest_neighbour_is_named(tmp_path):
    (tmp_path / "tickets.csv").write_text("a")
    assert nearest_beside(tmp_path / "ticket.csv") == str(tmp_path / "tickets.csv")
    assert nearest_beside(tmp_path / "other.txt") is None
    assert nearest_beside(tmp_path / "nowhere" / "a.csv") is None
