import pytest

from understudy.core.manifest import publish, read_json
from understudy.core.progress import Silent
from understudy.pipeline.stage_cache import StageCache


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def stage(run, inputs, calls):
    def work(about):
        calls.append(inputs)
        with publish(run / "out", about) as aside:
            (aside / "value").write_text(str(inputs))

    ears = Ears()
    stages = StageCache(run, ears)
    key = stages.run("thing", run / "out", inputs, work)
    return key, stages.done["thing"], ears.heard


def test_unchanged_inputs_are_skipped_and_said(tmp_path):
    calls = []
    first, done, _ = stage(tmp_path, {"a": 1}, calls)
    assert not done["skipped"]
    second, done, heard = stage(tmp_path, {"a": 1}, calls)
    assert first == second
    assert done["skipped"]
    assert heard == ["thing: unchanged, skipped"]
    assert len(calls) == 1


def test_seconds_of_a_skipped_stage_are_those_of_its_last_run(tmp_path):
    _, first, _ = stage(tmp_path, {"a": 1}, [])
    _, second, _ = stage(tmp_path, {"a": 1}, [])
    assert first["seconds"] == second["seconds"]


def test_changed_inputs_are_done_again(tmp_path):
    calls = []
    stage(tmp_path, {"a": 1}, calls)
    stage(tmp_path, {"a": 2}, calls)
    assert calls == [{"a": 1}, {"a": 2}]
    assert (tmp_path / "out" / "value").read_text() == "{'a': 2}"


def test_an_altered_folder_is_made_again_and_the_file_is_named(tmp_path):
    calls = []
    stage(tmp_path, {"a": 1}, calls)
    (tmp_path / "out" / "value").write_text("{'a': 7}")
    _, done, heard = stage(tmp_path, {"a": 1}, calls)
    assert not done["skipped"]
    assert len(calls) == 2
    assert "value" in heard[0]
    assert "altered" in heard[0]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"label": "x"}'])
def test_a_damaged_record_of_seconds_loses_nothing_else(tmp_path, damage):
    (tmp_path / "stages.json").write_text(damage)
    cache = StageCache(tmp_path, Silent())
    cache.skip("label")
    cache.note("train", 1.5)
    assert [fact["seconds"] for fact in cache.done.values()] == [0.0, 1.5]
    assert read_json(tmp_path / "stages.json")["train"] == 1.5


def test_nothing_is_said_of_a_shared_stage_that_is_found_done(tmp_path):
    def work(about):
        with publish(tmp_path / "out", about):
            pass

    ears = Ears()
    stages = StageCache(tmp_path, ears)
    for _ in range(3):
        stages.run("shared", tmp_path / "out", {"a": 1}, work, is_shared=True)
    assert [line.partition(" in ")[0] for line in ears.heard] == ["shared …", "shared: done"]
    assert not stages.done["shared"]["skipped"]
