"""The C extension: the same ids and logits as the reference path, and nothing accepted that is not whole."""

import gc
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fast_cases
import numpy as np
import pytest
import torch
from fast_cases import LABELS, TEXTS, refuse, weights

from understudy.core.manifest import file_digest
from understudy.core.task import Task
from understudy.errors import ArtifactError
from understudy.export.folder import export
from understudy.runtime import load
from understudy.runtime.fast import FastStudent, open_fast, status
from understudy.runtime.fast_format import (
    BAGS,
    CONVOLUTIONS,
    MATRICES,
    OF_TEXTS,
    pack,
)
from understudy.runtime.fast_rule import rule_of
from understudy.students import build
from understudy.tokenization.ngrams import NgramVocabulary, build_ngrams
from understudy.training.torch_student import TorchStudent

extension = pytest.importorskip("understudy._fast", reason="the C extension was not built")
vocabularies = fast_cases.vocabularies  # fixtures


@pytest.fixture(params=OF_TEXTS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(vocabularies, tmp_path_factory):
    """Name of a student, kind of vocabulary → an exported student with large weights."""
    root, made = tmp_path_factory.mktemp("fast"), {}

    def get(name, kind="words"):
        if (name, kind) not in made:
            vocabulary = vocabularies[kind]
            sizes = {} if name == "linear.v1" else {"width": 21, "hidden": 19}
            if name in CONVOLUTIONS:
                sizes = {"width": 21, "filters": 19}
            if name in MATRICES:
                sizes = {"size": 9} if name == "cmow.v1" else {"size": 9, "width": 21}
                if kind != "cut":  # products of thousands of words overflow in float32
                    vocabulary = vocabulary.cut(100)
            if name == "dan.v1":
                sizes["buckets"] = 100
            if name in {"linear.v1", "dan.v2"}:
                vocabulary = build_ngrams(vocabulary, TEXTS * 2, longest=3, most=200)
            module = build(name, 3, seed=0, vocabulary_size=len(vocabulary), **sizes).eval()
            enlarge(module)
            one = TorchStudent(name, module, vocabulary, Task(LABELS))
            export(one, root / f"{name}-{kind}", teacher={}, about={})
            made[name, kind] = root / f"{name}-{kind}"
        return made[name, kind]

    return get


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder("cbow.v1"), tmp_path / "copy")


