import glob
import shutil

import pytest

from understudy.augment import read_steps
from understudy.errors import RecipeError
from understudy.pipeline.recipe import Recipe
from understudy.pipeline.recipe_file import make_recipe, to_yaml, with_whole_paths
from understudy.teachers.configs import EndpointConfig


def made(*assignments, **flags):
    return make_recipe(None, {"data.source": "sst2", **flags}, assignments)


def test_defaults_are_those_of_the_papers():
    recipe = made()
    assert recipe.students == ()  # those of the kind of task
    assert recipe.loss.name == "auto"
    assert recipe.make_pool == 300
    assert recipe.teacher.finetune.learning_rate == 5e-5
    assert recipe.teacher.finetune.passes(6920) == 3
    assert recipe.training.vocabulary_size is None
    assert recipe.training.gold_pass


def test_the_usual_students_are_those_of_the_kind_of_task():
    assert made().settled("pair").students == ("linear.v1", "cbow.v2", "dan.v2")
    assert made().settled("tagging").students == ("window.v1:tagger",)
    assert made("students=[kim-cnn.v1]").settled("tagging").students == ("kim-cnn.v1",)


def test_a_table_is_refused_where_c_does_not_serve_a_student_for_this_kind_of_task():
    with pytest.raises(
        RecipeError, match=r"table: int8 .* which window\.v1 have, but not bilstm\.v1:tagger\."
    ):
        made("table=int8", "students=[bilstm.v1:tagger]").settled("tagging")
    with pytest.raises(RecipeError, match=r"table: int8 .* but not window\.v1:tagger\."):
        made("table=int8", "students=[window.v1:tagger]").settled("classification")
    assert made("table=int8").settled("tagging").students == ("window.v1:tagger",)
    assert made("table=int8", "students=[bilstm.v1]").settled("classification").students == ("bilstm.v1",)


def test_a_pool_can_be_refused_in_a_word_and_its_budget_is_a_number_of_seconds():
    assert made("make_pool=none").make_pool is None
    assert made("make_pool=null").make_pool is None
    assert made(make_pool="60").make_pool == 60
    for value in ("0", "-1", ".inf", ".nan", "soon"):
        with pytest.raises(RecipeError, match="make_pool: must be"):
            made(f"make_pool={value}")


def test_gold_labels_can_be_weighed_where_the_loss_is_chosen():
    assert made("training.class_weights=true").loss.name == "auto"
    with pytest.raises(RecipeError, match="no gold part"):
        made("training.class_weights=true", "loss.name=mse")


def test_few_labels_get_enough_steps():
    config = made().teacher.finetune
    assert config.passes(200) == 20  # 13 steps an epoch: 20 epochs make 260
    assert config.passes(1) == 250


def test_what_is_written_is_read_back(tmp_path):
    recipe = made("loss={name: kl, temperature: 2, alpha: 0.5}", "data.labels={0: bad, 1: good}")
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(recipe), encoding="utf-8")
    assert make_recipe(file) == recipe


def test_flags_go_over_the_file_and_assignments_over_both(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "data: {source: sst2, metric: macro_f1}\nseed: 1\ntraining: {epochs: 5}\n", encoding="utf-8"
    )
    recipe = make_recipe(file, {"seed": 2, "data.metric": None}, ["training.epochs=7"])
    assert (recipe.seed, recipe.data.metric, recipe.training.epochs) == (2, "macro_f1", 7)


def test_all_problems_are_named_at_once():
    with pytest.raises(RecipeError) as error:
        made(
            "training.epoch=3",
            "loss.name=ms",
            "teacher.model=minlm",
            "students=[cbow]",
            "data.dev_fraction=2",
            "data.metric=f2",
            "teacher.finetune.poolin=cls",
            "teacher.precision=float16",
            "seed=-1",
            "extra=1",
        )
    said = str(error.value)
    assert "10 problems" in said
    for place in (
        "training.epoch: unknown key. Did you mean 'epochs'?",
        "Unknown loss 'ms'. Did you mean 'mse'?",
        "Did you mean 'minilm'?",
        "Did you mean 'cbow.v2'?",
        "data.dev_fraction",
        "Unknown metric 'f2'. Did you mean 'f1'",
        "Did you mean 'pooling'?",
        "Unknown precision 'float16'. Did you mean 'bfloat16'?",
        "seed",
        "extra: unknown key.",
    ):
        assert place in said


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("loss.temperature=2", "has no temperature"),
        ("loss.name=gold", "learns nothing from the teacher"),
        ("training.epochs=0", "must be greater than 0"),
        ("training.vocabulary_size=2", "must be at least 10"),
        ("students=[]", "at least 1"),
        ("nonsense", "key=value"),
        ("data.source.x=1", "cannot be set"),
        ("seed=[", "not YAML"),
    ],
)
def test_what_cannot_be_honoured_is_refused(assignment, said):
    with pytest.raises(RecipeError, match=said):
        made(assignment)


