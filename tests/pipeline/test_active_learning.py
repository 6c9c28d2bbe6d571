"""Labels in rounds: each batch chosen by the student of the last, and a curve of what they were worth."""

import json

import pytest
from plain_settings import PLAIN_KEYS
from typer.testing import CliRunner

from understudy.cli.app import app
from understudy.errors import RecipeError
from understudy.pipeline.active_learning import buy_in_rounds
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe_file import make_recipe, to_yaml

SETTINGS = {
    **PLAIN_KEYS,
    "training.epochs": 4,
    "training.vocabulary_size": 60,
    "students": ["cbow.v1:width=8"],
}


pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, toy):
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    for seed, (part, size) in enumerate((("train", 60), ("dev", 30), ("test", 30))):
        texts, labels = toy(size, seed=seed)
        rows = (
            {"text": f"{t} {part}", "label": ("bad", "good")[y]} for t, y in zip(texts, labels, strict=True)
        )
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def endpoint(server, **more):
    config = server.config()
    names = ("base_url", "model", "labels", "key_env", "backoff", "timeout", "concurrency")
    return {**{name: getattr(config, name) for name in names}, **more}


def recipe(server, labelled, **more):
    flags = {"data.source": str(labelled), "teacher.endpoint": endpoint(server, **more), **SETTINGS}
    return make_recipe(flags=flags)


@pytest.mark.parametrize("how", ["uncertainty", "diversity"])
def test_rounds_buy_batches_and_draw_a_curve(how, chat, labelled, tmp_path):
    server = chat()
    made = recipe(server, labelled, price_in=1.0, price_out=1.0)
    done = buy_in_rounds(made, tmp_path / "run", how=how, batch=10, rounds=2)
    assert [point.labels for point in done.points] == [10, 20]
    assert [point.how for point in done.points] == ["random" if how == "uncertainty" else how, how]
    assert done.points[1].cost == pytest.approx(20 * 110e-6)
    assert len(server.requests) == 20
    assert not any(text.endswith(("dev", "test")) for text in server.seen)
    more = buy_in_rounds(made, tmp_path / "run", how=how, batch=10, rounds=1)
    assert [point.labels for point in more.points] == [10, 20, 30]
    assert len(server.requests) == 30
    curve = json.loads((tmp_path / "run" / "rounds" / "curve.json").read_text())
    assert curve["metric"] == "accuracy"
    assert len(curve["points"]) == 3
    assert (tmp_path / "run" / "rounds" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_rounds_end_where_everything_is_labelled_or_the_budget_is_spent(chat, labelled, tmp_path):
    server = chat()
    done = buy_in_rounds(recipe(server, labelled), tmp_path / "run", batch=50, rounds=9)
    assert (done.remaining, done.why) == (0, "Every text is labelled.")
    texts = len(server.requests)
    result = distill(recipe=recipe(server, labelled), out=tmp_path / "run", until="label")
    assert len(server.requests) == texts + len(set((labelled / "test.jsonl").read_text().splitlines()))
    assert result.folder == tmp_path / "run"
    short = recipe(chat(), labelled, budget_requests=15)
    done = buy_in_rounds(short, tmp_path / "short", batch=10, rounds=9)
    assert done.points[-1].labels == 15
    assert "budget of 15 requests" in done.why


def test_a_function_can_be_asked_in_rounds_too(labelled, tmp_path):
    made = make_recipe(
        flags={"data.source": str(labelled), "teacher.callable": "anything:really", **SETTINGS}
    )
    asked = []

    def score(texts):
        asked.extend(texts)
        return [[0.0, 1.0] if "good" in text else [1.0, 0.0] for text in texts]

    done = buy_in_rounds(made, tmp_path / "run", how="random", batch=8, rounds=2, function=score)
    assert [point.labels for point in done.points] == [8, 16]
    assert len(asked) == 16
    with pytest.raises(RecipeError, match=r"^batch is 0, but must be at least 1\.$"):
        buy_in_rounds(made, tmp_path / "run", batch=0)
    with pytest.raises(RecipeError, match=r"^rounds is -1, but must be at least 1\.$"):
        buy_in_rounds(made, tmp_path / "run", rounds=-1)
    with pytest.raises(RecipeError, match="Unknown way to select 'randm'"):
        buy_in_rounds(made, tmp_path / "run", how="randm")


def test_a_curve_without_gold_labels_says_so(chat, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"a {word} film {n}" for n in range(30) for word in ("good", "bad")))
    file = tmp_path / "recipe.yaml"
    data = {"data.unlabelled": [str(texts)], "teacher.endpoint": endpoint(chat()), **SETTINGS}
    file.write_text(to_yaml(make_recipe(flags=data)))
    arguments = ["buy", str(file), "--out", str(tmp_path / "run"), "--batch", "10", "--rounds", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "Scores on dev, labelled by the teacher." in done.output
    curve = json.loads((tmp_path / "run" / "rounds" / "curve.json").read_text())
    assert curve["on"] == "dev, labelled by the teacher"


def test_a_local_model_can_be_asked_in_rounds_too(labelled, tmp_path, bert):
    made = make_recipe(flags={"data.source": str(labelled), "teacher.model": str(bert), **SETTINGS})
    done = buy_in_rounds(made, tmp_path / "run", batch=10, rounds=1)
    assert [point.labels for point in done.points] == [10]


def test_the_verb(chat, labelled, tmp_path):
    server = chat()
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(recipe(server, labelled)))
    arguments = ["buy", str(file), "--out", str(tmp_path / "run"), "--batch", "10", "--rounds", "1"]
    done = CliRunner().invoke(app, [*arguments, "--select", "diversity"])
    assert done.exit_code == 0, done.output
    assert "10 labels" in done.output
    assert "curve.png" in done.output
    done = CliRunner().invoke(app, ["buy", str(tmp_path / "run"), "--batch", "10", "--rounds", "1"])
    assert "20 labels" in done.output


def test_a_dry_run_sends_nothing(chat, labelled, tmp_path):
    server = chat()
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(recipe(server, labelled)))
    arguments = ["label", "--recipe", str(file), "--out", str(tmp_path / "run"), "--dry-run"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "(nothing was sent)" in done.output
    assert "train: " in done.output
    assert server.requests == []
    assert not (tmp_path / "run").exists()
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\nthree\n")
    done = CliRunner().invoke(app, [*arguments, "--set", "data.source=null", "--unlabelled", str(texts)])
    assert "dev: 1 texts" in done.output
    assert "Together 3 requests" in done.output
    wrong = CliRunner().invoke(app, ["label", str(labelled), "--dry-run"])
    assert isinstance(wrong.exception, RecipeError)
