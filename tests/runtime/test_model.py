import copy as copying
import json
import multiprocessing
import pickle
import re
import shutil
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from understudy.core.manifest import MANIFEST, file_digest, publish, write_json
from understudy.core.task import Predictor, Task
from understudy.errors import ArtifactError, DataError, RecipeError
from understudy.export.folder import export
from understudy.runtime import Model, load
from understudy.runtime.layout import FORMAT
from understudy.runtime.threads import most_threads
from understudy.students import build
from understudy.tokenization.words import WordVocabulary
from understudy.training.torch_student import TorchStudent, Trained, save_trained

NAMES = ["attn-bilstm.v1", "cbow.v1"]
"""One student that reads order and one that does not; the contract test has all of them."""


TASK = Task(("bad", "fair", "good"))
PLAIN = [f"word{n}" for n in range(40)]
WORDS = ("[PAD]", "[UNK]", "[MASK]", *PLAIN)
SIZES = {
    "cbow.v1": {"width": 12, "hidden": 8},
    "attn-bilstm.v1": {"width": 32, "hidden": 16, "feed_forward": 32},
}
FILES = (
    *("config.json", "model.fast", "tokenizer.json", "model.safetensors", "model.onnx", "report.json"),
    "README.md",
)


def torch_student(name):
    module = build(name, 3, seed=0, vocabulary_size=len(WORDS), **SIZES.get(name, {})).eval()
    with torch.no_grad():  # large weights, so that different texts get clearly different logits
        for parameter in module.parameters():
            parameter.mul_(3)
    one = TorchStudent(name, module, WordVocabulary(WORDS, module.config.max_words), TASK)
    with torch.no_grad():  # no label is favoured, so that answers differ too
        module.head.output.bias -= torch.from_numpy(one.logits(random_texts(50)).mean(axis=0))
    return one


@pytest.fixture(scope="module")
def students():
    return {name: torch_student(name) for name in NAMES}


@pytest.fixture(scope="module")
def folders(students, tmp_path_factory):
    root = tmp_path_factory.mktemp("students")
    for name, one in students.items():
        export(one, root / name, teacher={}, about={})
    return root


@pytest.fixture(scope="module")
def models(folders, students):
    return {name: load(folders / name) for name in students}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=["", "by the reference path"])
def model(request, models, name):
    if not request.param:
        return models[name]
    if models[name].fast is None:
        pytest.skip("answers by the reference path anyway")
    return replace(models[name], fast=None)


@pytest.fixture
def copy(folders, tmp_path):
    """An exported student that a test may damage."""
    return shutil.copytree(folders / "cbow.v1", tmp_path / "copy")


def random_texts(n, seed=0, longest=60):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice([*PLAIN, "zebra"], length)) for length in rng.integers(1, longest, n)]


# -------------------------------------------------------------------------------------------------- answers


def test_one_text_gives_a_name_and_a_list_a_list(model):
    texts = random_texts(20)
    answers = model.predict(texts)
    assert isinstance(model, Model)
    assert isinstance(model, Predictor)
    assert isinstance(answers, list)
    assert len(set(answers)) > 1
    assert model.predict(texts[0]) == answers[0]
    assert isinstance(model.predict(texts[0]), str)
    assert model.predict([texts[0]]) == [answers[0]]
    assert model.predict(tuple(texts)) == answers
    assert answers == [TASK.labels[i] for i in model.logits(texts).argmax(axis=1)]


def test_the_short_form_is_short(model):
    shown = repr(model)
    assert str(model.layout.folder) in shown
    assert model.task.labels[0] in shown
    assert len(shown) < len(str(model.layout.folder)) + 150


def test_probabilities(model):
    texts = random_texts(20)
    many = model.predict_proba(texts)
    assert (many.shape, many.dtype) == ((20, 3), np.float32)
    np.testing.assert_allclose(many.sum(axis=1), 1, atol=1e-6)
    assert (many >= 0).all()
    assert (many.argmax(axis=1) == model.logits(texts).argmax(axis=1)).all()
    one = model.predict_proba(texts[0])
    assert one.shape == (3,)
    np.testing.assert_allclose(one, many[0], atol=1e-5)
    assert model.predict_proba([texts[0]]).shape == (1, 3)
    logits = model.logits(texts[0])[0].astype(float)
    np.testing.assert_allclose(one, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)


