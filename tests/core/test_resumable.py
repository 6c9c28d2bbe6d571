import json

import pytest

from understudy.core.resumable import STATE, finish, read_finished, resume, save_state
from understudy.errors import ArtifactError

START = {"blocks": 0}


def anything(folder):
    pass


def refuse(folder):
    raise ArtifactError("foreign")


def test_a_new_folder_begins_with_the_start(tmp_path):
    assert resume(tmp_path / "a" / "b", "i", START, refuse) == {"identity": "i", "blocks": 0}
    assert json.loads((tmp_path / "a" / "b" / STATE).read_text()) == {"identity": "i", "blocks": 0}
    assert START == {"blocks": 0}


def test_a_killed_run_goes_on(tmp_path):
    state = resume(tmp_path / "f", "i", START, refuse)
    save_state(tmp_path / "f", {**state, "blocks": 3})
    assert resume(tmp_path / "f", "i", START, refuse)["blocks"] == 3


def test_a_finished_folder_is_known_by_its_identity(tmp_path):
    state = resume(tmp_path / "f", "i", START, refuse)
    assert read_finished(tmp_path / "f", "i") is None
    finish(tmp_path / "f", state, {}, {"about": 1})
    assert read_finished(tmp_path / "f", "i") == {"about": 1, "identity": "i", "blocks": 0, "files": {}}
    assert read_finished(tmp_path / "f", "j") is None
    assert not (tmp_path / "f" / STATE).exists()
    assert read_finished(tmp_path / "none", "i") is None


def test_another_identity_starts_over_unless_the_folder_is_foreign(tmp_path):
    resume(tmp_path / "f", "i", START, refuse)
    (tmp_path / "f" / "block").write_text("x")
    with pytest.raises(ArtifactError, match="foreign"):
        resume(tmp_path / "f", "j", START, refuse)
    assert (tmp_path / "f" / "block").read_text() == "x"
    resume(tmp_path / "f", "j", START, anything, ("block",))
    assert [path.name for path in (tmp_path / "f").iterdir()] == [STATE]


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "is not a JSON object"), ("{", "is damaged"), ('{"identity": "i"}', "lacks 'blocks'")],
)
def test_a_damaged_state_is_named(tmp_path, content, message):
    (tmp_path / STATE).write_text(content)
    with pytest.raises(ArtifactError, match=message):
        resume(tmp_path, "i", START, anything)
    assert (tmp_path / STATE).read_text() == content


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "f").write_text("mine")
    with pytest.raises(ArtifactError, match="is a file, but a folder is to be written there"):
        resume(tmp_path / "f", "i", START, anything)
    assert (tmp_path / "f").read_text() == "mine"
