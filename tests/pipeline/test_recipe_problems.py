"""Every problem of a recipe is told, in our words, and before torch is imported."""

import re
import subprocess
import sys

import pytest

from understudy.errors import RecipeError
from understudy.pipeline import recipe_problems
from understudy.pipeline.recipe_file import check, make_recipe
from understudy.students import STUDENTS

DATA = {"data": {"source": "sst2"}}


def problems(**tree):
    """What is said of a recipe, without the head and the names that are known."""
    with pytest.raises(RecipeError) as error:
        check({**DATA, **tree})
    return [line.partition(" Known:")[0].strip() for line in str(error.value).splitlines()[1:]]


def test_all_bad_values_of_one_part_are_told():
    assert problems(training={"epochs": 0, "patience": 0}) == [
        "training: epochs is 0, but must be greater than 0, and finite.",
        "training: patience is 0, but must be greater than 0, and finite.",
    ]
    assert problems(teacher={"finetune": {"epochs": 0, "batch_size": -1}}) == [
        "teacher.finetune: epochs is 0, but must be greater than 0, and finite.",
        "teacher.finetune: batch_size is -1, but must be greater than 0, and finite.",
    ]
    assert problems(students=["cbow", "bilsm", "dan.v1"]) == [
        "students: Unknown student 'cbow'. Did you mean 'cbow.v2'?",
        "students: Unknown student 'bilsm'. Did you mean 'bilstm.v1'?",
    ]
    assert problems(augment=["rulez", "lenght", "rules", {"balance": {"x": 1}}]) == [
        "augment: Unknown step 'rulez'. Did you mean 'rules'?",
        "augment: Unknown step 'lenght'. Did you mean 'length'?",
        "augment: balance has no option 'x'.",
    ]


def test_what_only_follows_from_another_problem_is_not_told():
    assert problems(loss={"name": "klx", "temperature": 2}) == [
        "loss: Unknown loss 'klx'. Did you mean 'kl'?"
    ]
    assert problems(students=[1]) == ["students.0: must be a text (got 1)."]
    assert problems(teacher={"model": "minilm", "table": "a.csv"}) == [
        "teacher: name one teacher, not 2: model, table."
    ]


def test_problems_of_students_and_of_the_rest_are_told_together():
    assert problems(students=["cbow", "dan.v1:wdith=3"], seed=-1) == [
        "students: Unknown student 'cbow'. Did you mean 'cbow.v2'?",
        "seed: must be at least 0 (got -1).",
        "students: dan.v1 has no size 'wdith'. Did you mean 'width'?",
    ]
    assert problems(students=[], seed=-1) == [
        "seed: must be at least 0 (got -1).",
        "students: must be a list of at least 1 (got []).",
    ]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"training": {"epochs": "many"}}, "training.epochs: must be a whole number (got 'many')."),
        ({"training": 3}, "training: must be keys with values (got 3)."),
        ({"augment": [3]}, "augment.0: must be a text, or keys with values (got 3)."),
        ({"augment": 3}, "augment: must be a list (got 3)."),
        ({"quantize": "int4"}, "quantize: must be none, auto or int8 (got 'int4'). Did you mean 'int8'?"),
        ({"prune": 2}, "prune: must be none or auto, or at most 1 (got 2)."),
        ({"prune": "atuo"}, "prune: must be none or auto, or a number (got 'atuo'). Did you mean 'auto'?"),
        ({"data": {"source": "a", "bins": -1}}, "data.bins: must be greater than 0 (got -1)."),
        (
            {"data": {"source": "a", "header": "perhaps"}},
            "data.header: must be true or false (got 'perhaps').",
        ),
        (
            {"data": {"source": "a", "stream": "no way"}},
            "data.stream: must be true or false, or auto (got 'no way').",
        ),
        ({"data": {"source": "a", "text_column": 3}}, "data.text_column: must be a text, or a list (got 3)."),
        ({"data": {"source": "a" * 99, "sample": 1.5}}, "data.sample: must be a whole number (got 1.5)."),
        ({"seed": "x" * 99}, f"seed: must be a whole number (got '{'x' * 56}...)."),
        ({"teacher": {"endpoint": {"base_url": "x", "model": "m"}}}, "teacher.endpoint.labels: is missing."),
    ],
)
def test_our_words_say_what_a_value_must_be(tree, expected):
    assert problems(**tree) == [expected]


LIBRARY = re.compile(
    r"Input should|valid (string|integer|dictionary|tuple|boolean|number)|nullable|any\]|pydantic"
)
VALUES = [
    "x",
    "",
    -1,
    1.5,
    True,
    None,
    [],
    [1],
    ["x"],
    [[]],
    {},
    {"x": 1},
    float("nan"),
    10**30,
    [None],
    [{"x": []}],
]


def keys_of(tree, path=()):
    for name, value in tree.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*path, name))


ALL_KEYS = [
    *keys_of(check(DATA).model_dump()),
    *(("teacher", "endpoint", name) for name in ("base_url", "model", "labels", "temperature", "max_tokens")),
    *(("teacher", "table", name) for name in ("path", "x")),
]


def message_of(tree):
    try:
        check(tree)
    except RecipeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", ALL_KEYS, ids=".".join)
def test_no_value_of_any_key_is_answered_in_the_words_of_the_library(key):
    for value in VALUES:
        tree = {"data": {"source": "sst2"}}
        part = tree
        for name in key[:-1]:
            part = part.setdefault(name, {})
        part[key[-1]] = value
        assert not LIBRARY.search(message_of(tree)), value


def test_one_value_stands_for_a_list_of_one(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "data: {source: sst2, unlabelled: more.txt}\nstudents: dan.v1\naugment: rules\n", encoding="utf-8"
    )
    recipe = make_recipe(file)
    assert (recipe.students, recipe.augment, recipe.data.unlabelled) == (
        ("dan.v1",),
        ("rules",),
        ("more.txt",),
    )
    assert make_recipe(file, assignments=["augment={balance: {oversample: true}}"]).augment == (
        {"balance": {"oversample": True}},
    )


def test_names_of_students_are_those_of_the_registry():
    assert recipe_problems._names_in_sources() == set(STUDENTS)
    assert recipe_problems.student_names() == set(STUDENTS)


@pytest.mark.parametrize(
    "assignment",
    ["training.epochs=0", "students=[cbow]", "students=cbow", "seed=x", "augment=[rulez]", "los.name=kl"],
)
def test_a_mistake_is_told_without_torch(assignment):
    code = (
        "import sys\n"
        "from understudy.errors import RecipeError\n"
        "from understudy.pipeline.recipe_file import make_recipe\n"
        "try:\n"
        "    make_recipe(None, {'data.source': 'sst2'}, [sys.argv[1]])\n"
        "except RecipeError:\n"
        "    print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, assignment], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"