def test_a_student_named_twice_is_trained_once():
    assert made("students=[cbow.v1, bilstm.v1, cbow.v1]").students == ("cbow.v1", "bilstm.v1")


def test_a_missing_source_is_said():
    with pytest.raises(RecipeError, match=r"data: is missing"):
        make_recipe()


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"\xff", b"a: ["])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        make_recipe(file)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        make_recipe(tmp_path / "none.yaml")


def test_no_key_of_a_recipe_can_hold_a_test_split():
    keys = {*Recipe.model_fields, *Recipe.model_fields["data"].annotation.model_fields}
    assert not {key for key in keys if "test" in key} - {"test_fraction"}


def test_a_table_is_refused_where_a_student_has_none():
    flags = {"data.source": "sst2", "students": ["cbow.v1:width=8", "cnn.v1"]}
    assert make_recipe(flags={**flags, "table": "auto"}).table == "auto"
    assert make_recipe(flags={**flags, "students": ["dan.v1"], "table": "int8"}).table == "int8"
    with pytest.raises(RecipeError, match=r"table: int8 .* but not cnn\.v1\. Use auto"):
        make_recipe(flags={**flags, "table": "int8"})
    with pytest.raises(RecipeError, match="Drop one"):
        make_recipe(flags={**flags, "students": ["dan.v1"], "table": "float16", "quantize": "int8"})
    with pytest.raises(RecipeError, match=r"(?s)quantize.*table"):
        make_recipe(flags={**flags, "table": "int9", "quantize": "often"})


ENDPOINT = {
    "base_url": "http://host/v1",
    "model": "chat",
    "key_env": "A_KEY",
    "labels": {"bad": "no", "good": "yes"},
    "price_in": 1.0,
    "price_out": 2.0,
    "budget": 3.0,
    "targets": "hard",
    "max_tokens": 9,
}


def test_paraphrase_asks_the_endpoint_that_teaches_where_it_names_none(tmp_path):
    for bare in (("paraphrase",), [{"paraphrase": None}], [{"paraphrase": {}}]):
        recipe = make_recipe(None, {"data.source": "x.csv", "teacher.endpoint": ENDPOINT, "augment": bare})
        (step,) = read_steps(recipe.augment)
        usual = {key: value for key, value in ENDPOINT.items() if key not in ("targets", "max_tokens")}
        assert {key: getattr(step.config, key) for key in usual} == usual
        assert step.config.max_tokens == 1024
        file = tmp_path / "recipe.yaml"
        file.write_text(to_yaml(recipe), encoding="utf-8")
        assert make_recipe(file) == recipe
        config = EndpointConfig(**ENDPOINT)
        assert read_steps(make_recipe(file, {"teacher.endpoint": config, "augment": bare}).augment) == (step,)
    own = {"paraphrase": {"variants": 2, "budget": 1.0, "labels": {}, "of": "labelled"}}
    recipe = make_recipe(
        None, {"data.source": "x.csv", "teacher.endpoint": ENDPOINT, "augment": [own, "eda"]}
    )
    step, other = read_steps(recipe.augment)
    assert (step.config.model, step.config.budget, step.config.labels, step.of) == (
        "chat",
        1.0,
        {},
        "labelled",
    )
    assert (step.config.variants, other.name) == (2, "eda")


def test_another_server_is_lent_nothing():
    other = {"base_url": "http://other/v1", "model": "small", "key_env": None}
    flags = {"data.source": "x.csv", "teacher.endpoint": ENDPOINT, "augment": [{"paraphrase": other}]}
    (step,) = read_steps(make_recipe(None, flags).augment)
    assert (step.config.key_env, step.config.budget, step.config.labels) == (None, None, {})
    with pytest.raises(
        RecipeError, match=r"paraphrase needs base_url. Say so .* paraphrase: \{base_url: …\}"
    ):
        make_recipe(None, {**flags, "augment": [{"paraphrase": {"model": "small"}}]})
    with pytest.raises(RecipeError, match="paraphrase needs base_url and model"):
        made(augment=["paraphrase"])


