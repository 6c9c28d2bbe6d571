"""Fewer rows: which are kept, that the rest answers as before, and that a folder says what was left out."""

import numpy as np
import pytest
import torch

from understudy.core.manifest import read_json
from understudy.core.task import Task
from understudy.errors import RecipeError
from understudy.export import pruning as room
from understudy.export.folder import export
from understudy.export.pruning import choose_rows, pruned, row_counts
from understudy.runtime import load
from understudy.students import build
from understudy.students.registry import count_parameters, spec
from understudy.tokenization.ngrams import NgramVocabulary, build_ngrams
from understudy.tokenization.wordpiece import train_wordpiece
from understudy.tokenization.words import SEP, SPECIALS, WordVocabulary
from understudy.training.torch_student import TorchStudent

TEXTS = [
    "good film",
    "the good film was good",
    "the bad film",
    "was the film good",
    "bad bad plot",
    "the plot",
]
TASK = Task(("bad", "good"))
PAIRS = Task(("other", "same"), kind="pair", texts=2)
FORMS = ("linear.v1", "cbow.v2", "dan.v2")
WORDS = ("the", "film", "good", "bad", "was", "plot", "never", "seen")
"""The last two stand in no text."""


def student_of(name, *, task=TASK, form="text", words=(*SPECIALS, *WORDS), max_words=None, seed=0):
    """A weighted bag of random weights, all of them but the special words' different from zero."""
    vocabulary = WordVocabulary(words, max_words)
    if spec(name).has_ngrams:
        vocabulary = build_ngrams(vocabulary, [*TEXTS, "never seen never seen"], longest=3, most=50)
    direct = {"direct": len(task.labels)} if "direct" in spec(name).sizes else {}
    sizes = {"vocabulary_size": len(vocabulary), "max_words": max_words, **direct}
    module = build(name, len(task.labels), seed=seed, form=form, **sizes).eval()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        for tensor in (*module.parameters(), module.encoder.weights):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
            tensor.sub_(0.6 if tensor is not module.encoder.weights else 0.0)
        module.encoder.weights[: len(SPECIALS)] = 0.0
    return TorchStudent(name, module, vocabulary, task)


def words_of(vocabulary):
    return (vocabulary.base if isinstance(vocabulary, NgramVocabulary) else vocabulary).words


def spelled(vocabulary):
    """Every row in words."""
    words = list(words_of(vocabulary))
    if isinstance(vocabulary, NgramVocabulary):
        for prefix, word in vocabulary.table.pairs.tolist():
            words.append(f"{words[prefix]} {words[word]}")
    return words


# ------------------------------------------------------------------------------------------ which are kept


def test_counts_are_those_of_words_and_ngrams_in_the_texts():
    one = student_of("dan.v2")
    counts = dict(zip(spelled(one.vocabulary), row_counts(one, TEXTS).tolist(), strict=True))
    assert (counts["the"], counts["good"], counts["never"]) == (4, 4, 0)
    assert (counts["good film"], counts["never seen"], counts["[UNK]"]) == (2, 0, 0)


def test_the_most_frequent_rows_are_kept_words_before_ngrams_of_the_same_count():
    one = student_of("linear.v1")
    rows = spelled(one.vocabulary)
    counts = row_counts(one, TEXTS)
    ranked = sorted(range(3, len(rows)), key=lambda row: (-counts[row], row))
    for most in range(3, len(rows) + 1):
        small = pruned(one, most / len(rows), TEXTS)
        kept = sorted([0, 1, 2, *ranked[: most - 3]])
        assert spelled(small.vocabulary) == [rows[row] for row in kept]


def test_words_that_stand_in_no_text_go_first():
    one = student_of("dan.v2")
    counts = row_counts(one, TEXTS)
    small = pruned(one, (3 + np.count_nonzero(counts)) / len(counts), TEXTS)
    assert "never" in spelled(one.vocabulary)
    assert not [row for row in spelled(small.vocabulary) if "never" in row]
    assert words_of(small.vocabulary)[3:] == WORDS[:-2]


def test_special_words_are_kept_whatever_the_share():
    one = student_of("cbow.v2", words=(*SPECIALS, SEP, *WORDS))
    assert words_of(pruned(one, 1e-6, TEXTS).vocabulary) == (*SPECIALS, SEP)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 1.0])
def test_sizes_vocabulary_and_parameters_are_cut_alike(name, share):
    one = student_of(name, max_words=4)
    small = pruned(one, share, TEXTS)
    rows = max(3, int(np.ceil(share * len(one.vocabulary) - 1e-9)))
    assert len(small.vocabulary) == small.module.config.vocabulary_size == rows
    assert len(small.module.encoder.weights) == len(small.module.encoder.rows) == rows
    assert small.vocabulary.max_words == small.module.config.max_words == 4
    assert small.parameters == spec(name).parameters(small.module.config, 2)
    assert len(one.vocabulary) == one.module.config.vocabulary_size  # the student itself is as it was
    assert count_parameters(one.module) >= small.parameters


# -------------------------------------------------------------------------------------------- what it answers


@pytest.mark.parametrize("name", FORMS)
def test_texts_of_kept_rows_are_answered_as_before(name):
    one = student_of(name)
    counts = row_counts(one, TEXTS)
    small = pruned(one, (3 + np.count_nonzero(counts)) / len(counts), TEXTS)
    assert len(small.vocabulary) < len(one.vocabulary)
    np.testing.assert_allclose(small.logits(TEXTS), one.logits(TEXTS), atol=1e-6)  # sums in the same order


