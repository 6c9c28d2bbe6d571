"""The stage `label` in whole runs: emptied stores, damaged records, and answers that are paid for."""

import json
import shutil

import pytest
from chat_server import KEY
from plain_settings import PLAIN

import understudy
from understudy.core.progress import Silent
from understudy.errors import DataError, StoreError, TeacherError
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe_file import make_recipe
from understudy.targets.store import LogitStore
from understudy.teachers.chat.ledger import ASIDE

pytestmark = pytest.mark.usefixtures("key")


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


SETTINGS = {**PLAIN, "training__epochs": 4, "training__vocabulary_size": 60, "students": "cbow.v1:width=8"}


def teacher(server, **more):
    """The recipe's part of an endpoint."""
    config = server.config(**more)
    names = ("base_url", "model", "labels", "key_env", "backoff", "timeout", "concurrency", *more)
    return {name: getattr(config, name) for name in names}


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, toy):
    """A folder with train, dev, test and unlabelled texts."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    names = ("bad", "good")
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = ({"text": f"{t} {part}", "label": names[y]} for t, y in zip(texts, labels, strict=True))
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "unlabelled.txt").write_text("\n".join(f"{text} pool" for text in toy(80, seed=9)[0]))
    return folder


def test_who_deletes_a_line_has_the_text_asked_again(chat, labelled, tmp_path):
    moods = ["wrong"]
    server = chat(mood_of=lambda text, _: moods[0] if "quite" in text else "well")
    ears, run = Ears(), {"out": tmp_path / "run", "until": "label", **SETTINGS}
    run["teacher__endpoint"] = teacher(server, targets="hard", repairs=0)
    distill(str(labelled), **run)
    (path,) = (tmp_path / "run").glob(f"logits/*/{ASIDE}")
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) > 1
    before = len(server.requests)
    distill(str(labelled), progress=ears, **run)
    assert len(server.requests) == before
    texts = len(LogitStore(path.parent, **named(path.parent)))
    assert any(f"all {texts} texts are labelled, {len(lines)} set aside" in said for said in ears.heard)
    path.write_text("".join(lines[1:]))
    moods[0] = "well"
    distill(str(labelled), **run)
    assert len(server.requests) == before + 1
    assert len(LogitStore(path.parent, **named(path.parent))) == texts + 1


def named(folder):
    facts = json.loads((folder / "manifest.json").read_text())
    return {"teacher": facts["teacher"], "labels": facts["labels"]}


def test_a_run_with_an_endpoint_ends_in_a_report(chat, labelled, tmp_path):
    server = chat(mood_of=lambda text, _: "wrong" if text.endswith("quite test") else "well")
    ears = Ears()
    options = {"teacher__endpoint": teacher(server, targets="hard", price_in=1.0, price_out=1.0)}
    result = distill(str(labelled), out=tmp_path / "run", progress=ears, **options, **SETTINGS)
    report = result.report
    assert [row["role"] for row in report["rows"]] == ["teacher", "student", "undistilled", "baseline"]
    top, student = report["rows"][:2]
    assert top["name"] == "tiny-chat"
    assert top["latency_us"] is top["parameters"] is top["size_bytes"] is None
    assert student["speedup"] is None
    assert student["retention"] > 0
    notes = " ".join(report["data"]["notes"])
    assert "Soft targets bought from tiny-chat" in notes
    assert "hard; " in notes
    assert "USD" in notes
    assert understudy.load(result.best).predict("a great film") in ("good", "bad")
    before = len(server.requests)
    again = distill(str(labelled), out=tmp_path / "run", progress=ears, **options, **SETTINGS)
    assert len(server.requests) == before
    assert again.report["data"] == report["data"]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert not any(KEY in said for said in ears.heard)


def test_several_labels_of_a_text(chat, tmp_path):
    server = chat()
    words = ("good film", "bad film", "good room", "dull room", "film", "room")
    rows = [
        {"text": f"a {text} {n}", "labels": [word for word in ("film", "good") if word in text]}
        for n in range(12)
        for text in words
    ]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = teacher(server, labels={"film": "on a film", "good": "praises"})
    result = distill(
        str(tmp_path / "many.jsonl"),
        teacher__endpoint=options,
        out=tmp_path / "run",
        until="evaluate",
        **SETTINGS,
    )
    found = json.loads((result.folder / "evaluation" / "evaluation.json").read_text())
    assert found["rows"][0]["score"] == 1.0
    assert found["rows"][0]["thresholds"] == [0.5, 0.5]


def test_a_student_trains_again_when_more_was_bought(chat, labelled, tmp_path):
    server, ears = chat(), Ears()
    run = {"out": tmp_path / "run", "until": "train", **SETTINGS}
    distill(str(labelled), teacher__endpoint=teacher(server, budget_requests=60), **run)
    distill(str(labelled), teacher__endpoint=teacher(server, budget_requests=100), progress=ears, **run)
    assert any(said.startswith("train cbow.v1:width=8: done") for said in ears.heard)
    assert any("skipped" in said for said in ears.heard if "on labels only" in said)
    assert len(server.requests) == 100


def test_without_answers_on_test_there_is_no_report(chat, labelled, tmp_path):
    server = chat(mood_of=lambda text, _: "wrong" if text.endswith("test") else "well")
    with pytest.raises(TeacherError, match="no text of the test split"):
        distill(
            str(labelled), teacher__endpoint=teacher(server, targets="hard"), out=tmp_path / "run", **SETTINGS
        )


def test_a_run_without_gold_labels(chat, labelled, tmp_path):
    server = chat()
    result = distill(
        unlabelled=str(labelled / "unlabelled.txt"),
        out=tmp_path / "run",
        teacher__endpoint=teacher(server),
        **SETTINGS,
    )
    report = result.report
    assert [row["role"] for row in report["rows"]] == ["teacher", "student"]
    assert report["rows"][0]["score"] == 1.0
    assert report["rows"][1]["score"] == pytest.approx(report["rows"][1]["agreement"])
    assert report["data"]["labels_from"] == "the teacher"
    page = (tmp_path / "run" / "report.md").read_text()
    assert "agrees with its teacher on" in page
    assert "There are no gold labels" in page
    assert "labels only" not in page
    card = (result.best / "README.md").read_text()
    assert "labelled by the teacher" in card
    assert len(server.requests) == len(set((labelled / "unlabelled.txt").read_text().splitlines()))
    again = distill(recipe=make_recipe(tmp_path / "run" / "recipe.yaml"), out=tmp_path / "run")
    assert again.report["rows"][1]["score"] == report["rows"][1]["score"]


def test_a_budget_too_small_for_dev_and_test_is_said(chat, labelled, tmp_path):
    with pytest.raises(TeacherError, match="dev or test are not labelled yet"):
        distill(
            unlabelled=str(labelled / "unlabelled.txt"),
            out=tmp_path / "run",
            teacher__endpoint=teacher(chat(), budget_requests=3),
        )


def test_too_few_texts_are_said(chat, tmp_path):
    (tmp_path / "few.txt").write_text("one text\nanother text\n")
    with pytest.raises(DataError, match="too few"):
        distill(unlabelled=str(tmp_path / "few.txt"), out=tmp_path / "run", teacher__endpoint=teacher(chat()))


def scores(texts):
    return [[0.0, 3.0] if {"good", "great"} & set(text.split()) else [3.0, 0.0] for text in texts]


def emptied(store):
    """Take shards and manifest away; what was paid for stays in the ledger."""
    for shard in store.glob("shard-*"):
        shutil.rmtree(shard)
    (store / "manifest.json").unlink(missing_ok=True)


@pytest.fixture
def run(labelled, tmp_path):
    """The options of a run that a function teaches, labelled once."""
    options = {"teacher": scores, "out": tmp_path / "run", "until": "label", **SETTINGS}
    distill(str(labelled), **options)
    return options


@pytest.mark.parametrize("damage", [None, "[]", "{}", "null", "{", '{"key": 1}', '{"key": "a", "notes": 3}'])
def test_a_damaged_record_is_made_again_from_the_store(labelled, run, damage):
    path = run["out"] / "logits" / "label.json"
    whole = json.loads(path.read_text())
    path.unlink()
    if damage is not None:
        path.write_text(damage)
    ears = Ears()
    distill(str(labelled), progress=ears, **run)
    assert f"label: 0 texts labelled, {whole['found']} found in the store" in ears.heard
    assert json.loads(path.read_text()) == whole


def test_an_emptied_store_is_filled_again(labelled, run):
    (manifest,) = run["out"].glob("logits/*/manifest.json")
    emptied(manifest.parent)
    ears = Ears()
    result = distill(str(labelled), progress=ears, **{**run, "until": "train"})
    texts = json.loads((result.folder / "logits" / "label.json").read_text())["found"]
    assert f"label: the store holds 0 of {texts} labelled texts; the others are labelled again" in ears.heard
    assert f"label: {texts} texts labelled, 0 found in the store" in ears.heard
    assert any(sentence.startswith("train cbow.v1:width=8: done") for sentence in ears.heard)


@pytest.mark.parametrize("damage", ["", "{}", "[]"])
def test_the_advice_for_a_damaged_store_works(labelled, run, damage):
    (manifest,) = run["out"].glob("logits/*/manifest.json")
    manifest.write_text(damage)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged.*or remove the folder .*labelled again"):
        distill(str(labelled), **run)
    shutil.rmtree(manifest.parent)
    ears = Ears()
    distill(str(labelled), progress=ears, **run)
    assert any("texts labelled, 0 found in the store" in sentence for sentence in ears.heard)


def test_the_advice_for_a_damaged_shard_works(labelled, run):
    (store,) = (path.parent for path in run["out"].glob("logits/*/manifest.json"))
    next(store.glob("shard-*/logits.npy")).write_bytes(b"")
    with pytest.raises(StoreError, match=r"or remove the store: its texts are then labelled again"):
        distill(str(labelled), **run)
    shutil.rmtree(store)
    ears = Ears()
    distill(str(labelled), progress=ears, **run)
    assert any("texts labelled, 0 found in the store" in sentence for sentence in ears.heard)


def test_paid_answers_survive_a_deleted_manifest(chat, labelled, tmp_path):
    server = chat()
    options = {"out": tmp_path / "run", "until": "label", **SETTINGS, "teacher__endpoint": teacher(server)}
    distill(str(labelled), **options)
    before = len(server.requests)
    (manifest,) = options["out"].glob("logits/*/manifest.json")
    manifest.unlink()
    with pytest.raises(
        StoreError, match=r"remove every folder shard-\* and manifest\.json .* but keep ledger"
    ):
        distill(str(labelled), **options)
    emptied(manifest.parent)
    distill(str(labelled), **options)
    store = LogitStore(manifest.parent, **named(manifest.parent))
    assert len(store) == before == len(server.requests)
