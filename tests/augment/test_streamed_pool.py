import json
from pathlib import Path

import numpy as np
import pytest

from understudy.augment import PoolTexts, build_pool, inspection, normalise_held_out, read_steps, stream_pool
from understudy.augment import streamed_pool as module
from understudy.augment.dedup import DUPLICATE, HELD_OUT, SHOWN, item_keys, normalise_item
from understudy.augment.inspection import inspect_pool, inspect_streamed
from understudy.augment.pool_files import read_shards
from understudy.augment.rules import passes as variants_module
from understudy.core.manifest import verify
from understudy.errors import ArtifactError, RecipeError

STEPS = read_steps([{"masking": {"passes": 3}}, {"ngram": {"passes": 3}}])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for place in (module, variants_module):
        monkeypatch.setattr(place, "BLOCK", 16)


def texts_of(folder, column="text"):
    return [text for shard in read_shards(folder, [column]) for text in shard[column]]


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_streamed_pool_is_the_built_one_with_the_given_texts(tmp_path, sentences):
    judges = normalise_held_out([sentences[-1], "[MASK] food ."])
    streamed = stream_pool(sentences, STEPS, tmp_path / "p", source="s", seed=2, held_out=judges)
    found = texts_of(tmp_path / "p")
    free = [text for text in sentences if text != sentences[-1]]
    built = build_pool([], free, STEPS, seed=2, held_out=judges)
    assert set(found) == set(built.items)
    assert len(found) == len(set(found)) == len(streamed)
    assert set(free) < set(found)
    assert sentences[-1] not in found
    made = [(report.name, report.made) for report in built.reports]
    assert [(c.name, c.made) for c in streamed.counts] == [("given", len(sentences)), *made[1:]]
    assert streamed.counts[0].removed == {HELD_OUT: 1}
    assert {victim.reason for count in streamed.counts for victim in count.victims} == {HELD_OUT, DUPLICATE}
    assert sum(shard["texts"] for shard in verify(tmp_path / "p")["shards"]) == len(streamed)


def test_shards_say_where_texts_came_from_and_their_keys(tmp_path, sentences):
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    for shard in read_shards(tmp_path / "p", ["text", "origin", "key"]):
        assert shard["key"] == item_keys(shard["text"]).tolist()
        given = {text for text, origin in zip(shard["text"], shard["origin"], strict=True) if origin == -1}
        assert given <= set(sentences)
        assert set(shard["origin"]) == {-1, 0, 1}
        assert all("[MASK]" in text for text, o in zip(shard["text"], shard["origin"], strict=True) if o == 0)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_killed_run_goes_on_where_it_was(tmp_path, sentences, blocks, monkeypatch):
    def dying():
        for number, text in enumerate(sentences):
            if number == blocks * 16 + 5:
                raise KilledError
            yield text

    monkeypatch.setattr(module, "SAMPLE", 0)
    with pytest.raises(KilledError):
        stream_pool(dying(), STEPS, tmp_path / "killed", source="s")
    assert not (tmp_path / "killed" / "manifest.json").exists()
    assert len(list((tmp_path / "killed").glob("*.parquet"))) == blocks
    with pytest.raises(ArtifactError, match="not finished"):
        texts_of(tmp_path / "killed")
    again = stream_pool(sentences, STEPS, tmp_path / "killed", source="s")
    whole = stream_pool(sentences, STEPS, tmp_path / "whole", source="s")
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")
    assert again.counts == whole.counts


def test_a_resumed_run_does_not_work_again(tmp_path, sentences, monkeypatch):
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "p").iterdir()}
    monkeypatch.setattr(module, "_write", lambda *a: pytest.fail("worked again"))
    again = stream_pool(iter([]), STEPS, tmp_path / "p", source="s")
    assert again.counts[0].made == len(sentences)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "p").iterdir()}


