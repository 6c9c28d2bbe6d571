"""The C extension: the same ids and logits as the reference path, and nothing accepted that is not whole."""

import gc
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from understudy.errors import ArtifactError
from understudy.export import export
from understudy.flat import BERT, PIECES, WORDS, Weights, pack, rule_of
from understudy.runtime import fast, load
from understudy.runtime.fast import FastStudent, open_fast, status
from understudy.students import build
from understudy.subwords import SubwordVocabulary, train_wordpiece
from understudy.task import Task
from understudy.training.student import TorchStudent
from understudy.words import SPECIALS, WordVocabulary, build_vocabulary

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")

LABELS = ("bad", "fair", "good")
LEVELS = (0, 1, 2)
TEXTS = [
    "The film was good, very good: a naïve CAFÉ story — don’t miss it!",
    "unbelievably long-winded and uncharacteristically disproportionate internationalisations",
    "snake_case it's 3.50€ #1 @me [UNK] [CLS] x\ty\x00z\x7f 日本語 한국어 🙂",
    "e\u0301te\u0301 ǅ İstanbul ΟΔΟΣ \u212a \u2028",
    "",
    " ",
    "word " * 900 + "end",
    "a\ud83d b\ude42 \ud83d\ude42 \udc00",
    "x" * 16 + " " + "x" * 17 + " " + "y" * 100 + " " + "y" * 101 + " " + "é" * 101,
    "!" * 3000,
    "\u2019" * 700,
]
LETTERS = st.sampled_from(
    "aAzZ09'_-.,![] \t\n\x00\x7f\x85éÉßİΣςǅ’“\u0301\u0334\u200b\u212a日本한🙂\ud83d\ude42xyexaltedly"
)
STRINGS = st.text(LETTERS, max_size=80) | st.text(max_size=40) | st.text(st.characters(), max_size=80)


def bert_like(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return SubwordVocabulary(json.loads(tokenizer.to_str()), 64)


@pytest.fixture(scope="module")
def vocabularies():
    return {
        "words": build_vocabulary(TEXTS, 1000),
        "cut": build_vocabulary(TEXTS, 1000).cut(5),
        "pieces": train_wordpiece(TEXTS, 150),
        "cut pieces": train_wordpiece(TEXTS, 60).cut(5),
        "bert": bert_like(TEXTS[:4]),
    }


def weights(rows, width=20, hidden=9, labels=3, seed=0, **more):
    draw = np.random.default_rng(seed).normal
    shapes = [(rows, width), (hidden, width), (hidden,), (labels, hidden), (labels,)]
    return Weights(*(draw(size=shape).astype(np.float32) for shape in shapes), **more)


def student(vocabulary, level=2, **more):
    made = pack(rule_of(vocabulary), weights(len(vocabulary), **more))
    return extension.Student(made, LABELS, vocabulary.encode, level)


@pytest.fixture(scope="module")
def file():
    return pack(rule_of(WordVocabulary((*SPECIALS, "good", "bad", "x" * 20))), weights(6))


def refuse(text):
    raise LookupError(text)


@pytest.fixture(params=["cbow.v1", "dan.v1"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(vocabularies, tmp_path_factory):
    """Name of a student, kind of vocabulary → an exported student with large weights."""
    root, made = tmp_path_factory.mktemp("fast"), {}

    def get(name, kind="words"):
        if (name, kind) not in made:
            vocabulary = vocabularies[kind]
            sizes = {"buckets": 100} if name == "dan.v1" else {}
            module = build(
                name, 3, seed=0, vocabulary_size=len(vocabulary), width=21, hidden=19, **sizes
            ).eval()
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.mul_(3)
            one = TorchStudent(name, module, vocabulary, Task(LABELS))
            export(one, root / f"{name}-{kind}", teacher={}, about={})
            made[name, kind] = root / f"{name}-{kind}"
        return made[name, kind]

    return get


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder("cbow.v1"), tmp_path / "copy")


# ---------------------------------------------------------------------- the same answer


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "cut pieces", "bert"])
def test_ids_are_those_of_the_reference(vocabularies, kind, level):
    vocabulary = vocabularies[kind]
    one = student(vocabulary, level)
    for text in [*TEXTS, *TEXTS[2], *(t.upper() for t in TEXTS), "ab" * 40, "a b " * 16, "a" * 64]:
        assert one.encode(text) == vocabulary.encode(text), repr(text)
    flat, lengths = one.encode_batch(TEXTS)
    expected = vocabulary.encode_batch(TEXTS)
    np.testing.assert_array_equal(np.frombuffer(flat, np.int64), expected[0])
    np.testing.assert_array_equal(np.frombuffer(lengths, np.int64), expected[1])


