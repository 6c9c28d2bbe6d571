"""The stage export leaves out rows where the recipe says so, once, and everything tells it."""

import json
from pathlib import Path

import numpy as np
import pytest

import understudy
from understudy.core.manifest import publish
from understudy.core.progress import Silent
from understudy.pipeline.distillation import distill
from understudy.pipeline.stages.export import decisive_of
from understudy.runtime.layout import slug

BAG, OTHER = "dan.v2:width=8,hidden=6", "cbow.v1:width=8,hidden=6"
SETTINGS = {
    "students": [BAG, OTHER],
    "loss__name": "mse",
    "make_pool": "none",
    "baseline": False,
    "training__epochs": 3,
    "training__embeddings": "random",
    "training__gold_pass": False,
}


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


def judge(texts):
    words = (set(text.split()) for text in texts)
    return [[0.0, 3.0] if held & {"good", "great"} else [3.0, 0.0] for held in words]


@pytest.fixture(scope="module")
def source(tmp_path_factory, toy):
    folder, names = tmp_path_factory.mktemp("data") / "toy", np.array(["bad", "good"])
    folder.mkdir()
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = ({"text": f"{t} {part}", "label": names[y]} for t, y in zip(texts, labels, strict=True))
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def run(source, out, **more):
    return distill(str(source), teacher=judge, out=out, **{**SETTINGS, **more})


def test_spelling_and_the_order_of_tags_decide_what_is_exported(tmp_path):
    def made(name, spelling, **task):
        with publish(tmp_path / name, {}) as aside:
            for file, text in (("model.safetensors", "w"), ("spelling.json", spelling)):
                (aside / file).write_text(text, encoding="utf-8")
            (aside / "student.json").write_text(json.dumps({"task": task, "seconds": len(name)}))
        return decisive_of(tmp_path / name)

    first = made("first", "a")
    assert set(first) == {"model.safetensors", "spelling.json"}
    assert made("longer than the first", "a") == first
    assert made("spelt", "b") != first
    ordered = made("ordered", "a", transitions=[[0.0, 1.0]])
    assert set(ordered) == {*first, "transitions"}
    assert made("otherwise", "a", transitions=[[0.0, 2.0]]) != ordered


def config_of(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def test_rows_are_left_out_once_and_told_everywhere(source, tmp_path, monkeypatch):
    monkeypatch.setattr("understudy.export.pruning.MOST_LOST", 1.0)
    out, ears = tmp_path / "run", Ears()
    run(source, out, until="export")
    model, twin = out / "models" / slug(BAG), out / "undistilled" / slug(BAG)
    before = config_of(model)
    assert "pruning" not in before
    assert "pruning" not in config_of(twin)

    result = run(source, out, prune="auto", progress=ears)
    assert not [said for said in ears.heard if said.startswith(("label", "train")) and "done in" in said]
    told, small = config_of(model)["pruning"], config_of(model)
    assert (told["wanted"], told["share"]) == ("auto", 0.03)
    assert told["rows_before"] == before["vocabulary"]["size"]
    assert small["vocabulary"]["size"] == told["rows"] == max(3, -(-told["rows_before"] * 3 // 100))
    assert small["parameters"] < before["parameters"]
    assert (config_of(twin)["pruning"]["wanted"], config_of(twin)["pruning"]["share"]) == (0.03, 0.03)
    assert understudy.load(model).predict("a good film") in ("bad", "good")

    rows = {row["name"]: row for row in result.report["rows"]}
    assert rows[BAG]["quantisation"].startswith(told["why"])
    assert rows[BAG]["parameters"] == small["parameters"]
    for page in (model / "README.md", Path(result.html)):
        assert told["why"] in page.read_text(encoding="utf-8")

    other = config_of(out / "models" / slug(OTHER))["pruning"]
    assert other["why"].startswith("all rows are kept: ")
    assert "pruning" not in config_of(out / "undistilled" / slug(OTHER))
    monkeypatch.setattr("understudy.export.folder.choose_rows", lambda *_: pytest.fail("done again"))
    run(source, out, prune="auto", until="export")