@pytest.mark.parametrize("change", ["source", "seed", "steps", "held_out"])
def test_other_arguments_start_over(tmp_path, sentences, change):
    given = {"source": "s", "seed": 0, "held_out": ()}
    steps = STEPS
    stream_pool(sentences, steps, tmp_path / "p", **given)
    first = bytes_of(tmp_path / "p")["manifest.json"]
    if change == "steps":
        steps = STEPS[:1]
    else:
        given[change] = {"source": "t", "seed": 1, "held_out": ["x"]}[change]
    stream_pool(sentences[:20], steps, tmp_path / "p", **given)
    assert bytes_of(tmp_path / "p")["manifest.json"] != first
    assert len(list((tmp_path / "p").glob("*.parquet"))) == 2


def test_a_shard_that_went_missing_is_named(tmp_path, sentences, monkeypatch):
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    manifest = json.loads((tmp_path / "p" / "manifest.json").read_text())
    (tmp_path / "p" / "manifest.json").rename(tmp_path / "p" / "state.json")
    (tmp_path / "p" / manifest["shards"][0]["file"]).unlink()
    with pytest.raises(ArtifactError, match=r"shard-000000.parquet is missing"):
        stream_pool(sentences, STEPS, tmp_path / "p", source="s")


def test_a_shard_that_was_altered_is_named(tmp_path, sentences):
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    shard = tmp_path / "p" / "shard-000001.parquet"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match=r"shard-000001.parquet has .* altered"):
        stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    (tmp_path / "p" / "manifest.json").rename(tmp_path / "p" / "state.json")
    with pytest.raises(ArtifactError, match=r"shard-000001.parquet is damaged: .* start over"):
        stream_pool(sentences, STEPS, tmp_path / "p", source="s")


def test_a_kill_while_an_older_pool_is_removed_does_no_harm(tmp_path, sentences, monkeypatch):
    unlink = Path.unlink

    def dying(self, **more):
        unlink(self, **more)
        if self.name == "manifest.json":
            raise KilledError

    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", dying)
        with pytest.raises(KilledError):
            stream_pool(sentences, STEPS, tmp_path / "p", source="t")
    stream_pool(sentences, STEPS, tmp_path / "p", source="t")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    verify(tmp_path / "p")


def test_pairs_have_two_columns(tmp_path, sentences):
    pairs = list(zip(sentences[:20], sentences[20:40], strict=True))
    stream_pool(pairs, STEPS, tmp_path / "p", source="s")
    one, other = (texts_of(tmp_path / "p", column) for column in ("text_a", "text_b"))
    found = set(zip(one, other, strict=True))
    assert set(pairs) < found
    assert found == set(build_pool([], pairs, STEPS).items)
    assert len({normalise_item(pair) for pair in found}) == len(one)


def test_a_block_of_which_nothing_is_left_is_a_shard_too(tmp_path, sentences):
    for items in (sentences[:16], list(zip(sentences[:16], sentences[16:32], strict=True))):
        stream_pool(items * 2, (), tmp_path / "p", source=str(items))
        counts = [len(shard["key"]) for shard in read_shards(tmp_path / "p", ["key"])]
        assert counts == [16, 0]


def test_no_texts_are_no_error(tmp_path):
    assert len(stream_pool([], STEPS, tmp_path / "p", source="s")) == 0
    assert texts_of(tmp_path / "p") == []


def test_filters_and_models_do_not_stream(tmp_path):
    with pytest.raises(RecipeError, match="'length' cannot stream"):
        stream_pool([], read_steps(["length"]), tmp_path / "p", source="s")


def test_an_option_that_a_stream_cannot_honour_is_refused(tmp_path):
    steps = read_steps([{"masking": {"of": "labelled"}}])
    with pytest.raises(RecipeError, match=r"'masking' starts from the labelled texts alone \(of\)"):
        stream_pool(["a"], steps, tmp_path / "p", source="s", labelled=["b"])