@pytest.mark.parametrize("kind", ["words", "pieces", "bert"])
def test_every_code_point_has_the_ids_of_the_reference(vocabularies, kind):
    """All that Unicode assigns now, and some of the rest."""
    vocabulary = vocabularies[kind]
    codes = [*range(0x32400), *range(0xE0000, 0xE0200), *range(0x32400, 0x110000, 997)]
    near = 4 if kind == "bert" else 16  # one that is left to the reference takes its neighbours along
    texts = [" ".join(f"y{chr(c)}e" for c in codes[i : i + near]) for i in range(0, len(codes), near)]
    found = np.frombuffer(student(vocabulary).encode_batch(texts)[0], np.int64)
    np.testing.assert_array_equal(found, vocabulary.encode_batch(texts)[0])


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "bert"])
def test_any_string_has_the_ids_of_the_reference(vocabularies, kind):
    vocabulary = vocabularies[kind]
    students = [student(vocabulary, level) for level in LEVELS]

    @settings(max_examples=300, deadline=None)
    @given(text=STRINGS)
    def check(text):
        expected = vocabulary.encode(text)
        assert all(one.encode(text) == expected for one in students)

    check()


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "bert"])
def test_logits_are_those_of_onnx_runtime(folder, name, kind):
    quick = load(folder(name, kind))
    assert isinstance(quick.fast, FastStudent)
    slow = replace(quick, fast=None)
    np.testing.assert_allclose(quick.logits(TEXTS), slow.logits(TEXTS), atol=1e-5)
    np.testing.assert_allclose(quick.logits(TEXTS[0]), slow.logits(TEXTS[0]), atol=1e-5)
    assert quick.predict(TEXTS) == slow.predict(TEXTS) == [quick.predict(text) for text in TEXTS]
    np.testing.assert_allclose(quick.predict_proba(TEXTS[0]), slow.predict_proba(TEXTS[0]), atol=1e-5)
    np.testing.assert_allclose(quick.fast.probabilities(TEXTS[0]), slow.predict_proba(TEXTS[0]), atol=1e-5)
    assert np.ptp(slow.logits(TEXTS), axis=0).min() > 0.1


@pytest.mark.parametrize("level", LEVELS)
def test_a_mean_and_two_layers_by_hand(level):
    vocabulary = WordVocabulary((*SPECIALS, "good", "bad"))
    for width, hidden, labels in ((1, 1, 1), (16, 32, 2), (17, 3, 5), (64, 64, 40)):
        w = weights(5, width, hidden, labels)
        names = tuple(map(str, range(labels)))
        one = extension.Student(pack(rule_of(vocabulary), w), names, refuse, level)
        for ids in ([3], [1], [3, 4, 4], [4] * 1000, [3, 4] * 33 + [1]):
            mean = w.embedding[ids].mean(axis=0, dtype=np.float64)
            expected = w.output @ np.maximum(w.hidden @ mean + w.hidden_bias, 0) + w.output_bias
            np.testing.assert_allclose(one.logits_of_ids(ids), expected, atol=1e-4, rtol=1e-5)
            text = " ".join(vocabulary.words[i] if i > 1 else "zebra" for i in ids)
            np.testing.assert_array_equal(one.logits(text), one.logits_of_ids(ids))
            assert one.column(text) == expected.argmax()
            assert one.label(text) == names[expected.argmax()]


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5, 255, 256, 257, 258, 1000])
def test_ngrams_are_hashed_as_in_torch_at_every_length(words, folder):
    quick = load(folder("dan.v1"))
    slow = replace(quick, fast=None)
    text = " ".join(np.random.default_rng(words).choice(["the", "film", "was", "zebra", "good", ","], words))
    np.testing.assert_allclose(quick.logits(text), slow.logits(text), atol=1e-5)


