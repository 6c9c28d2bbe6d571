from dataclasses import replace

import numpy as np
import pytest
import torch

from understudy.core.configs import VECTORS_OF_TEACHER, TrainingConfig
from understudy.core.task import Task
from understudy.data.readers.vectors import Vectors
from understudy.errors import DataError, RecipeError, TeacherError
from understudy.optim.epochs import Epoch
from understudy.optim.loop import LoopConfig, convergence_epoch, convergence_step, optimise
from understudy.students import RaggedTexts, build
from understudy.teachers.transformer import Teacher
from understudy.tokenization.words import SPECIALS, WordVocabulary
from understudy.training.embeddings.teacher import input_vectors, output_vectors
from understudy.training.embeddings.warm_start import LOUDER, apply, fit_width, warm_start
from understudy.training.fit import fit
from understudy.training.transfer_set import TransferSet

VOCABULARY = WordVocabulary((*SPECIALS, "film", "zebra", "good", "bad", "room", "the", "was"))
TEXTS = ("the film was good", "the the zebra", "bad room")
IDS, LENGTHS = VOCABULARY.encode_batch(TEXTS)
KNOWN = [3, 5, 6]
SMALLER = {"bihybrid.v1": {"size": 4, "width": 9}, "bert-tiny.v1": {"width": 8, "feed_forward": 9}}


@pytest.fixture(scope="module")
def teacher(bert):
    return Teacher.from_pretrained(bert)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "three.txt"
    path.write_text("film 1 0\ngood 0 2\nbad 0 -4\nother 1 1\n", encoding="utf-8")
    return path


@pytest.fixture
def student():
    """name, sizes → a student of `VOCABULARY`."""

    def make(name="cbow.v1", **sizes):
        return build(name, 2, seed=0, vocabulary_size=len(VOCABULARY), **{**SMALLER.get(name, {}), **sizes})

    return make


def rms(rows):
    return np.sqrt(np.mean(np.square(rows, dtype=np.float64)))


def test_a_file_fills_the_rows_it_knows_and_leaves_the_others_random(student, file):
    module = student(width=2)
    own = module.encoder.word_table().vectors.numpy().copy()
    start = warm_start(file, module, VOCABULARY, IDS)
    np.testing.assert_array_equal(module.encoder.word_table().vectors.numpy(), own)
    others = [row for row in range(len(VOCABULARY)) if row not in KNOWN]
    np.testing.assert_array_equal(start.table[others], own[others])
    scale = rms(own[1:]) / np.sqrt((1 + 4 + 16) / 6)
    np.testing.assert_allclose(start.table[KNOWN], scale * np.array([[1, 0], [0, 2], [0, -4]]), rtol=1e-5)
    assert (start.table.dtype, start.table.shape) == (np.float32, own.shape)
    assert start.words_covered == pytest.approx(3 / 9)  # padding is no word
    assert start.tokens_covered == pytest.approx(3 / 9)  # film, good, bad of nine words
    facts = {"source": "three.txt", "words_covered": 3 / 9, "tokens_covered": 3 / 9}
    assert start.facts() == pytest.approx({**facts, "width": 2, "variance_kept": 1.0})


@pytest.mark.parametrize("width", [1, 2, 5])
def test_files_fit_any_width(student, file, width):
    module = student(width=width)
    start = warm_start(str(file), module, VOCABULARY, IDS)
    assert start.table.shape[1] == width
    assert not start.table[KNOWN, 2:].any()
    own = module.encoder.word_table().vectors.numpy()[1:]
    assert rms(start.table[KNOWN]) == pytest.approx(rms(own), rel=1e-4)
    assert (start.variance_kept < 1.0) == (width == 1)


def test_a_teachers_table_starts_a_student_of_its_width(student, teacher):
    start = warm_start("teacher", student(width=32), VOCABULARY, IDS, teacher)
    given = input_vectors(teacher, VOCABULARY)
    scale = start.table[3, 0] / given.rows[3, 0]
    np.testing.assert_allclose(start.table[given.is_found], scale * given.rows[given.is_found], rtol=1e-4)
    assert start.words_covered == pytest.approx(8 / 9)  # the teacher knows no zebra
    assert start.tokens_covered == pytest.approx(8 / 9)
    assert (start.source, start.width, start.variance_kept) == ("teacher", 32, 1.0)
    assert not start.table[0].any()