def enlarge(module):
    """Large weights in place of small ones; a bag's first three words still weigh nothing."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
        for rows in module.row_tables():
            rows.add_(torch.randn(rows.shape, generator=draw))
            module.encoder.weights[3:] = 1 + 5 * torch.rand(len(rows) - 3, generator=draw)


# ---------------------------------------------------------------------- the same answer


@pytest.mark.parametrize("kind", ["words", "cut", "pieces", "bert"])
def test_logits_are_those_of_onnx_runtime(folder, name, kind):
    quick = load(folder(name, kind))
    assert isinstance(quick.fast, FastStudent)
    slow = replace(quick, fast=None)
    found, expected = quick.logits(TEXTS), slow.logits(TEXTS)
    # ONNX Runtime adds words one by one, in float32, and a bag's logits grow with the root of their number:
    # what is lost is a share of the largest logit, on other processors another one. So it is with products.
    is_summed = name in (*BAGS, *MATRICES)
    is_long = np.array([len(text) >= (700 if is_summed else 3000) for text in TEXTS])
    largest = max(1, np.abs(expected).max())
    far, near = (1e-4 * largest, 1e-5 * largest) if is_summed else (1e-4, 1e-5)
    np.testing.assert_allclose(found[is_long], expected[is_long], atol=far)
    np.testing.assert_allclose(found[~is_long], expected[~is_long], atol=near)
    np.testing.assert_allclose(quick.logits(TEXTS[0]), slow.logits(TEXTS[0]), atol=near)
    assert quick.predict(TEXTS) == slow.predict(TEXTS) == [quick.predict(text) for text in TEXTS]
    np.testing.assert_allclose(quick.predict_proba(TEXTS[0]), slow.predict_proba(TEXTS[0]), atol=1e-5)
    np.testing.assert_allclose(quick.fast.probabilities(TEXTS[0]), slow.predict_proba(TEXTS[0]), atol=1e-5)
    assert np.ptp(slow.logits(TEXTS), axis=0).min() > 0.1


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5, 255, 256, 257, 258, 1000])
def test_ngrams_are_hashed_as_in_torch_at_every_length(words, folder):
    quick = load(folder("dan.v1"))
    slow = replace(quick, fast=None)
    text = " ".join(np.random.default_rng(words).choice(["the", "film", "was", "zebra", "good", ","], words))
    np.testing.assert_allclose(quick.logits(text), slow.logits(text), atol=1e-5)


@pytest.mark.parametrize("name", ["cbow.v1", "dan.v1"])
def test_means_of_very_long_texts_keep_their_precision(folder, name):
    quick = load(folder(name))
    text = "the film was good , zebra " * 20_000
    np.testing.assert_allclose(
        quick.logits(text), quick.logits("the film was good , zebra " * 500), atol=1e-2
    )
    assert quick.fast.encode(text) == words_of(quick.vocabulary).encode(text)


def words_of(vocabulary):
    return vocabulary.base if isinstance(vocabulary, NgramVocabulary) else vocabulary


@pytest.mark.parametrize("table", ["float16", "int8"])
@pytest.mark.parametrize("name", BAGS)
def test_a_bag_with_smaller_rows_answers_as_its_graph(name, table, vocabularies, tmp_path):
    vocabulary = build_ngrams(vocabularies["words"], TEXTS * 2, longest=2, most=100)
    module = build(name, 3, seed=0, vocabulary_size=len(vocabulary))
    enlarge(module)
    one = TorchStudent(name, module.eval(), vocabulary, Task(LABELS))
    dev = TEXTS, np.zeros(len(TEXTS), np.int64)
    export(one, tmp_path / "folder", teacher={}, about={}, table=table, dev=dev)
    quick = load(tmp_path / "folder")
    slow = replace(quick, fast=None)
    texts = [text for text in TEXTS if len(text) < 700]
    np.testing.assert_allclose(quick.logits(texts), slow.logits(texts), atol=1e-5)
    assert np.abs(slow.logits(texts) - one.logits(texts)).max() > 1e-4  # rounded


def test_a_text_that_is_left_to_the_library_has_its_ngrams(folder):
    quick = load(folder("dan.v2", "bert"))
    text = "the film was good [MASK] 한국어 the film"
    assert len(quick.vocabulary.encode(text)) > len(quick.vocabulary.base.encode(text))
    np.testing.assert_allclose(quick.logits(text), replace(quick, fast=None).logits(text), atol=1e-5)


def test_hashed_ngrams_know_no_exact_ones(vocabularies, tmp_path):
    vocabulary = build_ngrams(vocabularies["words"], TEXTS * 2, longest=2, most=100)
    module = build("cbow.v1", 3, seed=0, vocabulary_size=len(vocabulary)).eval()
    export(TorchStudent("cbow.v1", module, vocabulary, Task(LABELS)), tmp_path / "x", teacher={}, about={})
    assert load(tmp_path / "x").fast is None


def test_encode_batch_gives_arrays(folder):
    quick = load(folder("cbow.v1"))
    ids, lengths = quick.fast.encode_batch(TEXTS)
    expected = quick.vocabulary.encode_batch(TEXTS)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(lengths, expected[1])
    assert [len(part) for part in quick.fast.encode_batch([])] == [0, 0]


# ---------------------------------------------------------------------- threads


@pytest.mark.parametrize("kind", ["words", "bert"])
def test_threads_of_one_call_change_nothing(folder, kind, monkeypatch):
    monkeypatch.setattr("understudy.runtime.threads.most_threads", lambda: 8)
    texts = TEXTS * 300
    one, many = (load(folder("cbow.v1", kind), threads=threads) for threads in (1, 5))
    # exact: our own kernel adds up one text at a time, always in one order
    np.testing.assert_array_equal(one.logits(texts), many.logits(texts))
    assert one.predict(texts) == many.predict(texts)


def test_threads_may_share_a_student(folder):
    model = load(folder("dan.v1", "pieces"))
    parts = [[text[i:] for text in TEXTS] for i in range(12)]
    expected = [(model.predict(part), model.logits(part[0]).tolist()) for part in parts]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda part: (model.predict(part), model.logits(part[0]).tolist()), parts * 20))
    # exact: our own kernel adds up one text at a time, always in one order
    assert found == expected * 20


# ---------------------------------------------------------------------- the folder


def test_the_fast_path_says_that_it_serves():
    assert status().is_active
    assert extension.ENGINE in status().why


@pytest.mark.parametrize(
    ("value", "level"), [("portable", 0), ("avx2", 1), ("AVX512 ", 2), ("1", 2), ("", 2)]
)
def test_the_fast_path_can_be_kept_from_newer_instructions(folder, monkeypatch, value, level):
    monkeypatch.setenv("UNDERSTUDY_FAST", value)
    assert f"runs its {extension.ENGINES[level]} engine" in status().why
    assert load(folder("cbow.v1")).fast is not None


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


@pytest.mark.parametrize(("file", "part"), [("tokenizer.json", "vocabulary"), ("model.onnx", "reference")])
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


@pytest.mark.parametrize("fast_facts", [{}, [], None, {"fingerprint": "0"}])
def test_a_config_that_names_no_file_is_refused(copy, fast_facts):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fast": fast_facts}))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["config.json"] = {"sha256": file_digest(path), "bytes": path.stat().st_size}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"config\.json"):
        load(copy)


def test_open_fast_refuses_what_is_not_there(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ArtifactError, match="cannot be used"):
            open_fast(path, labels=LABELS, fingerprint="", reference=refuse)


def test_a_student_lives_as_long_as_it_is_used(folder):
    label = load(folder("cbow.v1")).fast.label
    gc.collect()
    assert label(TEXTS[0]) in LABELS