def test_very_long_texts_keep_their_precision(folder, name):
    quick = load(folder(name))
    text = "the film was good , zebra " * 20_000
    np.testing.assert_allclose(
        quick.logits(text), quick.logits("the film was good , zebra " * 500), atol=1e-2
    )
    assert quick.fast.encode(text) == quick.vocabulary.encode(text)


def test_encode_batch_gives_arrays(folder):
    quick = load(folder("cbow.v1"))
    ids, lengths = quick.fast.encode_batch(TEXTS)
    expected = quick.vocabulary.encode_batch(TEXTS)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(lengths, expected[1])
    assert [len(part) for part in quick.fast.encode_batch([])] == [0, 0]


# ---------------------------------------------------------------------- threads


@pytest.mark.parametrize("kind", ["words", "bert"])
def test_threads_of_one_call_change_nothing(folder, kind):
    texts = TEXTS * 300
    one, many = (load(folder("cbow.v1", kind), threads=threads) for threads in (1, 5))
    np.testing.assert_array_equal(one.logits(texts), many.logits(texts))
    assert one.predict(texts) == many.predict(texts)


def test_threads_may_share_a_student(folder):
    model = load(folder("dan.v1", "pieces"))
    parts = [[text[i:] for text in TEXTS] for i in range(12)]
    expected = [(model.predict(part), model.logits(part[0]).tolist()) for part in parts]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda part: (model.predict(part), model.logits(part[0]).tolist()), parts * 20))
    assert found == expected * 20


# ---------------------------------------------------------------------- what callers do wrong


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["a list"]])
def test_what_is_no_text_is_refused(folder, wrong):
    core = load(folder("cbow.v1")).fast.core
    for call in (core.label, core.column, core.logits, core.probabilities, core.encode):
        with pytest.raises(TypeError, match="A text is a str"):
            call(wrong)
    with pytest.raises(TypeError, match="A text is a str"):
        core.labels(["a", wrong])
    with pytest.raises(TypeError):
        core.labels(3)
    with pytest.raises(TypeError, match="Give a list"):
        core.labels("one text")


def test_a_buffer_of_another_size_is_refused(folder):
    core = load(folder("cbow.v1")).fast.core
    for wrong in (np.empty((1, 3), np.float32), np.empty(0, np.float32), bytearray(25)):
        with pytest.raises(ValueError, match="take 24 bytes"):
            core.fill(["a", "b"], wrong)
    with pytest.raises((BufferError, ValueError)):
        core.fill(["a", "b"], b"x" * 24)


@pytest.mark.parametrize("ids", [[], [-1], [6], [2**40], [1, 2, 99]])
def test_ids_that_are_none_are_refused(file, ids):
    core = extension.Student(file, LABELS, refuse)
    with pytest.raises((ValueError, OverflowError)):
        core.logits_of_ids(ids)


@pytest.mark.parametrize("given", [[], [10**6], [-1], ["a"], None, 3])
def test_a_reference_that_gives_no_ids_is_an_error(vocabularies, given):
    made = pack(rule_of(vocabularies["bert"]), weights(len(vocabularies["bert"])))
    core = extension.Student(made, LABELS, lambda text: given)
    for call in (core.label, lambda text: core.labels([text]), lambda text: core.encode_batch([text])):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            call("한국어")