def test_a_wider_teacher_keeps_its_principal_components(student, teacher):
    start = warm_start("teacher", student(width=3), VOCABULARY, IDS, teacher)
    given = input_vectors(teacher, VOCABULARY)
    rows = given.rows[given.is_found].astype(np.float64)
    _, sizes, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = (rows - rows.mean(axis=0)) @ directions[:3].T
    found = start.table[given.is_found]
    np.testing.assert_allclose(np.abs(found) / rms(found), np.abs(expected) / rms(expected), atol=1e-4)
    assert start.variance_kept == pytest.approx((sizes[:3] ** 2).sum() / (sizes**2).sum())


@pytest.mark.parametrize("width", [3, 40])
def test_a_static_start_weighs_words_by_their_share(student, teacher, width):
    start = warm_start("teacher-static", student(width=width), VOCABULARY, IDS, teacher)
    given = output_vectors(teacher, VOCABULARY)
    expected, _ = fit_width(given, width, is_centred=True)
    counts = np.bincount(IDS, minlength=len(VOCABULARY))
    assert counts[VOCABULARY.ids["the"]] == 3
    expected *= (1e-3 / (1e-3 + counts / 9))[:, None]
    found = start.table[given.is_found]
    expected = expected[given.is_found]
    np.testing.assert_allclose(found / rms(found), expected / rms(expected), atol=1e-4)
    np.testing.assert_allclose(expected.shape, found.shape)


@pytest.mark.parametrize("source", VECTORS_OF_TEACHER)
@pytest.mark.parametrize("name", ["bilstm.v1", "bihybrid.v1", "bert-tiny.v1", "dan.v1", "cbow.v2"])
def test_other_students_start_alike(student, teacher, name, source):
    module = student(name)
    before = module.encoder.word_table()
    own, rest = before.vectors.clone(), before.weight.detach()[:, : before.first].clone()
    start = warm_start(source, module, VOCABULARY, IDS, teacher)
    apply(module, start)
    after = module.encoder.word_table()
    np.testing.assert_array_equal(after.vectors.numpy(), start.table)
    assert torch.equal(after.weight.detach()[:, : after.first], rest)
    louder = LOUDER if before.is_weighed else 1.0
    found = rms(after.vectors.numpy()[start.is_found])
    assert found == pytest.approx(louder * rms(own[1:].numpy()), rel=1e-3)
    assert torch.equal(after.vectors[4], own[4])  # the zebra


def test_a_student_that_weighs_its_words_takes_the_components_as_they_are(student, teacher):
    start = warm_start("teacher-static", student("cbow.v2", width=3), VOCABULARY, IDS, teacher)
    given = output_vectors(teacher, VOCABULARY)
    is_seen = np.bincount(IDS, minlength=len(VOCABULARY)) > 0
    expected, _ = fit_width(given, 3, is_centred=True, is_seen=is_seen)
    found, expected = start.table[given.is_found], expected[given.is_found]
    np.testing.assert_allclose(found / rms(found), expected / rms(expected), atol=1e-4)


@pytest.mark.parametrize("source", VECTORS_OF_TEACHER)
def test_rows_beyond_the_words_and_columns_beyond_the_vectors_stay(teacher, source):
    rows = len(VOCABULARY) + 5  # five n-grams behind the words
    module = build("dan.v2", 3, seed=0, vocabulary_size=rows, width=4)
    own = module.encoder.rows.detach().clone()
    start = warm_start(source, module, VOCABULARY, IDS, teacher)
    assert start.table.shape == (len(VOCABULARY), 4)
    apply(module, start)
    now = module.encoder.rows.detach()
    np.testing.assert_array_equal(now[: len(VOCABULARY), :4].numpy(), start.table)
    assert not torch.equal(now[3, :4], own[3, :4])
    assert torch.equal(now[len(VOCABULARY) :], own[len(VOCABULARY) :])
    assert torch.equal(now[:, 4:], own[:, 4:])


