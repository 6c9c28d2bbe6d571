"""What endpoints would be asked and what it may cost: nothing is sent, and what is bought is not counted."""

import json
from contextlib import ExitStack

import pytest
from chat_server import Chat, serve
from typer.testing import CliRunner

from understudy.cli.app import app
from understudy.core.progress import Silent
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.pipeline.distillation import distill
from understudy.pipeline.dry_run import dry_run, estimate
from understudy.targets.buying import buy

TASK = Task(("bad", "good"))
TEXTS = [f"a {word} film {n}" for n in range(20) for word in ("good", "bad", "great", "dull")]


pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def server():
    with ExitStack() as stack:
        yield stack.enter_context(serve(Chat()))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, toy):
    """A folder with train, dev, test and unlabelled texts."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    for seed, (part, size) in enumerate((("train", 20), ("dev", 10), ("test", 10))):
        texts, labels = toy(size, seed=seed)
        rows = (
            {"text": f"{t} {part}", "label": ("bad", "good")[y]} for t, y in zip(texts, labels, strict=True)
        )
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "unlabelled.txt").write_text("\n".join(f"{text} pool" for text in toy(12, seed=9)[0]))
    return folder


def paid(server, **more):
    facts = {"base_url": server.url, "model": "tiny-chat", "key_env": "TEST_KEY", "backoff": 0.001}
    return {**facts, **more}


def teacher(server, **more):
    return paid(server, labels=dict.fromkeys(TASK.labels, ""), **more)


def flags(labelled, **more):
    return {"data.source": str(labelled), "students": ["cbow.v1:width=8"], **more}


def settings(flags):
    return {name.replace(".", "__"): value for name, value in flags.items() if name != "data.source"}


def test_an_estimate_sends_nothing(server):
    config = server.config(
        price_in=1.0, price_out=2.0, budget=5.0, budget_requests=100, requests_per_minute=60
    )
    said = estimate(config, TASK, {"test": TEXTS[:10], "train": TEXTS[:20], "unlabelled": []})
    assert "test: 10 texts" in said
    assert "train: 10 texts" in said  # those of test are not counted twice
    assert "Together 20 requests, at least 0.3 min" in said
    assert "USD" in said
    assert "Budget: 5 USD and 100 requests." in said
    assert "unknown: give price_in" in estimate(server.config(targets="votes"), TASK, {"all": TEXTS})
    assert "Together 400 requests" in estimate(server.config(targets="votes"), TASK, {"all": TEXTS})
    assert server.requests == []


def test_what_was_bought_is_not_counted(server, tmp_path):
    buy(server.config(), TASK, TEXTS[:30], tmp_path, Silent())
    said = estimate(server.config(), TASK, {"all": TEXTS}, tmp_path)
    assert "all: 50 texts (30 more were asked before)" in said
    assert "Together 50 requests" in said


def test_the_pool_is_counted_once_it_is_there(server, labelled, tmp_path):
    asked = flags(labelled, **{"teacher.endpoint": teacher(server)})
    asked["augment"] = [{"ngram": {"p": 1.0, "passes": 2}}, "length"]
    before = dry_run(None, asked, (), tmp_path / "run")
    assert "unlabelled: 12 texts" in before
    assert "The pool must still be made: ngram, length will add texts to these" in before
    distill(str(labelled), out=tmp_path / "run", until="augment", **settings(asked))
    pool = len((tmp_path / "run" / "augment" / "pool.jsonl").read_text().splitlines())
    after = dry_run(None, asked, (), tmp_path / "run")
    assert f"the pool: {pool:,} texts" in after
    assert f"Together {20 + 10 + pool} requests" in after
    assert "must still be made" not in after
    assert server.requests == []
    distill(str(labelled), out=tmp_path / "run", until="label", **settings(asked))
    assert len(server.requests) == 20 + 10 + pool  # what was foretold
    assert "Together 0 requests" in dry_run(None, asked, (), tmp_path / "run")
    other = dry_run(None, {**asked, "seed": 1}, (), tmp_path / "run")
    assert "must still be made" in other  # a pool of another seed is not this one


def test_dev_and_test_of_unlabelled_texts_are_counted_apart(server, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    asked = {
        "data.source": None,
        "data.unlabelled": [str(tmp_path / "texts.txt")],
        "teacher.endpoint": teacher(server),
        "students": ["cbow.v1:width=8"],
    }
    said = dry_run(None, asked, (), tmp_path / "run")
    assert ["dev: 8 texts" in said, "test: 8 texts" in said, "unlabelled: 64 texts" in said] == [True] * 3
    assert "Together 80 requests" in said
    assert server.requests == []
    distill(out=tmp_path / "run", until="augment", **settings(asked))
    said = dry_run(None, asked, (), tmp_path / "run")
    assert "dev: 0 texts (8 more were asked before)" in said
    assert "Together 64 requests" in said


def test_paraphrases_are_counted_too(server, labelled, tmp_path):
    step = {"paraphrase": paid(server, variants=2, price_in=1.0, price_out=2.0, max_tokens=30)}
    asked = flags(labelled, augment=[step])
    said = dry_run(None, asked, (), tmp_path / "run")
    assert "Paraphrasing (2 variants a text) with tiny-chat" in said
    assert "train and unlabelled: 32 texts" in said
    assert "about 0.0" in said
    assert "answers may be longer than max_tokens (30)" in said
    assert "Labelling" not in said
    both = dry_run(None, {**asked, "teacher.endpoint": teacher(server)}, (), tmp_path / "run")
    assert "Paraphrasing" in both
    assert "Labelling with tiny-chat" in both
    assert "The pool must still be made: paraphrase will add" in both
    assert server.requests == []
    distill(str(labelled), out=tmp_path / "run", until="augment", **settings(asked))
    assert "0 texts (32 more were asked before)" in dry_run(None, asked, (), tmp_path / "run")


def test_a_question_of_two_steps_is_counted_once(server, labelled, tmp_path):
    steps = [{"paraphrase": paid(server)}, {"paraphrase": paid(server, most=10)}]
    asked = flags(labelled, augment=steps)
    said = dry_run(None, asked, (), tmp_path / "run")
    assert "Together 32 requests" in said
    assert "Together 0 requests" in said
    distill(str(labelled), out=tmp_path / "run", until="augment", **settings(asked))
    assert len(server.requests) == 32


def test_the_estimate_counts_the_texts_that_the_second_step_of_a_name_draws(server, labelled, tmp_path):
    """Both draw 20 of 32 texts, each by a seed of its own; what they have in common is asked once."""
    import re

    steps = [{"paraphrase": paid(server, most=20)}] * 2
    asked = flags(labelled, augment=steps)
    first, second = re.findall(r"Together (\d+) requests", dry_run(None, asked, (), tmp_path / "run"))
    distill(str(labelled), out=tmp_path / "run", until="augment", **settings(asked))
    assert len(server.requests) == int(first) + int(second)
    assert first == "20"
    assert 0 < int(second) < 20


def test_a_pool_of_unlabelled_texts_is_counted_once_it_is_there(server, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    server.mood_of = lambda text, _: "wrong" if text.endswith("7") else "well"
    asked = {
        "data.source": None,
        "data.unlabelled": [str(tmp_path / "texts.txt")],
        "data.dev_fraction": 0.3,
        "teacher.endpoint": teacher(server, targets="hard"),
        "augment": ["paraphrase"],
        "students": ["cbow.v1:width=8"],
    }
    distill(out=tmp_path / "run", until="augment", **settings(asked))
    pool = len((tmp_path / "run" / "augment" / "pool.jsonl").read_text().splitlines())
    said = dry_run(None, asked, (), tmp_path / "run")
    assert f"the pool: {pool:,} texts" in said
    assert "must still be made" not in said


def test_the_command_tells_the_cost(server, labelled, tmp_path):
    asked = ["augment", str(labelled), "--out", str(tmp_path / "run"), "--dry-run", "--set"]
    step = json.dumps({"paraphrase": paid(server)})
    result = CliRunner().invoke(app, [*asked, f"augment=[{step}]"])
    assert result.exit_code == 0, result.output
    assert "Together 32 requests" in result.output
    with pytest.raises(RecipeError, match="neither this teacher nor a step"):
        dry_run(None, flags(labelled), ())
    assert not (tmp_path / "run").exists()
