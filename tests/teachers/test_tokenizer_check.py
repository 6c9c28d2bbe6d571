"""A tokenizer that is not the model's is refused; the tiny ones of our tests, and students, are not."""

import json
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from understudy.core.task import Task
from understudy.errors import TeacherError
from understudy.teachers.source import Source
from understudy.teachers.tokenizer_check import ENOUGH, check_ids, check_is_known, check_tokenizer
from understudy.teachers.transformer import Teacher


def tokenizer_of(words, rule=None):
    vocabulary = {word: number for number, word in enumerate(("[PAD]", "[UNK]", *words))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = rule or pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")


def remote():
    return Source("someone/some-model", "someone/some-model")


def test_a_folder_without_tokenizer_files_is_refused(bert, bare, tmp_path):
    """Transformers 5 makes up a tokenizer of special tokens; every word was then unknown, without a word."""
    for folder in (bert, bare):
        copy = shutil.copytree(folder, tmp_path / folder.name)
        for path in copy.glob("tokenizer*"):
            path.unlink()
        with pytest.raises(TeacherError, match="has no tokenizer") as caught:
            Teacher.from_pretrained(copy, task=Task(("bad", "good"))) if folder == bert else load(copy)
        assert str(copy) in str(caught.value)


def load(folder):
    from understudy.teachers.loading import load_tokenizer

    return load_tokenizer(Source("x", str(folder)))


def test_a_tokenizer_far_smaller_than_the_model_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "small")
    tokenizer_of(("good", "bad")).save_pretrained(folder)
    with pytest.raises(TeacherError, match="has 4 entries, but the model has 25"):
        Teacher.from_pretrained(folder)


def test_a_vocabulary_that_its_own_rule_cannot_spell_is_refused():
    words = tuple(f"two words {n}" for n in range(40))  # cut at every space, so that none is ever met
    with pytest.raises(TeacherError, match="of its own vocabulary"):
        check_tokenizer(remote(), tokenizer_of(words), 42)
    check_tokenizer(remote(), tokenizer_of(words, pre_tokenizers.Split("|", "removed")), 42)


def test_special_tokens_alone_are_refused():
    with pytest.raises(TeacherError, match="100% of its own"):
        check_tokenizer(remote(), tokenizer_of(()), 2)


def test_a_model_without_a_known_size_is_taken():
    check_tokenizer(remote(), tokenizer_of(("good",)), None)


def test_a_slow_tokenizer_is_refused():
    with pytest.raises(TeacherError, match=r"has no tokenizer\.json"):
        check_tokenizer(remote(), object(), 10)


def test_texts_of_unknown_words_alone_are_refused_where_they_are_enough(bert):
    teacher = Teacher.from_pretrained(bert)
    foreign = [f"zebra yak gnu number{n}" for n in range(300)]
    with pytest.raises(TeacherError, match=r"knows almost no word of these texts: 100% .* 'zebra yak gnu"):
        teacher.encode(foreign)
    teacher.encode(foreign[:10])
    teacher.encode([f"the film {n}" for n in range(300)])


def test_few_tokens_and_tokenizers_without_an_unknown_token_are_let_be():
    tokenizer = tokenizer_of(("good",))
    check_is_known("x", tokenizer, [[1] * (ENOUGH - 1)], ["?"])
    check_is_known("x", tokenizer, [[1] * ENOUGH, [2] * ENOUGH], ["?", "good"])
    with pytest.raises(TeacherError, match="almost no word"):
        check_is_known("x", tokenizer, [[1] * ENOUGH, [0] * ENOUGH], ["?", "?"])  # padding is not a word
    tokenizer.unk_token = None
    check_is_known("x", tokenizer, [[1] * ENOUGH], ["?"])


def test_tokens_beyond_the_models_vocabulary_are_named(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "beyond")
    file = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    file["model"]["vocab"]["zebra"] = len(file["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(file), encoding="utf-8")
    teacher = Teacher.from_pretrained(folder)
    assert np.isfinite(teacher.logits(["a good film"])).all()
    with pytest.raises(TeacherError, match=r"26 entries, but .* embeddings for 25: 'zebra' has none"):
        teacher.logits(["a good zebra"])


def test_ids_are_looked_at_only_where_they_may_be_too_high():
    tokenizer = tokenizer_of(("good",))
    check_ids("x", tokenizer, [[999]], None)
    check_ids("x", tokenizer, [[999]], 3)
    check_ids("x", tokenizer, [[]], 2)
