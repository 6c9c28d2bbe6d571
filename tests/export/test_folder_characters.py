"""Exported folders of students that read parts of words."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from understudy.core.manifest import read_json, verify
from understudy.core.task import Task
from understudy.errors import ArtifactError, RecipeError
from understudy.export.folder import annotate, export
from understudy.export.pruning import choose_rows, pruned, row_counts
from understudy.pipeline.stages.evaluate import decided_bits
from understudy.runtime import load
from understudy.runtime.layout import Layout
from understudy.students import RaggedTexts, build
from understudy.tokenization.characters import PartTable, frequent_parts
from understudy.tokenization.ngrams import build_ngrams
from understudy.tokenization.words import SEP, SPECIALS, WordVocabulary
from understudy.training.torch_student import TorchStudent

TASK = Task(("bad", "fair", "good"), metric="mcc")
PAIRS = Task(("no", "yes"), "pair")
WORDS = (*SPECIALS, "the", "film", "was", "good", "bad", "not", "quite")
SAID = ("the film was good", "the film was badly made", "was the film goodish", "not quite good", "quite bad")
ASKED = [*SAID, "", "zz", "gladly unfilmed", "the goodness of a film, not of GOODS", "badly " * 30]
WHY = "it reads parts of words (characters=true), which the C extension does not"


def with_parts(name="linear.v1", task=TASK, form="text", words=WORDS, **sizes):
    """A student of `WORDS`, their n-grams and their parts in `SAID`, all rows drawn."""
    vocabulary = build_ngrams(WordVocabulary(words), SAID * 2, longest=3, most=99)
    vocabulary = vocabulary.with_parts(PartTable(len(vocabulary), frequent_parts(SAID, 60)))
    sizes = {"vocabulary_size": len(vocabulary), "characters": True, **sizes}
    module = build(name, len(task.labels), seed=0, form=form, **sizes).eval()
    with torch.no_grad():
        module.encoder.rows[3:].normal_(generator=torch.Generator().manual_seed(0))
        texts = RaggedTexts(*vocabulary.encode_batch(SAID)).take(np.arange(len(SAID)))
        module.weigh(*[texts] * (2 if form == "compare" else 1))
    return TorchStudent(name, module, vocabulary.cut(module.config.max_words), task)


def assert_close(found, expected):
    """Sums of hundreds of rows, in another order: rounding is judged beside the largest logit."""
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def write(folder, one, **more):
    export(one, folder, teacher={}, about={}, **more)


@pytest.mark.parametrize("name", ["linear.v1", "dan.v2"])
@pytest.mark.parametrize("max_words", [None, 3])
def test_parts_lie_in_the_folder_and_are_read_back(tmp_path, name, max_words):
    one = with_parts(name, max_words=max_words)
    write(tmp_path / "s", one)
    assert "characters.json" in verify(tmp_path / "s")["files"]
    model, expected = load(tmp_path / "s"), one.logits(ASKED)
    assert model.config["student"]["config"]["characters"] is True
    assert model.config["vocabulary"] == {"kind": "words", "size": len(one.vocabulary)}
    assert_close(model.logits(ASKED), expected)
    alone = np.concatenate([model.logits([text]) for text in ASKED])
    assert_close(alone, expected)
    unknown = [ASKED.index(text) for text in ("zz", "gladly unfilmed")]
    assert np.abs(np.subtract(*expected[unknown])).max() > 0.1  # texts of unknown words do differ


@pytest.mark.parametrize("name", ["linear.v1", "dan.v2"])
@pytest.mark.parametrize("form", ["compare", "text"])
def test_pairs_are_answered_without_torch(tmp_path, name, form):
    one = with_parts(name, task=PAIRS, form=form, words=(*WORDS, SEP))
    write(tmp_path / "s", one)
    pairs = list(zip(ASKED, reversed(ASKED), strict=True))
    expected = one.logits(pairs)
    assert_close(load(tmp_path / "s").logits(pairs), expected)


def test_there_is_no_model_fast_and_the_folder_and_the_report_say_why(tmp_path):
    write(tmp_path / "s", with_parts(), table="auto")
    assert not Layout(tmp_path / "s").fast.exists()
    config = read_json(Layout(tmp_path / "s").config)
    assert "fast" not in config
    why = f"there is no model.fast, so ONNX Runtime answers: {WHY}"
    assert config["quantisation"]["table"]["why"] == why
    is_told, told = decided_bits(config)  # what the report's row says
    assert is_told
    assert told.endswith(why)
    assert load(tmp_path / "s").fast is None


def test_a_precision_of_model_fast_is_refused_with_the_reason(tmp_path):
    with pytest.raises(RecipeError, match=r"int8 is a precision of the rows in model\.fast.*parts of words"):
        write(tmp_path / "s", with_parts(), table="int8", dev=(SAID, np.zeros(len(SAID), dtype=np.int64)))


def test_annotate_keeps_parts(tmp_path):
    write(tmp_path / "s", with_parts())
    before = load(tmp_path / "s")
    assert annotate(tmp_path / "s", report={"accuracy": 0.5}, card="# Card\n")
    after = load(tmp_path / "s")
    assert after.vocabulary.parts.parts == before.vocabulary.parts.parts
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_parts_that_are_missing_or_altered_are_refused_by_name(tmp_path, how):
    write(tmp_path / "s", with_parts())
    path = Layout(tmp_path / "s").characters
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"goo", b"gop", 1))
    with pytest.raises(ArtifactError, match=r"characters\.json"):
        _ = load(tmp_path / "s").vocabulary


def test_a_manifest_that_forgets_the_parts_is_refused_and_a_foreign_file_is_not_read(tmp_path):
    one = with_parts()
    write(tmp_path / "s", one)
    manifest = tmp_path / "s" / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    del facts["files"]["characters.json"]
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest names no characters\.json"):
        load(tmp_path / "s")

    plain = build_ngrams(WordVocabulary(WORDS), SAID * 2, longest=3, most=99)
    module = build("linear.v1", 3, seed=0, vocabulary_size=len(plain)).eval()
    write(tmp_path / "t", TorchStudent("linear.v1", module, plain, TASK))
    one.vocabulary.parts.save(Layout(tmp_path / "t").characters)
    assert load(tmp_path / "t").vocabulary.parts is None


def test_other_parts_are_another_model(tmp_path):
    one = with_parts()
    words = one.vocabulary
    parts = PartTable(words.parts.first, [*words.parts.parts[:-1], "zzz"])
    write(tmp_path / "one", one)
    write(tmp_path / "other", replace(one, vocabulary=words.with_parts(parts)))
    assert load(tmp_path / "one").fingerprint != load(tmp_path / "other").fingerprint


# ------------------------------------------------------------------------------------------------- fewer rows


def spelled(vocabulary):
    """Every row in words; parts in braces."""
    names = list(vocabulary.base.words)
    for prefix, word in vocabulary.table.pairs.tolist():
        names.append(f"{names[prefix]} {names[word]}")
    return [*names, *(f"{{{part}}}" for part in vocabulary.parts.parts)]


@pytest.mark.parametrize("name", ["linear.v1", "dan.v2"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 1.0])
def test_the_most_frequent_rows_are_kept_parts_among_them(name, share):
    one = with_parts(name)
    rows, counts, small = spelled(one.vocabulary), row_counts(one, SAID), pruned(one, share, SAID)
    most = max(3, int(np.ceil(share * len(rows) - 1e-9)))
    ranked = sorted(range(3, len(rows)), key=lambda row: (-counts[row], row))[: most - 3]
    kept = [rows[row] for row in sorted([0, 1, 2, *ranked])]
    assert spelled(small.vocabulary) == kept
    assert len(small.vocabulary) == small.module.config.vocabulary_size == most

    silent = with_parts(name)  # a row that is left out weighs nothing
    for row, what in enumerate(rows):
        if what not in kept:
            silent.module.encoder.weights[row] = 0.0
    assert_close(small.logits(ASKED), silent.logits(ASKED))


def test_a_pruned_student_is_served_as_one_and_the_folder_says_what_its_rows_are(tmp_path):
    one, dev = with_parts("dan.v2"), (SAID, np.array([2, 0, 2, 1, 0]))
    write(tmp_path / "s", one, prune=0.6, texts=SAID, dev=dev)
    small, model = pruned(one, 0.6, SAID), load(tmp_path / "s")
    assert_close(model.logits(ASKED), small.logits(ASKED))
    assert model.config["pruning"]["rows"] == len(small.vocabulary)
    assert "rows of words, n-grams and parts of words are kept" in model.config["pruning"]["why"]
    assert "rows of words, n-grams and parts" in choose_rows(one, 1.0, SAID, None)[1].why
