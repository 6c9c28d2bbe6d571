"""Recipes whose teacher is an endpoint, a function or a table."""

from pathlib import Path

import pytest

from understudy.errors import RecipeError
from understudy.pipeline.recipe_file import check, make_recipe, to_yaml

pytestmark = pytest.mark.usefixtures("key")


def teacher(server, **more):
    """The recipe's part of an endpoint."""
    config = server.config(**more)
    names = ("base_url", "model", "labels", "key_env", "backoff", "timeout", "concurrency", *more)
    return {name: getattr(config, name) for name in names}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"teacher": {"model": "minilm", "callable": "a:b"}}, "name one teacher, not 2: model, callable"),
        ({"teacher": {"endpoint": {"base_url": "x"}}}, "teacher.endpoint.model: is missing"),
        ({"teacher": {"endpoint": {"base_ur": "x"}}}, "unknown key. Did you mean 'base_url'"),
        ({"teacher": {"table": {"pat": "x"}}}, "unknown key. Did you mean 'path'"),
        ({"teacher": {"callable": "a:b"}}, "data: there are no texts"),
        ({}, "data: is missing"),
        ({"teacher": {"callable": "a:b"}, "training": {"vocabulary": "teacher"}}, "has none to give"),
        ({"teacher": {"callable": "a:b"}, "training": {"embeddings": "teacher"}}, "no word vectors"),
        (
            {"teacher": {"callable": "a:b"}, "data": {"unlabelled": ["x"]}, "loss": {"alpha": 0.5}},
            "has none",
        ),
    ],
)
def test_recipes_that_cannot_be_honoured(tree, said):

    with pytest.raises(RecipeError, match=said):
        check(tree)


def test_a_resolved_recipe_reads_back(chat, tmp_path):
    server = chat()
    made = make_recipe(flags={"data.source": "x", "teacher.endpoint": teacher(server)})
    (tmp_path / "recipe.yaml").write_text(to_yaml(made))
    assert make_recipe(tmp_path / "recipe.yaml") == made
    assert made.teacher.model is None


def test_the_key_is_refused_in_every_place(chat, tmp_path):
    secret = "sk-VERY-SECRET-1"
    for wrong in (
        {"key_env": secret},
        {"base_url": f"http://me:{secret}@host/v1"},
        {"extra": {"api_key": secret}},
    ):
        with pytest.raises(RecipeError) as caught:
            make_recipe(flags={"data.source": "x", "teacher.endpoint": {**teacher(chat()), **wrong}})
        assert secret not in str(caught.value)
    assert not Path(tmp_path / "recipe.yaml").exists()
