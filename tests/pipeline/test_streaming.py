import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from plain_settings import PLAIN

from understudy.augment import PoolTexts
from understudy.core.progress import Silent
from understudy.data.leakage import normalise
from understudy.errors import RecipeError
from understudy.pipeline import streaming, teacher_kinds
from understudy.pipeline.active_learning import buy_in_rounds
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.stages import train
from understudy.pipeline.stages.augment import inspect

SETTINGS = {**PLAIN, "training__epochs": 2, "training__vocabulary_size": 60, "students": "cbow.v1:width=8"}
STEPS = ({"masking": {"passes": 2}},)


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


class Judge:
    """A teacher that counts what it is shown, and can die."""

    fingerprint = "judge"

    def __init__(self, dies_after=None):
        self.shown, self.dies_after = [], dies_after

    def __call__(self, texts):
        if self.dies_after is not None and len(self.shown) + len(texts) > self.dies_after:
            raise KeyboardInterrupt
        self.shown += texts
        good = [sum(word in text for word in ("good", "great")) - 0.5 + len(text) / 100 for text in texts]
        return np.array([[-g, g] for g in good], dtype=np.float32)


@pytest.fixture(scope="module")
def source(tmp_path_factory, toy):
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = [
            {"text": f"{text} {part}", "label": ("bad", "good")[y]}
            for text, y in zip(texts, labels, strict=True)
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    test = [json.loads(line)["text"].upper() for line in (folder / "test.jsonl").read_text().splitlines()]
    train = [json.loads(line)["text"] for line in (folder / "train.jsonl").read_text().splitlines()]
    pool = [f"{text} pool" for text in toy(200, seed=9)[0]]
    lines = ["id,body", *(f"{n},{text}" for n, text in enumerate([*pool, *test[:3], *train[:2], *pool[:4]]))]
    (folder / "unlabelled.csv").write_text("\n".join(lines))
    return folder


def ask(source, out, stream, **more):
    given = {"teacher": Judge(), "augment": STEPS, "data__stream": stream, "out": out, **SETTINGS, **more}
    return distill(str(source), **given)


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    return ask(source, tmp_path_factory.mktemp("run") / "run", stream=True)


def texts_of(folder):
    return [json.loads(line)["text"] for line in folder.read_text().splitlines()]


def test_a_streamed_run_goes_from_files_to_report(run):
    assert (run.folder / "augment" / "shard-000000.parquet").is_file()
    assert not (run.folder / "augment" / "pool.jsonl").exists()
    assert not (run.folder / "data" / "unlabelled.jsonl").exists()
    assert not (run.folder / ".checkpoints").exists()
    assert run.report["data"]["dropped"]["unlabelled texts also in dev or test"] == 3
    assert run.report["data"]["dropped"]["unlabelled texts that are repeated or also in train"] >= 6
    pool = PoolTexts(run.folder / "augment")
    assert run.report["data"]["sizes"]["transfer"] == len(pool) + len(
        set(texts_of(run.folder / "data" / "train.jsonl"))
    )
    assert run.report["data"]["sizes"]["unlabelled"] == pool.counts[0].kept
    assert "unlabelled.csv" in " ".join(run.report["data"]["notes"])


def test_the_pool_never_holds_a_text_of_train_dev_or_test(run):
    pool = set(map(normalise, PoolTexts(run.folder / "augment")))
    for part in ("train", "dev", "test"):
        assert not pool & set(map(normalise, texts_of(run.folder / "data" / f"{part}.jsonl")))


def test_the_pool_holds_the_texts_that_a_run_in_memory_makes(run, source, tmp_path):
    in_memory = ask(source, tmp_path / "run", stream=False, until="augment")
    kept = texts_of(in_memory.folder / "augment" / "pool.jsonl")
    assert sorted(PoolTexts(run.folder / "augment")) == sorted(kept)


def test_the_student_is_the_same_in_memory_and_streamed(source, tmp_path):
    def tables(stream):
        made = ask(source, tmp_path / str(stream), stream=stream, augment=(), until="train")
        return (made.folder / "train" / "cbow.v1-width=8" / "model.safetensors").read_bytes()

    assert tables(stream=True) == tables(stream=False)


def test_a_second_call_does_nothing_again(run, source):
    judge, ears = Judge(), Ears()
    ask(source, run.folder, stream=True, teacher=judge, progress=ears)
    assert not judge.shown
    assert [line for line in ears.heard if line.endswith("…")] == ["report …"]


def test_a_killed_labelling_goes_on_where_it_stopped(source, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_kinds, "CHEAP_TEXTS", 100)
    with pytest.raises(KeyboardInterrupt):
        ask(source, tmp_path / "run", stream=True, teacher=Judge(dies_after=250))
    judge = Judge()
    resumed = ask(source, tmp_path / "run", stream=True, teacher=judge)
    total = resumed.report["data"]["sizes"]["transfer"] + resumed.report["data"]["sizes"]["test"]
    assert len(judge.shown) == total - 200


def test_what_streams_and_what_not_may_change(run, source, tmp_path):
    out = tmp_path / "run"
    for stream in (False, True, False):
        made = ask(source, out, stream=stream, until="augment")
        assert (made.folder / "augment" / "pool.jsonl").is_file() is not stream


@pytest.mark.parametrize("name", ["shard-000000.parquet", "manifest.json"])
def test_a_damaged_pool_is_made_again(run, source, tmp_path, name):
    out = Path(shutil.copytree(run.folder, tmp_path / "run"))
    whole = (out / "augment" / name).read_bytes()
    (out / "augment" / name).write_bytes(whole[:-9] + b"x" * 9)
    ears = Ears()
    ask(source, out, stream=True, until="augment", progress=ears)
    assert any("made again" in line for line in ears.heard)
    assert (out / "augment" / name).read_bytes() == whole


def test_a_kill_while_the_page_is_written_leaves_no_half_of_it(run, source, tmp_path, monkeypatch):
    def dying(*_):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr("understudy.augment.charts.save_page", dying)
        with pytest.raises(KeyboardInterrupt):
            ask(source, out, stream=True, until="augment")
    ask(source, out, stream=True, until="augment")
    assert inspect(out).to_dict() == inspect(run.folder).to_dict()
    assert (out / "augment" / "inspection.html").is_file()


def test_the_pool_can_be_looked_at(run):
    found = inspect(run.folder)
    pool = PoolTexts(run.folder / "augment")
    assert [step.name for step in found.steps] == ["given", "masking"]
    assert found.final.texts == len(pool)
    assert found.steps[0].made == 209
    assert set(found.survivors) <= set(pool)
    assert found.victims
    assert (run.folder / "augment" / "inspection.html").stat().st_size > 10_000


def test_the_size_decides_where_nobody_says(source, tmp_path, monkeypatch):
    ask(source, tmp_path / "few", stream="auto", until="augment")
    assert (tmp_path / "few" / "augment" / "pool.jsonl").is_file()
    monkeypatch.setattr(streaming, "STREAM_ABOVE", 500)
    ask(source, tmp_path / "many", stream="auto", until="augment")  # 270 rows, thrice with two passes
    assert not (tmp_path / "many" / "augment" / "pool.jsonl").exists()


def test_a_large_pool_that_cannot_stream_is_told(source, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "STREAM_ABOVE", 500)
    ears = Ears()
    (tmp_path / "more.txt").write_text("a room\n" * 600)
    more = {"augment": (*STEPS, {"length": {}}), "unlabelled": str(tmp_path / "more.txt")}
    ask(source, tmp_path / "run", stream="auto", until="augment", progress=ears, **more)
    assert any("the step length needs all texts at once" in line for line in ears.heard)
    assert (tmp_path / "run" / "augment" / "pool.jsonl").is_file()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"augment": ["length"]}, "length needs all texts at once"),
        ({"data": {"source": None, "unlabelled": ["a.txt"], "stream": True}}, "dev and test are drawn"),
        ({"data": {"source": "s", "kind": "tagging", "stream": True}}, "sentences of words"),
        (
            {"teacher": {"endpoint": {"base_url": "http://x", "model": "m", "labels": {"a": "", "b": ""}}}},
            "answers of an endpoint",
        ),
    ],
)
def test_what_cannot_stream_is_refused_by_name(more, reason, tmp_path):
    tree = {"data": {"source": "s", "stream": True}, "teacher": {"callable": "a:b"}, **more}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(RecipeError, match=reason):
        make_recipe(tmp_path / "recipe.yaml")


