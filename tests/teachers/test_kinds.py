"""Every family of transformers, for every kind of task."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from understudy.core.task import Predictor, Task
from understudy.errors import DataError, TeacherError
from understudy.teachers.loading import quiet
from understudy.teachers.source import FACTS_FILE
from understudy.teachers.transformer import Teacher
from understudy.tokenization.windows import windows

POSITIONS = 40  # tokens that each model reads
TASKS = {
    "classification": Task(("bad", "fair", "good")),
    "pair": Task(("no", "perhaps", "yes"), kind="pair"),
    "multilabel": Task(("joy", "fear", "anger"), kind="multilabel"),
    "multilabel of pairs": Task(("joy", "fear", "anger"), kind="multilabel", texts=2),
    "regression": Task(("score",), kind="regression", bounds=(1.0, 5.0)),
    "regression of pairs": Task(("score",), kind="regression", bounds=(0.0, 5.0), texts=2),
    "bins": Task(("0", "2.5", "5"), kind="regression"),
    "tagging": Task(("O", "B-X", "I-X"), kind="tagging"),
}

each_family = pytest.mark.parametrize("family", ["bert", "roberta", "deberta", "distilbert"])
each_kind = pytest.mark.parametrize("kind", TASKS)


@pytest.fixture(scope="module")
def opened(family_folder):
    """Family and kind → a teacher, opened once."""
    teachers = {}

    def go(family, kind):
        key = family, kind
        if key not in teachers:
            task = TASKS[kind]
            teachers[key] = Teacher.from_pretrained(family_folder(family, task), task=task)
        return teachers[key]

    return go


def tagged_alone(model, tokenizer, words):
    """Logits of each word's first piece, one piece after another by the tokeniser itself."""
    spaced = [" " + word for word in words] if "ByteLevel" in str(tokenizer.backend_tokenizer) else words
    pieces = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in spaced]
    ids = [tokenizer.cls_token_id, *(i for piece in pieces for i in piece), tokenizer.sep_token_id]
    firsts = np.cumsum([1, *map(len, pieces)])[:-1]
    return model(input_ids=torch.tensor([ids])).logits[0, firsts]


def reference(folder, task, items):
    """What the library itself answers, one item at a time."""
    is_tagging = task.kind == "tagging"
    form = "AutoModelForTokenClassification" if is_tagging else "AutoModelForSequenceClassification"
    with quiet(), torch.inference_mode():
        model = getattr(transformers, form).from_pretrained(folder).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        if is_tagging:
            rows = [tagged_alone(model, tokenizer, words) for words in items]
        else:
            cut = {"return_tensors": "pt", "truncation": True, "max_length": POSITIONS}
            pairs = [item if isinstance(item, tuple) else (item,) for item in items]
            rows = [model(**tokenizer(*pair, **cut)).logits for pair in pairs]
    return torch.cat(rows).numpy()


@each_family
@each_kind
def test_it_answers_as_its_own_library_does(opened, family_folder, items, family, kind):
    teacher, task = opened(family, kind), TASKS[kind]
    asked = items(task)
    logits = teacher.logits(asked)
    assert isinstance(teacher, Predictor)
    assert teacher.task == task
    assert (logits.shape, logits.dtype) == ((task.rows(asked).sum(), len(task.labels)), np.float32)
    assert np.ptp(logits[:, 0]) > 0.02  # different items, different answers: what follows can fail
    expected = reference(family_folder(family, task), task, asked)
    if task.bounds:  # the library's model speaks the data's unit
        np.testing.assert_allclose(task.decisions(logits), expected[:, 0], atol=1e-5)
        expected = (expected - task.bounds[0]) / (task.bounds[1] - task.bounds[0])
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@each_family
@each_kind
def test_logits_do_not_depend_on_the_batch(opened, items, family, kind):
    teacher, task = opened(family, kind), TASKS[kind]
    asked = items(task, seed=1)
    if kind == "tagging":
        asked = [*asked, *(words * 12 for words in asked[:3])]  # and some in windows
    alone = np.concatenate([teacher.logits([item]) for item in asked])
    np.testing.assert_allclose(teacher.logits(asked), alone, atol=1e-5)
    backwards = np.concatenate([teacher.logits([item]) for item in asked[::-1]])
    np.testing.assert_allclose(teacher.logits(asked[::-1]), backwards, atol=1e-5)


