"""A pool made by rules where there is no other text: its budget, and when none is made."""

import json
import time

import pytest
from plain_settings import PLAIN
from toy_sets import write_rows, write_set

from understudy.core.manifest import read_json
from understudy.core.progress import Silent
from understudy.pipeline import made_pool
from understudy.pipeline.active_learning import buy_in_rounds
from understudy.pipeline.distillation import distill, started
from understudy.pipeline.made_pool import MOST_PASSES, wants_pool
from understudy.pipeline.recipe_file import make_recipe
from understudy.pipeline.stages.augment import inspect
from understudy.teachers.transformer import Teacher

SETTINGS = {**PLAIN, "students": "cbow.v1:width=8", "training__epochs": 1, "make_pool": 30}
TRAIN = 60


class Ears(Silent):
    def __init__(self):
        self.heard = []

    def say(self, sentence):
        self.heard.append(sentence)


@pytest.fixture(scope="module")
def source(tmp_path_factory, toy):
    return write_set(tmp_path_factory.mktemp("data") / "toy", toy)


@pytest.fixture
def rate(monkeypatch):
    """Set how many texts a second the teacher answers."""

    def answers(texts_per_second):
        monkeypatch.setattr(made_pool, "_rate", lambda run: texts_per_second)

    answers(6.0)  # 30 seconds are 180 texts: three passes over 60
    return answers


def pool(folder):
    return [json.loads(line)["text"] for line in (folder / "augment" / "pool.jsonl").read_text().splitlines()]


def label(source, bert, out, **more):
    ears = Ears()
    settings = {"teacher": str(bert), "until": "label", "progress": ears, **SETTINGS, **more}
    return distill(source, out=out, **settings).folder, ears.heard


def test_the_pool_is_as_large_as_the_teacher_labels_in_the_time(source, bert, rate, tmp_path):
    folder, heard = label(source, bert, tmp_path / "run")
    assert read_json(folder / "pool-budget" / "budget.json")["passes"] == 3
    made = pool(folder)
    assert TRAIN < len(made) <= 3 * TRAIN
    assert any("3 passes of rules" in said and "30 s (make_pool)" in said for said in heard)
    assert read_json(folder / "logits" / "label.json")["texts"] == len(made) + TRAIN
    assert [step.name for step in inspect(folder).steps] == ["given", "rules"]
    saved = make_recipe(folder / "recipe.yaml")
    assert saved.augment == ()  # the recipe stays the user's own
    assert saved.make_pool == 30


def test_what_was_decided_once_is_kept_though_the_teacher_is_faster_now(source, bert, rate, tmp_path):
    folder, _ = label(source, bert, tmp_path / "run")
    before = pool(folder)
    rate(600.0)
    _, heard = label(source, bert, folder)
    assert pool(folder) == before
    assert "pool budget: unchanged, skipped" in heard
    assert "augment: unchanged, skipped" in heard
    assert not [said for said in heard if "done in" in said]


def test_another_budget_is_decided_anew(source, bert, rate, tmp_path):
    folder, _ = label(source, bert, tmp_path / "run")
    label(source, bert, folder, make_pool=10)
    assert read_json(folder / "pool-budget" / "budget.json")["passes"] == 1
    assert len(pool(folder)) <= TRAIN
    label(source, bert, folder, make_pool="none")
    assert read_json(folder / "logits" / "label.json")["texts"] == TRAIN


def test_no_pool_is_larger_than_twenty_passes(source, bert, rate, tmp_path):
    rate(1e6)
    folder, heard = label(source, bert, tmp_path / "run", until="augment")
    assert read_json(folder / "pool-budget" / "budget.json")["passes"] == MOST_PASSES
    assert any("as many as we ever make" in said for said in heard)


def test_a_slow_teacher_gets_no_pool_and_this_is_said(source, bert, rate, tmp_path):
    rate(1.0)
    folder, heard = label(source, bert, tmp_path / "run")
    assert not (folder / "augment").exists()
    assert any(said.startswith("No pool was made: the teacher labels 1 texts a second") for said in heard)


def test_a_run_that_is_killed_while_it_measures_decides_when_it_goes_on(source, bert, rate, tmp_path):
    def die(run):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_pool, "_rate", die)
        with pytest.raises(KeyboardInterrupt):
            label(source, bert, tmp_path / "run")
    folder, _ = label(source, bert, tmp_path / "run")
    assert read_json(folder / "pool-budget" / "budget.json")["passes"] == 3