def test_an_error_of_the_reference_comes_through(vocabularies):
    made = pack(rule_of(vocabularies["bert"]), weights(len(vocabularies["bert"])))
    core = extension.Student(made, LABELS, refuse)
    assert core.label("plain") in LABELS
    for call in (core.label, core.encode, lambda text: core.labels(["a", text])):
        with pytest.raises(LookupError, match="한국어"):
            call("한국어")


def test_a_label_without_number_is_the_first_as_in_numpy(file):
    w = weights(6)
    nan = replace(w, output_bias=np.array([0, np.nan, np.nan], np.float32))
    vocabulary = WordVocabulary((*SPECIALS, "good", "bad", "x"))
    assert extension.Student(pack(rule_of(vocabulary), nan), LABELS, refuse).label("good") == "fair"


# ---------------------------------------------------------------------- the folder


def test_the_fast_path_says_that_it_serves():
    assert status().is_active
    assert extension.ENGINE in status().why


def test_the_fast_path_can_be_turned_off(folder, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    assert not status().is_active
    assert "UNDERSTUDY_FAST=0" in status().why
    assert load(folder("cbow.v1")).fast is None


def test_without_the_extension_the_reference_path_serves(folder, monkeypatch, name):
    expected = load(folder(name)).predict(TEXTS)
    monkeypatch.setitem(sys.modules, "understudy._fast", None)
    assert not status().is_active
    assert "not built" in status().why
    model = load(folder(name))
    assert model.fast is None
    assert model.predict(TEXTS) == expected


def test_a_folder_without_the_file_is_served_by_the_reference_path(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["model.fast"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "model.fast").unlink()
    model = load(copy)
    assert model.fast is None
    assert model.predict("good") in LABELS


@pytest.mark.parametrize("file", ["model.fast", "config.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "altered"])
def test_a_damaged_file_that_is_read_is_refused(copy, file, how):
    path = copy / file
    content = path.read_bytes()
    middle = len(content) // 2
    altered = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    path.unlink()
    if how != "missing":
        path.write_bytes({"empty": b"", "truncated": content[:-1], "altered": altered}[how])
    with pytest.raises(ArtifactError, match=file):
        load(copy)


@pytest.mark.parametrize(("file", "part"), [("tokenizer.json", "vocabulary"), ("model.onnx", "session")])
def test_the_other_files_are_checked_when_they_are_read(copy, file, part):
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    model = load(copy)
    assert model.predict("good") in LABELS
    with pytest.raises(ArtifactError, match=file):
        getattr(model, part)


def test_a_file_of_another_student_is_refused(copy, folder, vocabularies):
    one = load(folder("cbow.v1"))
    w = weights(len(vocabularies["words"]), 21, 19, seed=3)
    (copy / "model.fast").write_bytes(pack(rule_of(vocabularies["words"]), w))
    with pytest.raises(ArtifactError, match=r"model\.fast was altered: config\.json names another"):
        load(copy)
    assert one.fast is not None


def test_open_fast_refuses_what_is_not_there(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ArtifactError, match="cannot be used"):
            open_fast(path, labels=LABELS, fingerprint="", reference=refuse)


def test_a_student_lives_as_long_as_it_is_used(folder):
    label = load(folder("cbow.v1")).fast.label
    gc.collect()
    assert label(TEXTS[0]) in LABELS


def test_the_rules_are_numbered_as_in_c(vocabularies):
    kinds = {kind: rule_of(vocabulary).kind for kind, vocabulary in vocabularies.items()}
    assert kinds == {"words": WORDS, "cut": WORDS, "pieces": PIECES, "cut pieces": PIECES, "bert": BERT}
    assert (fast.SUMS.start, fast.SUMS.stop) == (24, 40)