def test_memory_holds_keys_not_texts(tmp_path, sentences, monkeypatch):
    """What is kept of a text that was written is its key."""
    kept = []
    original = module._write
    monkeypatch.setattr(module, "_write", lambda *a: (original(*a), kept.append(a[-1]))[0])
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    sieve = kept[-1][-1]
    assert len(sieve.seen) == len(texts_of(tmp_path / "p"))
    assert all(run.dtype == np.uint64 for run in sieve.seen._runs)
    assert all(len(items) <= SHOWN for items in sieve.shown.values())


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", "state.json"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text('{"files": {}}')
    with pytest.raises(ArtifactError, match="not a streamed pool"):
        stream_pool(["a"], STEPS, tmp_path, source="s")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_labelled_texts_are_varied_but_no_part_of_the_pool(tmp_path, sentences):
    labelled, given = [*sentences[:20], sentences[0]], sentences[20:]
    done = stream_pool(given, STEPS, tmp_path / "p", source="s", labelled=labelled, about={"inputs": "x"})
    built = build_pool(labelled, given, STEPS)
    assert set(texts_of(tmp_path / "p")) == set(built.items)
    assert [(c.name, c.kept) for c in done.counts] == [
        (r.name, r.made - sum(r.removed.values())) for r in built.reports
    ]
    assert verify(tmp_path / "p")["inputs"] == "x"


def test_of_what_is_held_out_nothing_is_made(tmp_path):
    judges = normalise_held_out(["a very long secret"])
    given, labelled = ["A very  long secret", "b"], ["a VERY long secret", "c d e"]
    stream_pool(given, STEPS, tmp_path / "p", source="s", labelled=labelled, held_out=judges)
    assert "secret" not in " ".join(texts_of(tmp_path / "p"))


def test_a_sample_of_a_pool_is_taken_at_even_distances(tmp_path, sentences):
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    pool = PoolTexts(tmp_path / "p")
    every = list(pool)
    items, origins = pool.sample(3)
    assert items == every[::3]
    assert len(origins) == len(items)
    assert pool.sample(1)[1].tolist().count(-1) == pool.counts[0].kept
    stream_pool([], (), tmp_path / "none", source="s")
    assert pool.sample(10**6)[0] == every[:1]
    assert PoolTexts(tmp_path / "none").sample(2)[0] == []


def test_a_streamed_pool_is_inspected_like_a_built_one(tmp_path, sentences):
    stream_pool(sentences[20:], STEPS, tmp_path / "p", source="s", labelled=sentences[:20])
    built = build_pool(sentences[:20], sentences[20:], STEPS)
    gold = np.arange(20) % 2
    found = inspect_streamed(PoolTexts(tmp_path / "p"), sentences[:20], labels=("a", "b"), gold=gold)
    expected = inspect_pool(built, sentences[:20], labels=("a", "b"), gold=gold)
    assert found.lengths == expected.lengths
    assert found.labelled_balance == expected.labelled_balance
    assert [(s.name, s.before, s.made, s.after) for s in found.steps] == [
        (s.name, s.before, s.made, s.after) for s in expected.steps
    ]
    stream_pool([], STEPS, tmp_path / "none", source="s")
    assert inspect_streamed(PoolTexts(tmp_path / "none"), []).final.texts == 0


def test_lengths_of_a_large_pool_are_estimated(tmp_path, sentences, monkeypatch):
    monkeypatch.setattr(inspection, "SAMPLE", 40)
    stream_pool(sentences, STEPS, tmp_path / "p", source="s")
    pool = PoolTexts(tmp_path / "p")
    found = inspect_streamed(pool, sentences)
    assert found.final.texts == len(pool) > 80
    assert 3 < found.final.mean < 9


def test_two_steps_of_one_name_make_the_variants_of_a_built_pool(tmp_path, sentences):
    steps = read_steps([{"masking": {"passes": 3}}] * 2)
    streamed = stream_pool(sentences, steps, tmp_path / "p", source="s", seed=1)
    assert set(texts_of(tmp_path / "p")) == set(build_pool([], sentences, steps, seed=1).items)
    assert streamed.counts[2].kept > 0.3 * streamed.counts[1].kept


@pytest.mark.parametrize("content", ["[]", "3", '{"identity": 1}'])
def test_a_state_of_something_else_is_named(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"state\.json is damaged|not a streamed pool"):
        stream_pool(["a"], STEPS, tmp_path, source="s")
    assert (tmp_path / "state.json").read_text() == content