def test_the_rate_is_that_of_the_teacher_and_costs_few_texts(source, bert, monkeypatch, tmp_path):
    shown, real = [], Teacher.logits

    def slow(self, texts):
        shown.append(len(texts))
        time.sleep(0.001 * len(texts))
        return real(self, texts)

    monkeypatch.setattr(Teacher, "logits", slow)
    recipe = make_recipe(None, {"data.source": source, "teacher.model": str(bert)})
    with started(recipe, tmp_path / "run", Silent()) as run:
        rate = made_pool._rate(run)
    assert 0 < rate < 1000
    assert sum(shown) <= made_pool.PROBED + 8


@pytest.mark.parametrize(
    ("settings", "is_wanted"),
    [
        ({}, True),
        ({"make_pool": "none"}, False),
        ({"augment": ["rules"]}, False),
        ({"data.unlabelled": ["MORE"]}, False),
        ({"teacher.model": None, "teacher.callable": "any:thing"}, False),
    ],
    ids=["plain", "none", "steps", "unlabelled", "a function"],
)
def test_a_pool_is_made_only_where_there_is_no_other_text_and_a_model_teaches(
    settings, is_wanted, source, bert, tmp_path
):
    (tmp_path / "more.txt").write_text("a text without a label\n")
    if "data.unlabelled" in settings:
        settings = {"data.unlabelled": [str(tmp_path / "more.txt")]}
    recipe = make_recipe(None, {"data.source": source, "teacher.model": str(bert), **settings})
    function = (lambda texts: [[0.0, 1.0]] * len(texts)) if recipe.teacher.callable else None
    with started(recipe, tmp_path / "run", Silent(), function) as run:
        assert wants_pool(run) is is_wanted


def test_sentences_to_be_tagged_get_no_pool(bare, tmp_path):
    rows = [{"tokens": ["a", "film", f"w{n}"], "tags": ["O", "B-X", "O"]} for n in range(60)]
    data = write_rows(tmp_path / "tags", rows, (30, 15, 15))
    recipe = make_recipe(None, {"data.source": data, "teacher.model": str(bare)})
    with started(recipe, tmp_path / "run", Silent()) as run:
        assert not wants_pool(run)


def test_the_verb_augment_makes_the_teacher_first_whose_speed_decides(source, bare, rate, tmp_path):
    teacher = {"teacher__method": "finetune", "teacher__finetune": {"epochs": 1}}
    folder, heard = label(source, bare, tmp_path / "run", until="augment", **teacher)
    assert (folder / "teacher").is_dir()
    assert len(pool(folder)) > TRAIN
    assert not (folder / "logits").exists()
    assert heard.index("finetune …") < heard.index("pool budget …") < heard.index("augment …")


def test_pairs_and_streams_get_a_pool_too(bare, write_model, rate, toy, tmp_path):
    texts = toy(120, seed=3)[0]
    rows = [
        {"sentence1": text, "sentence2": f"the film was {n}", "label": "yes" if n % 2 else "no"}
        for n, text in enumerate(texts)
    ]
    data, twins = write_rows(tmp_path / "pairs", rows), write_model("bert", labels=("no", "yes"))
    folder, _ = label(data, twins, tmp_path / "run", until="augment")
    assert all(len(pair) == 2 for pair in pool(folder))
    assert len(pool(folder)) > TRAIN
    streamed, _ = label(data, twins, tmp_path / "streamed", until="augment", data__stream=True)
    assert (streamed / "augment" / "shard-000000.parquet").is_file()


def test_labels_that_are_bought_in_rounds_are_of_given_texts(source, bert, tmp_path, monkeypatch):
    monkeypatch.setattr(made_pool, "_rate", lambda run: pytest.fail("a pool was planned"))
    flags = {"data.source": source, "teacher.model": str(bert), "students": ["cbow.v1:width=8"]}
    recipe = make_recipe(None, {**flags, "training.epochs": 1})  # the loss is open, too
    done = buy_in_rounds(recipe, tmp_path / "run", batch=20, rounds=1)
    assert [point.labels for point in done.points] == [20]
    assert done.remaining == TRAIN - 20
    assert make_recipe(done.folder / "recipe.yaml").make_pool == 300