def test_paths_are_found_beside_the_recipe(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
        (folder / "data.csv").write_text("text,label\na,b\n")
    (home / "words.txt").write_text("x")
    (home / "recipe.yaml").write_text(
        "data: {source: data.csv, unlabelled: ['more*.txt', words.txt]}\n"
        "augment: [{eda: {synonyms: words.txt, operations: [swap]}}]\n"
        "training: {embeddings: words.txt}\n"
    )
    monkeypatch.chdir(elsewhere)
    recipe = make_recipe(home / "recipe.yaml")
    assert recipe.data.source == str(home / "data.csv")
    assert recipe.data.unlabelled == ("more*.txt", str(home / "words.txt"))
    assert recipe.training.embeddings == str(home / "words.txt")
    assert recipe.augment[0]["eda"] == {"synonyms": str(home / "words.txt"), "operations": ["swap"]}


def test_names_stay_names(tmp_path, monkeypatch):
    (tmp_path / "sst2").mkdir()
    (tmp_path / "recipe.yaml").write_text("data: {source: sst2}\nteacher: {model: minilm}\n")
    monkeypatch.chdir(tmp_path)
    recipe = with_whole_paths(make_recipe(tmp_path / "recipe.yaml"))
    assert (recipe.data.source, recipe.teacher.model) == ("sst2", "minilm")


def test_a_saved_recipe_has_whole_paths(tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("text,label\na,b\n")
    monkeypatch.chdir(tmp_path)
    recipe = with_whole_paths(make_recipe(flags={"data.source": "data.csv"}))
    assert recipe.data.source == str(tmp_path / "data.csv")


def test_every_key_that_names_a_file_is_found_beside_the_recipe(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    (home / "tokenizer.json").write_text("{}")
    (home / "chat").mkdir()  # of the name of the model on the server
    (home / "recipe.yaml").write_text(
        "data: {unlabelled: [tokenizer.json]}\n"
        "teacher:\n"
        "  endpoint: {base_url: http://host, model: chat, labels: {a: x, b: y}, tokenizer: tokenizer.json}\n"
        "augment: [{paraphrase: {base_url: http://host/v1, model: chat, tokenizer: tokenizer.json}}]\n"
    )
    monkeypatch.chdir(elsewhere)
    recipe = make_recipe(home / "recipe.yaml")
    assert recipe.teacher.endpoint.tokenizer == str(home / "tokenizer.json")
    assert recipe.teacher.endpoint.model == "chat"
    step = recipe.augment[0]["paraphrase"]
    assert (step["tokenizer"], step["model"]) == (str(home / "tokenizer.json"), "chat")


def test_members_of_an_ensemble_are_found_beside_the_recipe(write_model, tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "a+b", tmp_path / "elsewhere"
    for name in ("one", "two"):
        shutil.copytree(write_model("bert", seed=len(name)), home / name)
    elsewhere.mkdir()
    (home / "recipe.yaml").write_text("data: {source: sst2}\nteacher: {model: one + two}\n")
    monkeypatch.chdir(elsewhere)
    assert make_recipe(home / "recipe.yaml").teacher.model == (str(home / "one"), str(home / "two"))

    monkeypatch.chdir(home)
    recipe = make_recipe(home / "recipe.yaml")
    assert recipe.teacher.model == "one + two"
    assert with_whole_paths(recipe).teacher.model == (str(home / "one"), str(home / "two"))


def test_a_recipe_in_the_current_folder_keeps_its_paths(tmp_path, monkeypatch):
    (tmp_path / "words.txt").write_text("x")
    (tmp_path / "recipe.yaml").write_text("data: {source: sst2}\ntraining: {embeddings: words.txt}\n")
    monkeypatch.chdir(tmp_path)
    assert make_recipe(tmp_path / "recipe.yaml").training.embeddings == "words.txt"


def test_paths_in_every_form_are_found_beside_the_recipe(tmp_path, monkeypatch):
    home = tmp_path / "h[1]"
    for name in ("m1", "m2"):
        (home / name).mkdir(parents=True)
        (home / name / "config.json").write_text("{}")
    (home / "v.txt").write_text("x")
    (home / "recipe.yaml").write_text(
        "data: {source: sst2, unlabelled: '*.txt'}\nteacher: {model: [m1, m2]}\n"
        "augment: {eda: {vectors: v.txt, operations: [swap]}}\n"
    )
    monkeypatch.chdir(tmp_path)
    recipe = make_recipe(home / "recipe.yaml")
    assert recipe.teacher.model == (str(home / "m1"), str(home / "m2"))
    assert recipe.augment[0]["eda"]["vectors"] == str(home / "v.txt")
    assert glob.glob(recipe.data.unlabelled[0]) == [str(home / "v.txt")]  # noqa: PTH207


def test_a_recipe_of_a_run_does_not_take_its_stages_for_data(tmp_path, monkeypatch):
    run = tmp_path / "runs" / "x"
    for name in ("data", "teacher"):
        (run / name).mkdir(parents=True)
    (run / ".understudy").write_text("{}")
    (run / "recipe.yaml").write_text("data: {source: data}\n")
    monkeypatch.chdir(tmp_path)
    assert make_recipe(run / "recipe.yaml").data.source == "data"


def test_an_assignment_without_a_value_is_refused():
    with pytest.raises(RecipeError, match=r"--set training\.epochs= gives no value"):
        made("training.epochs=")
