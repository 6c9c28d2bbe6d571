"""What a recipe cannot ask is told before the teacher is fine-tuned or asked, and all of it at once."""

import pytest

from understudy.core.task import Task
from understudy.errors import RecipeError, TeacherError, UnderstudyError
from understudy.pipeline.checks import check_run
from understudy.pipeline.distillation import distill
from understudy.pipeline.recipe_file import make_recipe

TASK = Task(("bad", "good"), "classification")


def judge(texts):
    pytest.fail("the teacher was asked")


def problems(*assignments, task=TASK, **flags):
    flags = {"data.source": "sst2", **{key.replace("__", "."): value for key, value in flags.items()}}
    recipe = make_recipe(None, flags, assignments)
    with pytest.raises(UnderstudyError) as error:
        check_run(recipe.settled(task.kind), task, None)
    return str(error.value)


@pytest.mark.parametrize("value", ["abc", "-5", "0", "1.5", "1e9"])
def test_a_size_that_is_not_one_is_told(value):
    said = problems(students=[f"cbow.v1:width={value}"])
    assert said.startswith("cbow.v1:width=")
    assert "must be a whole number of at least 1" in said


def test_a_student_of_a_billion_parameters_is_refused():
    assert "parameters, but a student has 1,000,000,000 at most" in problems(
        students=["cbow.v1:width=1000000000"]
    )


@pytest.mark.parametrize("grams", ["ngrams=9000000", "ngrams=1000,vocabulary_size=9000000"])
def test_n_grams_count_among_the_parameters(grams):
    said = problems(students=[f"linear.v1:{grams}"], task=Task(tuple(f"intent_{n}" for n in range(150))))
    assert "parameters, but a student has 1,000,000,000 at most" in said


@pytest.mark.parametrize(
    ("student", "pair", "own"),
    [
        ("linear.v1", "diffcat", "compare"),
        ("dan.v2", "diffcat", "compare"),
        ("cbow.v1", "compare", "diffcat"),
    ],
)
def test_a_way_to_read_pairs_that_a_student_does_not_have_is_told(student, pair, own):
    task = Task(("no", "yes"), "pair")
    sentence = f"{student} cannot read two texts as '{pair}': it reads them as 'joint', in one, or as '{own}'"
    assert sentence in problems(f"training.pair={pair}", students=[student], task=task)
    assert sentence in problems(students=[f"{student}:pair={pair}"], task=task)
    for fine in (own, "joint"):
        check_run(
            make_recipe(None, {"data.source": "sst2", "students": [f"{student}:pair={fine}"]}), task, None
        )


def test_missing_vectors_are_told():
    said = problems("training.embeddings=/nothere", students=["cbow.v1"])
    assert "training.embeddings: there is no file '/nothere' of word vectors." in said


def test_a_loss_on_layers_needs_a_transformer():
    assert "linear.v1 is not one. Drop it, or choose a BERT." in problems("loss.layers=1")


@pytest.mark.parametrize("student", ["bilstm.v1", "cbow.v1", "dan.v2:vocabulary=wordpiece"])
def test_rows_are_left_out_of_weighted_bags_of_words_alone(student):
    said = problems(students=["linear.v1", student], prune="0.1")
    assert said.startswith("prune: rows ")
    assert f"of {student.partition(':')[0]}" in said or "dan.v2 has pieces" in said
    assert "use auto, which leaves students without such rows as they are" in said
    recipe = make_recipe(None, {"data.source": "sst2", "students": ["linear.v1", student], "prune": "auto"})
    check_run(recipe, TASK, None)


def test_rows_are_counted_in_labelled_texts():
    flags = {"data.unlabelled": ["x.txt"], "teacher.callable": "a:b", "students": ["dan.v2"], "prune": "auto"}
    with pytest.raises(RecipeError, match=r"prune: .* there is no data\.source"):
        check_run(make_recipe(None, flags), TASK, None)


def test_labels_of_a_finetuned_teacher_are_compared_from_its_config_alone(write_model, monkeypatch):
    other = write_model("bert", labels=("no", "yes"))
    monkeypatch.setattr(
        "understudy.teachers.transformer.load_module", lambda *_: pytest.fail("weights were read")
    )
    said = problems(teacher__model=str(other))
    assert "['no', 'yes']" in said
    assert "['bad', 'good']" in said


def test_all_problems_are_told_at_once():
    said = problems(
        "training.embeddings=/nothere", "loss.layers=1", students=["cbow.v1:width=-5", "dan.v1:width=abc"]
    )
    for part in ("problems with this data", "width is -5", "width is 'abc'", "/nothere", "choose a BERT"):
        assert part in said


def test_nothing_is_asked_or_written_before(toy, tmp_path):
    rows = [f"{text},{'good' if label else 'bad'}" for text, label in zip(*toy(60), strict=True)]
    (tmp_path / "data.csv").write_text("text,label\n" + "\n".join(rows))
    with pytest.raises(RecipeError, match="width is 'abc'"):
        distill(tmp_path / "data.csv", teacher=judge, students="cbow.v1:width=abc", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_problem_keeps_its_class(write_model):
    recipe = make_recipe(
        None, {"data.source": "sst2", "teacher.model": str(write_model("bert", labels=("no", "yes")))}
    )
    with pytest.raises(TeacherError, match=r"\['no', 'yes'\]"):
        check_run(recipe, TASK, None)


def test_a_model_of_the_hub_is_not_asked_for(offline):
    check_run(make_recipe(None, {"data.source": "sst2", "teacher.model": "owner/name"}), TASK, None)


def test_parts_of_words_are_refused_beside_pieces_and_count_among_the_parameters():
    for name in ("linear.v1", "dan.v2"):
        said = problems(students=[f"{name}:characters=true,vocabulary=wordpiece"])
        assert "characters=true reads parts of words, but the vocabulary 'wordpiece' has pieces" in said
    task = Task(tuple(f"intent_{n}" for n in range(150)))
    said = problems(students=["linear.v1:characters=true,parts=9000000"], task=task)
    assert "parameters, but a student has 1,000,000,000 at most" in said
    assert "characters is 3, but must be true or false" in problems(students=["linear.v1:characters=3"])
    check_run(make_recipe(None, {"data.source": "sst2", "students": ["dan.v2:characters=true"]}), TASK, None)