def test_sentences_found_in_the_data_are_refused_too(tmp_path):
    rows = [{"words": ["a", "b"], "tags": ["O", "B-x"]}] * 5
    lines = "".join(json.dumps({**row, "words": [f"w{n}", "b"]}) + "\n" for n, row in enumerate(rows * 8))
    (tmp_path / "train.jsonl").write_text(lines)
    with pytest.raises(RecipeError, match="sentences of words"):
        distill(str(tmp_path), teacher=Judge(), data__stream=True, out=tmp_path / "run")


def test_rounds_choose_from_texts_in_memory(source, tmp_path):
    recipe = make_recipe(flags={"data.source": str(source), "data.stream": True, "teacher.callable": "a:b"})
    with pytest.raises(RecipeError, match="in memory"):
        buy_in_rounds(recipe, tmp_path / "run", function=Judge())


def test_pairs_stream_and_are_held_out_in_either_order(tmp_path):
    rows = [{"sentence1": f"no {n} one", "sentence2": f"no {n} two", "label": n % 2} for n in range(48)]
    for part, chunk in (("train", rows[:24]), ("dev", rows[24:36]), ("test", rows[36:])):
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chunk))
    turned = "".join(f"{row['sentence2']}\t{row['sentence1']}\n" for row in rows[36:])
    (tmp_path / "more.txt").write_text(turned + "a b\tc d\n")

    def judge(pairs):
        return [[0.0, float(len(a) - len(b))] for a, b in pairs]

    given = {"unlabelled": str(tmp_path / "more.txt"), "data__stream": True, **SETTINGS}
    done = distill(str(tmp_path), teacher=judge, out=tmp_path / "run", until="train", **given)
    assert list(PoolTexts(done.folder / "augment")) == [("a b", "c d")]


def test_a_vocabulary_is_made_of_texts_at_even_distances(run, monkeypatch):
    monkeypatch.setattr(train, "VOCABULARY_TEXTS", 50)
    pool = PoolTexts(run.folder / "augment")

    class Seen:
        is_streamed = True
        dataset = type("Data", (), {"train": type("Split", (), {"texts": ("x",)})})

    Seen.pool = pool
    taken = list(train.vocabulary_items(Seen, uses_pool=True))
    apart = -(-len(pool) // 50)
    assert taken == ["x", *list(pool)[::apart]]
    assert list(train.vocabulary_items(Seen, uses_pool=False)) == ["x"]


def test_a_run_that_streams_by_hand_says_so_in_its_recipe(run):
    assert yaml.safe_load(Path(run.folder / "recipe.yaml").read_text())["data"]["stream"] is True