def test_a_student_with_n_grams_starts_its_words_alone(teacher):
    texts, gold = (
        ("the film was good", "the room was bad", "the film was bad", "the zebra") * 3,
        [1, 0, 0, 1] * 3,
    )
    config = TrainingConfig(epochs=1, learning_rate=1e-9, embeddings="teacher")
    transfer = TransferSet(texts, np.array(gold))
    done = fit(
        "dan.v2:width=4",
        Task(("no", "yes")),
        transfer,
        (texts, np.array(gold)),
        seed=0,
        config=config,
        teacher=teacher,
    )
    vocabulary = done.student.vocabulary
    assert len(vocabulary.table) > 3
    assert done.facts["start"]["source"] == "teacher"
    # of ten entries and 8 + 8 + 8 + ... words, the teacher knows all but the zebra
    known = len(vocabulary.base) - 2
    assert done.facts["start"]["words_covered"] == pytest.approx(known / (len(vocabulary.base) - 1))
    assert done.facts["start"]["tokens_covered"] == pytest.approx(13 / 14)

    for name, is_frozen, why in (
        ("dan.v2", True, "share their table with other weights"),
        ("linear.v1", False, "logits of its own and no vector"),
    ):
        asked = replace(config, is_embedding_frozen=is_frozen)
        with pytest.raises(RecipeError, match=why):
            fit(
                name,
                Task(("no", "yes")),
                transfer,
                (texts, np.array(gold)),
                seed=0,
                config=asked,
                teacher=teacher,
            )


def test_a_frozen_start_survives_training(student, teacher):
    module, texts = student(), RaggedTexts(IDS, LENGTHS)
    start = warm_start("teacher", module, VOCABULARY, IDS, teacher)
    apply(module, start, is_frozen=True)
    head = module.head.output.weight.detach().clone()
    optimise(
        module,
        batches=lambda generator: [np.arange(3)] * 4,
        loss=lambda rows: module(texts.take(rows))[:, 0].mean(),
        score=lambda: (0.0, 0.0),
        config=LoopConfig(epochs=2, learning_rate=0.1, weight_decay=0.5),
        seed=0,
    )
    np.testing.assert_array_equal(module.encoder.word_table().vectors.numpy(), start.table)
    assert not torch.equal(module.head.output.weight, head)


def test_what_cannot_be_had_is_refused(student, teacher, tmp_path):
    with pytest.raises(RecipeError, match="a word vector cannot be used"):
        warm_start("teacher", student("cmow.v1"), VOCABULARY, IDS, teacher)
    with pytest.raises(TeacherError, match=r"'teacher-static'.*there is none here"):
        warm_start("teacher-static", student(), VOCABULARY, IDS)
    with pytest.raises(DataError, match=r"no file 'teacher_static' of word vectors.*or 'teacher-static'"):
        warm_start("teacher_static", student(), VOCABULARY, IDS, teacher)
    hybrid = student("hybrid.v1")
    start = warm_start("teacher", hybrid, VOCABULARY, IDS, teacher)
    with pytest.raises(RecipeError, match="cannot be frozen"):
        apply(hybrid, start, is_frozen=True)


@pytest.mark.parametrize("lines", ["film 0 0 0\ngood 0 0 0\n", "film 1 2 3\ngood 1 2 3\n"])
def test_vectors_with_nothing_in_them_are_refused(student, tmp_path, lines):
    path = tmp_path / "empty.txt"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match="all zero, or all alike"):
        warm_start(path, student(width=2), VOCABULARY, IDS)


def test_fewer_words_than_columns_still_fit():
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    fitted, kept = fit_width(Vectors(rows, np.array([False, True, True, False])), 5)
    assert fitted.shape == (4, 5)
    assert not fitted[[0, 3]].any()
    assert not fitted[:, 2:].any()
    assert kept == pytest.approx(1.0)
    distance = np.linalg.norm(rows[1] - rows[2])
    assert np.linalg.norm(fitted[1] - fitted[2]) == pytest.approx(distance, rel=1e-4)


def curve(*scores):
    return [Epoch(number, 0.0, score, 0.0, 0.0) for number, score in enumerate(scores, start=1)]


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [((0.5, 0.796, 0.7, 0.8), 2), ((0.5, 0.794, 0.7, 0.8), 4), ((0.8,), 1), ((0.6, 0.9, 0.3), 2)],
)
def test_convergence_is_near_the_best(scores, epoch):
    assert convergence_epoch(curve(*scores)) == epoch
    assert convergence_step(curve(*scores), 28) == 28 * epoch


def test_a_wider_tolerance_converges_earlier():
    assert convergence_epoch(curve(0.5, 0.7, 0.8), tolerance=0.2) == 2
    with pytest.raises(DataError, match="without an epoch"):
        convergence_epoch([])