def test_it_answers_as_the_torch_student_does(model, students, name):
    texts = [*random_texts(150), "", "zebra", " ".join(PLAIN * 30)]
    expected = students[name].logits(texts)
    assert np.ptp(expected, axis=0).min() > 0.1
    logits = model.logits(texts)
    assert (logits.shape, logits.dtype) == ((153, 3), np.float32)
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_text_in_a_batch_gets_what_it_gets_alone(model):
    texts = random_texts(80)
    together = model.logits(texts)
    alone = np.concatenate([model.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    # Another call, so the product may add up in another order.
    np.testing.assert_allclose(alone[0], model.logits(texts[0])[0], atol=1e-6)
    order = np.random.default_rng(1).permutation(len(texts))
    np.testing.assert_allclose(model.logits([texts[i] for i in order]), together[order], atol=1e-5)


def test_no_text(model):
    assert model.logits([]).shape == (0, 3)
    assert model.predict([]) == []
    assert model.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("item", [None, float("nan"), 3, b"word1", ["word1"], {"text": "word1"}])
def test_what_is_no_text_is_named_alike_on_both_paths(model, item):
    message = re.escape(f"Item 2 must be a text for this classification task, but is {item!r}")
    for ask in (model.predict, model.predict_proba, model.logits, model.label_ids):
        for given in (["word1", item], ("word1", item), iter(["word1", item])):
            with pytest.raises(DataError, match=message):
                ask(given)
        with pytest.raises(DataError, match="Item 1 must be a text"):
            ask([item])


@pytest.mark.parametrize("given", [None, 3, b"word1", {"text": "word1"}, {"word1"}], ids=repr)
def test_what_holds_no_texts_is_refused_alike_on_both_paths(model, given):
    for ask in (model.predict, model.predict_proba, model.logits, model.label_ids):
        with pytest.raises(DataError, match=r"(list of texts|A text) is needed"):
            ask(given)


def test_texts_come_in_any_container(model):
    pandas = pytest.importorskip("pandas")
    texts = random_texts(9)
    frame = pandas.DataFrame({"text": texts, "label": "x"})
    containers = (
        *(tuple(texts), np.array(texts), frame["text"], frame["text"].to_numpy()),
        *((text for text in texts), iter(texts)),
    )
    expected = model.predict(texts), model.logits(texts)
    for given in containers[:4]:
        assert model.predict(given) == expected[0]
        # The same texts twice: ONNX Runtime may add terms in another order in every call.
        np.testing.assert_allclose(model.logits(given), expected[1], atol=1e-6)
        assert model.predict_proba(given).shape == (9, 3)
    assert model.predict(containers[4]) == expected[0]
    np.testing.assert_allclose(model.logits(containers[5]), expected[1], atol=1e-6)
    for ask in (model.predict, model.predict_proba, model.logits):
        with pytest.raises(DataError, match=r'a DataFrame was given.*frame\["text"\]\.tolist'):
            ask(frame)


def test_label_ids_are_the_columns_of_the_labels(model):
    texts = random_texts(50)
    found = model.label_ids(texts)
    assert found.dtype == np.int64
    assert [TASK.labels[column] for column in found] == model.predict(texts)
    assert model.label_ids(texts[0]).tolist() == found[:1].tolist()
    assert model.label_ids([]).shape == (0,)


@pytest.mark.parametrize("text", ["", " \t\n", "\u200b\ufeff"])
def test_a_text_without_words_is_one_unknown_word(model, text):
    # Equal ids give equal answers, but for the order of sums in two calls.
    np.testing.assert_allclose(model.logits(text), model.logits("zebra"), atol=1e-6)
    assert np.isfinite(model.logits([text, "word1", text])).all()
    assert model.predict(text) in TASK.labels


def test_unknown_words_alone(model, name):
    np.testing.assert_allclose(model.logits("zebra lion"), model.logits("tiger wolf"), atol=1e-6)
    if name == "cbow.v1":  # the mean of equal words
        np.testing.assert_allclose(model.logits("zebra lion"), model.logits("zebra"), atol=1e-6)


def test_special_words_in_a_text_are_plain_text(model):
    np.testing.assert_allclose(model.logits("[PAD] word1"), model.logits("[ zebra ] word1"), atol=1e-6)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "é🙂漢字", "İstanbul", "word1’s"])
def test_no_text_is_too_strange(model, text):
    assert np.isfinite(model.logits([text, "word1 word2"])).all()