@each_family
@each_kind
def test_what_is_saved_is_what_is_loaded(opened, items, family, kind, tmp_path):
    teacher, task = opened(family, kind), TASKS[kind]
    asked = items(task, 6, seed=2)
    turned = replace(task, labels=task.labels[::-1])
    arranged = teacher.arranged(turned)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(arranged.logits(asked), teacher.logits(asked)[:, ::-1], atol=1e-5)
    arranged.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=turned)
    np.testing.assert_allclose(again.logits(asked), arranged.logits(asked), atol=1e-6)
    assert again.task == turned
    assert again.fingerprint == arranged.fingerprint
    assert again.kinds == teacher.kinds
    if len(task.labels) > 1:
        assert again.fingerprint != teacher.fingerprint


@each_kind
def test_no_item_and_items_without_a_word(opened, kind):
    teacher, task = opened("bert", kind), TASKS[kind]
    assert teacher.logits([]).shape == (0, len(task.labels))
    empty = {1: "", 2: ("", "")}[task.texts] if kind != "tagging" else ("",)
    found = teacher.logits([empty, empty])
    assert found.shape == (2, len(task.labels))
    assert np.isfinite(found).all()
    if kind == "tagging":
        assert teacher.logits([(), ("a", "the"), ()]).shape == (2, 3)
        assert teacher.logits([()]).shape == (0, 3)


# ----------------------------------------------------------------------------------------------------- pairs


@each_family
def test_a_pair_is_read_jointly_and_in_order(opened, family):
    teacher = opened(family, "pair")
    one, turned, other = teacher.logits(
        [("good film", "bad food"), ("bad food", "good film"), ("good film", "")]
    )
    assert np.abs(one - turned).max() > 1e-3
    assert np.abs(one - other).max() > 1e-3


def test_token_types_tell_the_texts_apart_where_the_family_has_them(opened):
    encoded = opened("bert", "pair").encode([("good", "bad film")])
    assert encoded.inputs["token_type_ids"][0] == [0, 0, 0, 1, 1, 1]
    assert "token_type_ids" not in opened("roberta", "pair").encode([("good", "bad film")]).inputs