@pytest.mark.parametrize("name", FORMS)
def test_rows_that_were_left_out_weigh_nothing(name):
    one = student_of(name)
    small = pruned(one, 0.5, TEXTS)
    kept = set(spelled(small.vocabulary))
    silent = student_of(name)
    for row, word in enumerate(spelled(silent.vocabulary)):
        if word not in kept:
            silent.module.encoder.weights[row] = 0.0
    asked = [*TEXTS, "never seen", "", "the unheard film was never good"]
    assert not np.allclose(small.logits(asked), one.logits(asked), atol=1e-3)
    np.testing.assert_allclose(small.logits(asked), silent.logits(asked), atol=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_pairs_are_counted_in_both_texts(name):
    one = student_of(name, task=PAIRS, form="compare")
    pairs = [("good film", "the film"), ("bad plot", "the film")]
    counts = dict(zip(spelled(one.vocabulary), row_counts(one, pairs).tolist(), strict=True))
    assert (counts["film"], counts["the"], counts["good"], counts["was"]) == (3, 2, 1, 0)
    small = pruned(one, 8 / len(one.vocabulary), pairs)
    assert set(words_of(small.vocabulary)) >= {"film", "the", "good", "bad"}
    if name == "cbow.v2":  # without n-grams, all that is asked here is kept
        np.testing.assert_allclose(small.logits(pairs), one.logits(pairs), atol=1e-6)


# ------------------------------------------------------------------------------------------------- the choice


def dev_of(one):
    """Texts with the answers that the student gives itself: its score is 1."""
    return TEXTS, one.logits(TEXTS).argmax(axis=1)


def scored(monkeypatch, scores):
    """Let the score on dev depend on the number of rows."""
    monkeypatch.setattr(room, "score_on", lambda student, *_: scores[len(student.vocabulary)])


@pytest.mark.parametrize(
    ("lost", "share"),
    [((0.004, 0.0, 0.0), 0.03), ((0.006, 0.005, 0.0), 0.1), ((0.1, 0.1, -0.1), 0.3), ((0.1, 0.1, 0.1), 1.0)],
)
def test_auto_takes_the_smallest_share_that_is_as_good_on_dev(lost, share, monkeypatch):
    words = (*SPECIALS, *WORDS, *(f"w{number}" for number in range(189)))
    one = student_of("cbow.v2", words=words)
    scores = dict(zip((6, 20, 60), (0.9 - each for each in lost), strict=True)) | {200: 0.9}
    scored(monkeypatch, scores)
    small, choice = choose_rows(one, "auto", TEXTS, dev_of(one))
    assert (choice.share, choice.wanted, choice.rows_before) == (share, "auto", 200)
    assert len(small.vocabulary) == choice.rows == share * 200
    assert ("all 200 rows" in choice.why) == (share == 1.0)


def test_without_a_wish_nothing_is_scored_or_counted():
    one = student_of("cbow.v2")
    small, choice = choose_rows(one, "none", (), None)
    assert small is one
    assert choice.why == ""


def test_what_cannot_be_pruned_is_refused_and_left_by_auto():
    bag = student_of("cbow.v2")
    pieces = TorchStudent("cbow.v2", bag.module, train_wordpiece(TEXTS, 40), TASK)
    module = build("cbow.v1", 2, seed=0, vocabulary_size=len(bag.vocabulary))
    for one, said in (
        (TorchStudent("cbow.v1", module, bag.vocabulary, TASK), r"linear\.v1.* but not of cbow\.v1"),
        (pieces, "the vocabulary of this cbow.v2 has pieces"),
    ):
        with pytest.raises(RecipeError, match=rf"prune: .*{said}.*auto"):
            pruned(one, 0.5, TEXTS)
        small, choice = choose_rows(one, "auto", TEXTS, None)
        assert small is one
        assert choice.why.startswith("all rows are kept: ")


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan"), "some"])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(RecipeError, match=f"prune: {share} is not a share"):
        choose_rows(student_of("cbow.v2"), share, TEXTS, None)


def test_without_texts_or_dev_it_is_refused():
    with pytest.raises(RecipeError, match=r"no labelled|there are none"):
        pruned(student_of("cbow.v2"), 0.5, [])
    with pytest.raises(RecipeError, match="auto is decided on dev"):
        choose_rows(student_of("cbow.v2"), "auto", TEXTS, None)


# ------------------------------------------------------------------------------------------------- the folder


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("table", ["float32", "int8"])
def test_a_pruned_student_is_served_as_one(name, table, tmp_path):
    one = student_of(name)
    dev = dev_of(one)
    export(one, tmp_path / "s", teacher={}, about={}, table=table, prune=0.6, texts=TEXTS, dev=dev)
    small, model = pruned(one, 0.6, TEXTS), load(tmp_path / "s")
    config = read_json(tmp_path / "s" / "config.json")
    assert config["vocabulary"]["size"] == config["pruning"]["rows"] == len(small.vocabulary)
    assert config["parameters"] == small.parameters
    assert (config["pruning"]["wanted"], config["pruning"]["share"]) == (0.6, 0.6)
    assert config["pruning"]["rows_before"] == len(one.vocabulary)
    assert "on dev is" in config["pruning"]["why"]
    tolerance = 1e-5 if table == "float32" else 0.05
    asked = [*TEXTS, "never seen", ""]
    np.testing.assert_allclose(model.logits(asked), small.logits(asked), atol=tolerance)
    np.testing.assert_allclose(model.reference.logits(asked), model.logits(asked), atol=1e-5)


def test_a_folder_says_nothing_of_rows_where_nothing_was_asked(tmp_path):
    export(student_of("cbow.v2"), tmp_path / "s", teacher={}, about={})
    assert "pruning" not in read_json(tmp_path / "s" / "config.json")