@pytest.mark.parametrize("words", [" ".join(PLAIN), "x", "word1 "])
def test_a_very_long_text_is_answered_quickly(model, students, name, words):
    text = (words * (100_000 // len(words) + 1))[:100_000]
    started = time.perf_counter()
    alone = model.logits(text)
    together = model.logits([text, "word2", text])
    assert time.perf_counter() - started < 5
    np.testing.assert_allclose(together[[0, 2]], np.repeat(alone, 2, axis=0), atol=1e-4)
    np.testing.assert_allclose(alone, students[name].logits([text]), atol=1e-4)


def test_threads_may_share_a_model(model):
    parts = [random_texts(15, seed) for seed in range(24)]
    expected = [model.logits(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.logits, parts * 4))
    for part, one in enumerate(found):
        np.testing.assert_allclose(one, expected[part % 24], atol=1e-6)


def test_more_threads_for_one_call(folders, models, monkeypatch):
    monkeypatch.setattr("understudy.runtime.threads.most_threads", lambda: 8)
    texts = random_texts(40)
    model = load(folders / "attn-bilstm.v1", threads=2)
    np.testing.assert_allclose(model.logits(texts), models["attn-bilstm.v1"].logits(texts), atol=1e-5)


def test_a_path_may_be_a_string_and_the_config_is_kept(folders):
    model = load(str(folders / "cbow.v1"))
    assert model.task == TASK
    assert model.config["student"]["name"] == "cbow.v1"
    assert len(model.vocabulary) == len(WORDS)


def test_a_student_moves_with_its_folder(folders, models, tmp_path):
    moved = shutil.copytree(folders / "cbow.v1", tmp_path / "a b" / "é", dirs_exist_ok=False)
    np.testing.assert_allclose(load(moved).logits(["word1"]), models["cbow.v1"].logits(["word1"]), atol=1e-6)


# ------------------------------------------------------------------- copies, other processes, threads


def test_a_model_survives_a_pickle(model, monkeypatch, tmp_path):
    data = pickle.dumps(model)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(data)
    texts = random_texts(20)
    assert (again.fast is None) == (model.fast is None)
    assert again.threads == model.threads
    assert again.fingerprint == model.fingerprint
    # Weights lie at another address, which decides how a product is cut into parts.
    np.testing.assert_allclose(again.logits(texts), model.logits(texts), atol=1e-6)


def test_a_model_of_a_relative_folder_is_unpickled_elsewhere(folders, monkeypatch, tmp_path):
    monkeypatch.chdir(folders)
    data = pickle.dumps(load("cbow.v1"))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).predict("word1") in TASK.labels


def test_a_pickle_of_a_folder_that_went_away_says_so(copy):
    data = pickle.dumps(load(copy))
    shutil.rmtree(copy)
    with pytest.raises(ArtifactError, match=f"There is no folder {re.escape(str(copy))}"):
        pickle.loads(data)


def test_a_model_is_its_own_copy_and_can_be_a_key(model):
    assert copying.copy(model) is model
    assert copying.deepcopy({"model": model})["model"] is model
    assert {model: 1}[model] == 1
    assert model == model
    assert model != replace(model)


@pytest.mark.parametrize("how", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_model_answers_in_other_processes(models, how):
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {how}")
    model, texts = models["cbow.v1"], random_texts(6)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
        assert list(pool.map(model.predict, texts, timeout=60)) == model.predict(texts)


@pytest.mark.parametrize("name", NAMES)
def test_threads_are_bound_by_the_cores(folders, name):
    with pytest.warns(UserWarning, match="threads is 99,999,999,999, but this process may use"):
        model = load(folders / name, threads=99_999_999_999)
    assert model.threads == most_threads()
    for threads in (0, -1, 1.5, "2"):
        with pytest.raises(RecipeError, match="whole number from 1 on"):
            load(folders / name, threads=threads)


# ----------------------------------------------------------------------------------- sentences and words


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    labels = ("O", "B-x", "I-x")
    module = build("bilstm.v1", 3, seed=0, form="tokens", vocabulary_size=len(WORDS)).eval()
    task = Task(labels, kind="tagging")
    folder = tmp_path_factory.mktemp("tagger") / "s"
    export(TorchStudent("bilstm.v1", module, WordVocabulary(WORDS), task), folder, teacher={}, about={})
    return load(folder)


def test_n_sentences_have_n_rows_of_probabilities(tagger):
    sentences = ["word1 word2 word3", "", ("word4",), "word5 word6"]
    for n in range(5):
        shares = tagger.predict_proba(sentences[:n])
        assert [len(rows) for rows in shares] == [3, 0, 1, 2][:n]
        assert len(tagger.predict(sentences[:n])) == n
    assert [rows.shape for rows in tagger.predict_proba([()])] == [(0, 3)]
    assert [rows.shape for rows in tagger.predict_proba(["", ""])] == [(0, 3), (0, 3)]
    assert tagger.predict_proba(()) == tagger.predict_proba([]) == []
    assert tagger.predict(()) == tagger.predict([]) == []
    assert tagger.predict_proba("word1 word2").shape == (2, 3)
    assert tagger.predict_proba(("word1",)).shape == (1, 3)
    assert tagger.predict_proba("").shape == (0, 3)
    assert tagger.label_ids(sentences).shape == (6,)


@pytest.mark.parametrize("item", [None, 3, ("word1", None), (b"word1",)])
def test_words_that_are_none_are_named(tagger, item):
    for ask in (tagger.predict, tagger.predict_proba, tagger.logits):
        with pytest.raises(DataError, match="Item 2 must be words for this tagging task"):
            ask(["word1", item])


# ------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "longer", "altered"])
def test_a_damaged_file_is_refused_by_name(copy, file, how, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")  # test_fast.py says what the fast path reads
    path = copy / file
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[:-1],
                "longer": content + b"\n",
                "altered": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            }[how]
        )
    with pytest.raises(ArtifactError, match=re.escape(str(path))):
        load(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe"])
def test_a_damaged_manifest_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load(copy)


def test_a_folder_without_manifest_is_refused(copy):
    (copy / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        load(copy)


def test_what_is_no_folder_is_refused(copy, tmp_path):
    with pytest.raises(ArtifactError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"config\.json"):
        load(copy / "config.json")


def test_a_folder_of_another_stage_is_refused(students, tmp_path):
    save_trained(Trained(students["cbow.v1"], (), 0.0), tmp_path / "torch", {})
    with pytest.raises(ArtifactError, match="not an exported student"):
        load(tmp_path / "torch")
    with publish(tmp_path / "other", {}) as aside:
        (aside / "data.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ArtifactError, match="not an exported student"):
        load(tmp_path / "other")


def rewrite(folder, file, change):
    """Change a JSON file and let the manifest agree, as a later version would have written it."""
    document = json.loads((folder / file).read_text(encoding="utf-8"))
    change(document)
    (folder / file).write_text(json.dumps(document), encoding="utf-8")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    facts = {"sha256": file_digest(folder / file), "bytes": (folder / file).stat().st_size}
    manifest["files"][file] = facts
    write_json(folder / MANIFEST, manifest)


def test_a_newer_format_is_refused(copy):
    rewrite(copy, "config.json", lambda config: config.update(format=FORMAT + 1))
    with pytest.raises(ArtifactError, match=f"has format {FORMAT + 1}.*Upgrade"):
        load(copy)


def test_a_config_that_is_not_ours_is_refused(copy):
    rewrite(copy, "config.json", lambda config: config.pop("format"))
    with pytest.raises(ArtifactError, match=r"config\.json is not that of an exported student"):
        load(copy)


def test_a_vocabulary_of_another_rule_is_refused(copy, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_FAST", "0")
    rewrite(copy, "tokenizer.json", lambda document: document["normalizer"]["normalizers"].pop())
    with pytest.raises(ArtifactError, match=r"tokenizer\.json.*splitting rule"):
        load(copy)


@pytest.mark.parametrize("change", [lambda c: c.pop("task"), lambda c: c["task"].update(later=1)])
def test_a_config_of_another_version_is_named(folders, tmp_path, change):
    folder = shutil.copytree(folders / "attn-bilstm.v1", tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(config)
    with publish(folder, {}) as aside:
        for name in set(FILES) - {"model.fast"}:
            shutil.copy(folder / name, aside)
        write_json(aside / "config.json", config)
    with pytest.raises(
        ArtifactError, match=r"config\.json is damaged, or of another version: .*(task|later)"
    ):
        load(folder)


def test_a_run_says_where_its_students_are(folders, tmp_path):
    (tmp_path / "run" / "models").mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"is a run, not a student\. Its students are in: none yet"):
        load(tmp_path / "run")
    shutil.copytree(folders / "cbow.v1", tmp_path / "run" / "models" / "cbow.v1")
    with pytest.raises(ArtifactError, match=r"students are in: .*models.cbow\.v1\."):
        load(tmp_path / "run")