@each_family
def test_of_a_long_pair_the_longer_text_is_cut(opened, family):
    teacher = opened(family, "pair")
    long = " ".join(["the film was good"] * 30)
    for pair in ((long, "bad food"), ("bad food", long)):
        encoded = teacher.encode([pair])
        assert encoded.lengths.tolist() == [POSITIONS]
    shorter = "bad " + long[: len(long) // 2]
    np.testing.assert_allclose(
        teacher.logits([("bad " + long, "bad food")]), teacher.logits([(shorter, "bad food")]), atol=1e-5
    )
    changed = teacher.logits([(long, "bad room")])
    assert np.abs(teacher.logits([(long, "bad food")]) - changed).max() > 1e-4


# -------------------------------------------------------------------------------------------------- windows


def long_sentence(n, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(str(word) for word in rng.choice(["film", "wasgoodbad", "zebra", "a", "quite"], n))


@each_family
def test_each_word_of_a_long_sentence_is_answered_in_one_window(opened, family):
    teacher = opened(family, "tagging")
    words = long_sentence(60)
    sizes = teacher.encode([(word,) for word in words]).lengths - 2
    cuts = windows(sizes, POSITIONS - 2)
    assert len(cuts) > 2
    logits = teacher.logits([("film", "a"), words, ("was",)])
    assert logits.shape == (63, 3)
    expected = []
    for start, stop, first, last in cuts:
        expected.append(teacher.logits([words[start:stop]])[first - start : last - start])
    np.testing.assert_allclose(logits[2:62], np.concatenate(expected), atol=1e-5)
    np.testing.assert_allclose(logits[:2], teacher.logits([("film", "a")]), atol=1e-5)
    np.testing.assert_allclose(logits[62:], teacher.logits([("was",)]), atol=1e-5)
    # context counts: the same word is answered otherwise in the neighbouring window
    (start, stop, *_), (other, *_) = cuts[0], cuts[1]
    left, right = teacher.logits([words[start:stop]])[other - start :], teacher.logits([words[other:]])
    assert len(left) == stop - other > 0
    assert np.abs(left - right[: len(left)]).max() > 1e-3


def test_a_word_longer_than_a_window_keeps_its_first_pieces(opened):
    teacher = opened("roberta", "tagging")
    monster = "wasgoodbad" * 12
    encoded = teacher.encode([("a", monster, "film")])
    assert encoded.lengths.max() == POSITIONS
    logits = teacher.logits([("a", monster, "film")])
    assert logits.shape == (3, 3)
    np.testing.assert_allclose(logits[1], teacher.logits([(monster,)])[0], atol=1e-5)


def test_a_word_without_pieces_is_an_unknown_one(opened):
    teacher = opened("bert", "tagging")
    assert teacher.tokenizer("\u200b", add_special_tokens=False)["input_ids"] == []
    found = teacher.encode([("\u200b", "film", "", "\u200b"), ("a",), ("",)])
    unknown = teacher.tokenizer.unk_token_id
    first = found.inputs["input_ids"][0]
    assert [first[place] for place in found.places[[0, 2, 3]]] == [unknown] * 3
    assert found.inputs["input_ids"][2].tolist() == [2, unknown, 3]
    np.testing.assert_allclose(
        teacher.logits([("\u200b", "film")]), teacher.logits([("☃", "film")]), atol=1e-5
    )


# -------------------------------------------------------------------------------------------- what is refused


def test_kinds_that_do_not_fit_are_refused(opened, family_folder):
    tagger, reader = opened("bert", "tagging"), opened("bert", "classification")
    with pytest.raises(TeacherError, match="of kind tagging, but this task is of kind classification"):
        tagger.arranged(replace(tagger.task, kind="classification", metric=""))
    with pytest.raises(TeacherError, match="but this task is of kind tagging"):
        reader.arranged(Task(reader.task.labels, kind="tagging", metric="accuracy"))
    value = opened("bert", "regression")
    with pytest.raises(TeacherError, match="of kind regression, but"):
        value.arranged(TASKS["classification"])
    with pytest.raises(TeacherError, match="does not answer this task"):
        value.arranged(TASKS["bins"])
    with pytest.raises(TeacherError, match="does not answer this task"):
        opened("bert", "bins").arranged(TASKS["regression"])


@pytest.mark.parametrize(
    ("problem", "kinds"),
    [
        ("single_label_classification", ("classification", "pair", "regression")),
        ("multi_label_classification", ("multilabel",)),
        (None, ("classification", "pair", "regression", "multilabel")),
    ],
)
def test_the_librarys_problem_type_says_the_kind(write_family, problem, kinds):
    folder = write_family("bert", TASKS["classification"], problem_type=problem)
    teacher = Teacher.from_pretrained(folder)
    assert teacher.kinds == kinds
    assert teacher.task.kind == kinds[0]


def test_several_values_at_once_are_refused(write_family):
    folder = write_family("bert", TASKS["classification"], problem_type="regression")
    with pytest.raises(TeacherError, match="gives 3 values at once"):
        Teacher.from_pretrained(folder)


def test_a_saved_teacher_knows_its_kind(opened, items, tmp_path):
    task = TASKS["pair"]
    one = opened("bert", "pair")
    narrowed = Teacher(one.module, one.tokenizer, task, name="x")
    narrowed.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path)
    assert again.task == task
    assert again.kinds == ("pair",)
    with pytest.raises(TeacherError, match="of kind pair, but"):
        Teacher.from_pretrained(tmp_path, task=TASKS["classification"])


def test_an_exported_student_is_no_transformer(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1, "student": "cbow.v1"}', encoding="utf-8")
    with pytest.raises(TeacherError, match=r"exported student.*understudy\.load"):
        Teacher.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("kind", "item", "message"),
    [
        ("classification", ("a", "b"), "Item 2 must be a text .* but is ('a', 'b')"),
        ("pair", "a", "Item 2 must be two texts .* but is 'a'"),
        ("pair", ("a", "b", "c"), "Item 2 must be two texts .* but is ('a', 'b', 'c')"),
        ("tagging", "a b", "Item 2 must be words .* but is 'a b'"),
    ],
)
def test_items_of_another_form_are_refused(opened, items, kind, item, message):
    with pytest.raises(DataError, match=message.replace("(", r"\(").replace(")", r"\)")):
        opened("bert", kind).logits([*items(TASKS[kind], 1), item])


# ---------------------------------------------------------------------------------------- units, fingerprints


