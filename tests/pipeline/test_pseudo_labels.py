"""Runs without gold labels: dev and test are drawn from texts, and judged by the teacher."""

import pytest
from saved_data import load_saved_dataset

from understudy.errors import RecipeError
from understudy.pipeline.distillation import distill
from understudy.pipeline.pseudo_labels import draw
from understudy.pipeline.recipe_file import make_recipe

LABELS = ("bad", "good")


def judge(texts):
    return [[0.0, 3.0] if "good" in text.casefold() else [3.0, 0.0] for text in texts]


def test_a_sample_of_texts_without_labels_is_drawn_at_random_and_said(tmp_path):
    every = [f"a {word} film {n}" for n in range(20) for word in ("good", "bad")]
    (tmp_path / "texts.txt").write_text("\n".join(every))
    options = {
        "unlabelled": str(tmp_path / "texts.txt"),
        "teacher": judge,
        "teacher__labels": LABELS,
        "data__sample": 10,
        "out": tmp_path / "run",
        "until": "label",
    }
    distill(**options)
    data = load_saved_dataset(tmp_path / "run" / "data")
    assert len(data.unlabelled) == 10
    rest = [text for text in every if text not in {*data.dev.texts, *data.test.texts}]
    assert list(data.unlabelled) != rest[:10]
    assert set(data.unlabelled) <= set(rest)
    assert any("Kept 10 of" in note and "(data.sample)" in note for note in data.notes)
    with pytest.raises(RecipeError, match=r"data\.rest is about labelled data"):
        distill(**options, data__rest="unlabelled")


def test_texts_of_dev_are_not_in_test_in_another_case(tmp_path):
    texts = [f"{word} film {n}" for n in range(20) for word in ("Good", "good")]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    flags = {
        "data.unlabelled": [str(tmp_path / "texts.txt")],
        "data.dev_fraction": 0.4,
        "data.test_fraction": 0.4,
        "teacher.callable": "any:thing",
        "teacher.labels": LABELS,
    }
    data = draw(make_recipe(flags=flags))
    dev, test, rest = (
        {text.casefold() for text in part} for part in (data.dev.texts, data.test.texts, data.unlabelled)
    )
    assert not dev & test
    assert not rest & (dev | test)
    assert data.dropped["dev texts also in test"] == 16 - len(data.dev) > 0