def test_values_are_put_between_the_bounds_of_the_task(opened, items, family_folder):
    task = TASKS["regression"]
    asked = items(task)
    plain = Teacher.from_pretrained(family_folder("bert", task))
    assert plain.task.bounds == (0.0, 1.0)
    values = plain.logits(asked)[:, 0]
    between = opened("bert", "regression").logits(asked)[:, 0]
    np.testing.assert_allclose(between, (values - 1) / 4, atol=1e-6)
    # another task, other bounds; the answer stays
    wide = plain.arranged(replace(task, bounds=(-10.0, 10.0)))
    np.testing.assert_allclose(wide.task.decisions(wide.logits(asked)), values, atol=1e-5)


def test_our_own_values_stand_between_the_bounds_they_were_trained_with(opened, items, tmp_path):
    task = TASKS["regression"]
    one = opened("bert", "regression")
    scaled = Teacher(one.module, one.tokenizer, task, name="x")  # its outputs 0 and 1 are the values 1 and 5
    scaled.save(tmp_path)
    assert json.loads((tmp_path / FACTS_FILE).read_text())["bounds"] == [1.0, 5.0]
    again = Teacher.from_pretrained(tmp_path, task=task)
    asked = items(task)
    np.testing.assert_allclose(again.logits(asked), scaled.logits(asked), atol=1e-6)
    wide = Teacher.from_pretrained(tmp_path, task=replace(task, bounds=(0.0, 10.0)))
    np.testing.assert_allclose(
        wide.task.decisions(wide.logits(asked)), task.decisions(scaled.logits(asked)), atol=1e-5
    )


def test_fingerprints_differ_where_answers_may(opened, family_folder):
    seen = [opened(family, kind).fingerprint for family in ("bert", "roberta") for kind in TASKS]
    one = opened("bert", "regression")
    seen.append(one.arranged(replace(one.task, bounds=(0.0, 9.0))).fingerprint)
    seen.append(Teacher(one.module, one.tokenizer, one.task, name="x").fingerprint)  # other units
    assert len(set(seen)) == len(seen)
    tuned = opened("bert", "multilabel")
    again = tuned.arranged(replace(tuned.task, thresholds=(0.1, 0.2, 0.3)))
    assert again.fingerprint == tuned.fingerprint  # thresholds decide, but change no logit
    assert again.task.thresholds == (0.1, 0.2, 0.3)


def test_labels_that_differ_by_case_alone_stay_apart(write_family, items):
    task = Task(("a", "A", "b"))
    teacher = Teacher.from_pretrained(write_family("bert", task))
    turned = teacher.arranged(Task(("b", "A", "a")))
    asked = items(task)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(turned.logits(asked), teacher.logits(asked)[:, ::-1], atol=1e-5)
    with pytest.raises(TeacherError, match="does not answer"):
        teacher.arranged(Task(("B", "A", "a")))


# --------------------------------------------------------------------------------------------------- states


@each_family
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_states_are_those_of_the_layers(opened, items, family, kind):
    teacher = opened(family, kind)
    encoded = teacher.encode(items(teacher.task, 5))
    batch = encoded.batch(np.arange(5))
    before = teacher.logits_of(encoded)
    states = teacher.states(batch)
    b, t = batch["input_ids"].shape
    assert [tuple(one.shape) for one in states.hidden] == [(b, t, 32)] * 3
    assert [tuple(one.shape) for one in states.attentions] == [(b, 4, t, t)] * 2
    real = batch["attention_mask"].bool()
    sums = states.attentions[1].sum(dim=-1).transpose(1, 2)[real]
    torch.testing.assert_close(sums, torch.ones_like(sums))
    assert not states.hidden[0].requires_grad
    assert not states.hidden[0].is_inference()  # so that it can stand in a loss
    np.testing.assert_allclose(teacher.logits_of(encoded), before, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_keys_behind_the_end_get_no_attention(opened, family):
    teacher = opened(family, "classification")
    batch = teacher.encode(["good", "the film was good and great"]).batch(np.arange(2))
    (end,) = (batch["attention_mask"][0] == 0).nonzero()[0].tolist()
    for attention in teacher.states(batch).attentions:
        assert attention[0, :, :end, end:].abs().max() < 1e-6


# ------------------------------------------------------------------------------------------------- damage


def test_a_tagger_with_missing_weights_is_refused(family_folder, tmp_path):
    folder = shutil.copytree(family_folder("bert", TASKS["tagging"]), tmp_path / "damaged")
    (folder / "model.safetensors").unlink()
    with pytest.raises(TeacherError, match="damaged"):
        Teacher.from_pretrained(folder)
