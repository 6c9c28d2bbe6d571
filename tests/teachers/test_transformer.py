import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors import SafetensorError

from understudy.core.task import Predictor, Task
from understudy.errors import ArtifactError, TeacherError
from understudy.teachers.loading import (
    HEAD_FILE,
    is_finetuned,
    load_body,
    load_config,
    load_tokenizer,
    quiet,
)
from understudy.teachers.modules import Headed, MeanPooled
from understudy.teachers.source import FACTS_FILE, Source
from understudy.teachers.transformer import Teacher

POSITIONS = 40
FAMILIES = ("bert", "roberta", "xlm-roberta", "data2vec", "deberta", "distilbert")


@pytest.fixture(scope="module")
def teacher(bert):
    return Teacher.from_pretrained(bert)


@pytest.fixture(scope="module")
def mean_pooled(bare):
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        source = Source("tiny", str(bare))
        module = MeanPooled(load_body(source), 3)
        return Teacher(module, load_tokenizer(source), Task(("x", "y", "z")), name="tiny")


def reference(folder, texts):
    """The logits as `transformers` gives them, one text at a time."""
    with quiet():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        rows = [
            model(**tokenizer(t, return_tensors="pt", truncation=True, max_length=POSITIONS)).logits
            for t in texts
        ]
    return torch.cat(rows).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_its_own_library_does(write_model, family, texts):
    folder = write_model(family)
    teacher = Teacher.from_pretrained(folder)
    logits = teacher.logits(texts)
    assert isinstance(teacher, Predictor)
    assert (logits.shape, logits.dtype) == ((30, 2), np.float32)
    assert np.ptp(logits[:, 0]) > 0.1  # different texts, different answers: what follows can fail
    np.testing.assert_allclose(logits, reference(folder, texts), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reads_its_limit_of_a_long_text(write_model, family):
    teacher = Teacher.from_pretrained(write_model(family))
    assert teacher.longest == POSITIONS
    words = (["film", "was", "good"] * 200)[:600]
    cut, more = " ".join(words[: POSITIONS - 2]), " ".join(words[: POSITIONS - 3])
    long, exact, shorter = teacher.logits([" ".join(words), cut, more])
    np.testing.assert_allclose(long, exact, atol=1e-5)
    assert np.abs(long - shorter).max() > 1e-4
    assert teacher.encode([" ".join(words)]).lengths.tolist() == [POSITIONS]


def test_only_models_with_token_types_are_given_them(write_model, texts):
    assert "token_type_ids" in Teacher.from_pretrained(write_model("bert")).encode(texts).inputs
    assert "token_type_ids" not in Teacher.from_pretrained(write_model("distilbert")).encode(texts).inputs


def test_the_tokenizers_own_limit_counts_too(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "short")
    facts = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**facts, "model_max_length": 9}))
    assert Teacher.from_pretrained(folder).longest == 9


def test_no_more_than_512_tokens_are_read(write_model):
    assert Teacher.from_pretrained(write_model("bert", max_position_embeddings=600)).longest == 512


@pytest.mark.parametrize("which", ["headed", "mean"])
def test_logits_do_not_depend_on_the_batch(teacher, mean_pooled, which, texts):
    one = teacher if which == "headed" else mean_pooled
    together = one.logits(texts)
    alone = np.concatenate([one.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    order = np.random.default_rng(1).permutation(len(texts))
    np.testing.assert_allclose(one.logits([texts[i] for i in order]), together[order], atol=1e-5)


def test_no_text_and_empty_text(teacher, mean_pooled):
    for one, labels in ((teacher, 2), (mean_pooled, 3)):
        assert one.logits([]).shape == (0, labels)
        assert one.logits([]).dtype == np.float32
        empty = one.logits(["", "   ", "good film"])
        assert np.isfinite(empty).all()
        np.testing.assert_allclose(empty[0], empty[1], atol=1e-5)
        np.testing.assert_allclose(empty[:1], one.logits([""]), atol=1e-5)


def test_mean_pooling_is_the_mean_over_real_tokens(mean_pooled):
    encoded = mean_pooled.encode(["good film"])
    with torch.inference_mode():
        states = mean_pooled.module.body(**encoded.batch(np.array([0]))).last_hidden_state[0]
        expected = mean_pooled.module.head(states.mean(dim=0)).numpy()
    assert states.shape == (4, 32)
    padded = mean_pooled.logits(["good film", "the film was bad and dull"])
    np.testing.assert_allclose(padded[0], expected, atol=1e-5)


# ---------------------------------------------------------------------------------------------- label names


def test_columns_are_matched_by_name(write_model, texts):
    folder = write_model("bert", labels=("bad", "fair", "good"))
    own = Teacher.from_pretrained(folder)
    permuted = Teacher.from_pretrained(folder, task=Task(("good", "bad", "fair")))
    assert own.task.labels == ("bad", "fair", "good")
    assert permuted.task.labels == ("good", "bad", "fair")
    logits = own.logits(texts)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(permuted.logits(texts), logits[:, [2, 0, 1]], atol=1e-5)
    assert permuted.task.answers(permuted.logits(texts)) == own.task.answers(logits)
    # and back again: arranging an arranged teacher
    back = permuted.arranged(Task(("bad", "fair", "good")))
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(back.logits(texts), logits, atol=1e-5)


def test_the_case_of_a_label_does_not_matter_and_the_tasks_spelling_wins(teacher, texts):
    arranged = teacher.arranged(Task(("GOOD", "Bad")))
    assert arranged.task.labels == ("GOOD", "Bad")
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(arranged.logits(texts), teacher.logits(texts)[:, ::-1], atol=1e-5)


@pytest.mark.parametrize("labels", [("bad", "fine"), ("bad", "good", "fair")])
def test_other_labels_are_refused_and_both_sides_shown(bert, labels):
    with pytest.raises(TeacherError) as caught:
        Teacher.from_pretrained(bert, task=Task(labels))
    assert "['bad', 'good']" in str(caught.value)
    assert str(list(labels)) in str(caught.value)
    assert "--teacher-labels" in str(caught.value)


def test_names_can_be_given_to_a_model_that_has_none(write_model, texts):
    folder = write_model("bert", labels=("LABEL_0", "LABEL_1"))
    task = Task(("good", "bad"))
    with pytest.raises(TeacherError, match="LABEL_0"):
        Teacher.from_pretrained(folder, task=task)
    named = Teacher.from_pretrained(folder, labels=("bad", "good"), task=task)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(
        named.logits(texts), Teacher.from_pretrained(folder).logits(texts)[:, ::-1], atol=1e-5
    )


def test_the_number_of_names_must_fit(bert, mean_pooled, tmp_path):
    with pytest.raises(TeacherError, match="gives 2 logits"):
        Teacher.from_pretrained(bert, labels=("a", "b", "c"))
    mean_pooled.save(tmp_path / "mean")
    with pytest.raises(TeacherError, match="gives 3 logits"):
        Teacher.from_pretrained(tmp_path / "mean", labels=("a", "b"))


# ------------------------------------------------------------------------------------------ what is refused


def test_a_bare_encoder_is_refused_with_the_command_to_run(bare):
    with pytest.raises(TeacherError, match="understudy finetune") as caught:
        Teacher.from_pretrained(bare)
    assert str(bare) in str(caught.value)


def test_is_finetuned(bert, bare):
    for folder, expected in ((bert, True), (bare, False)):
        source = Source("x", str(folder))
        assert is_finetuned(source, load_config(source)) is expected


def test_a_hub_id_offline_is_refused_at_once(offline):
    with pytest.raises(TeacherError, match="someone/some-model") as caught:
        Teacher.from_pretrained("someone/some-model")
    assert "offline, give a folder" in str(caught.value)


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_an_unknown_precision_is_refused(bert, teacher, precision):
    with pytest.raises(TeacherError, match="bfloat16"):
        Teacher(teacher.module, teacher.tokenizer, teacher.task, name="x", precision=precision)
    with pytest.raises(TeacherError, match="bfloat16"):
        Teacher.from_pretrained(bert, precision=precision)


@pytest.mark.parametrize("content", [None, b"truncated"])
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_folder_is_refused(bert, tmp_path, file, content):
    folder = shutil.copytree(bert, tmp_path / "damaged")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(TeacherError) as caught:
        Teacher.from_pretrained(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("content", [None, b"truncated"])
def test_a_damaged_head_is_refused_by_name(mean_pooled, tmp_path, content):
    mean_pooled.save(tmp_path)
    (tmp_path / HEAD_FILE).unlink()
    if content is not None:
        (tmp_path / HEAD_FILE).write_bytes(content)
    with pytest.raises(TeacherError, match=HEAD_FILE.replace(".", r"\.")):
        Teacher.from_pretrained(tmp_path)


# ---------------------------------------------------------------------------------------------- fingerprint


def test_the_fingerprint_does_not_depend_on_the_path(bert, teacher, tmp_path):
    copy = Teacher.from_pretrained(shutil.copytree(bert, tmp_path / "elsewhere"))
    assert copy.fingerprint == Teacher.from_pretrained(bert).fingerprint
    assert len(copy.fingerprint) == 64


def test_the_fingerprint_does_not_change_by_answering(bert, texts):
    teacher = Teacher.from_pretrained(bert)
    before = teacher.fingerprint
    teacher.logits(texts)
    assert teacher.fingerprint == before


def test_the_fingerprint_changes_with_all_that_changes_the_logits(bert, write_model, tmp_path):
    one = Teacher.from_pretrained(bert)
    seen = {one.fingerprint}
    seen.add(one.arranged(Task(("good", "bad"))).fingerprint)
    seen.add(Teacher.from_pretrained(bert, labels=("good", "bad")).fingerprint)
    seen.add(Teacher.from_pretrained(bert, precision="bfloat16").fingerprint)
    seen.add(Teacher.from_pretrained(write_model("bert", seed=1)).fingerprint)
    nudged = Teacher.from_pretrained(bert)
    with torch.no_grad():
        nudged.module.model.classifier.bias[0] += 1e-3
    seen.add(nudged.fingerprint)
    shorter = shutil.copytree(bert, tmp_path / "shorter")
    facts = json.loads((shorter / "tokenizer_config.json").read_text())
    (shorter / "tokenizer_config.json").write_text(json.dumps({**facts, "model_max_length": 9}))
    seen.add(Teacher.from_pretrained(shorter).fingerprint)
    rule = shutil.copytree(bert, tmp_path / "rule")
    words = json.loads((rule / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary["good"], vocabulary["bad"] = vocabulary["bad"], vocabulary["good"]
    (rule / "tokenizer.json").write_text(json.dumps(words))
    seen.add(Teacher.from_pretrained(rule).fingerprint)
    assert len(seen) == 8


def test_an_arranged_teacher_shares_its_weights(teacher):
    arranged = teacher.arranged(Task(("good", "bad")))
    assert arranged.module is teacher.module
    assert arranged.parameters == teacher.parameters == sum(p.numel() for p in teacher.module.parameters())


# ------------------------------------------------------------------------------------- precision and saving


@pytest.mark.usefixtures("fast_bfloat16")
def test_bfloat16_stays_close_and_keeps_its_weights(bert, teacher, texts, monkeypatch):
    monkeypatch.setattr(Teacher, "near", 0.0)
    low = Teacher.from_pretrained(bert, precision="bfloat16")
    assert {p.dtype for p in low.module.parameters()} == {torch.float32}
    logits, expected = low.logits(texts), teacher.logits(texts)
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - expected).max() < 0.05 * np.abs(expected).max() + 0.05


@pytest.mark.usefixtures("fast_bfloat16")
def test_near_ties_are_answered_again_in_float32(bert, teacher, texts, monkeypatch):
    expected = teacher.logits(texts)
    gaps = np.sort(np.ptp(expected, axis=1))
    between = float(gaps[2] + gaps[3]) / 2
    monkeypatch.setattr(Teacher, "near", between)
    moved = np.abs(Teacher.from_pretrained(bert, precision="bfloat16").logits(texts) - expected).max(axis=1)
    is_near = np.ptp(expected, axis=1) < between
    assert moved[is_near].max() < 1e-6 < moved[~is_near].min()


@pytest.mark.usefixtures("fast_bfloat16")
def test_how_near_is_near_is_the_teachers_own(bert, teacher, texts):
    low = Teacher.from_pretrained(bert, precision="bfloat16")
    moved = np.ptp(low.logits(texts) - teacher.logits(texts), axis=1).max()
    assert 0 < moved < low.near < 50 * moved
    assert low.near == Teacher.from_pretrained(bert, precision="bfloat16").near


def test_what_is_saved_is_what_is_loaded(teacher, mean_pooled, texts, tmp_path):
    for name, one in (("headed", teacher), ("mean", mean_pooled)):
        one.save(tmp_path / name)
        again = Teacher.from_pretrained(tmp_path / name)
        assert type(again.module) is type(one.module)
        assert again.task == one.task
        # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
        np.testing.assert_allclose(again.logits(texts), one.logits(texts), atol=1e-5)
        assert again.fingerprint == one.fingerprint
        assert not again.module.training
        assert json.loads((tmp_path / name / FACTS_FILE).read_text())["labels"] == list(one.task.labels)
    assert isinstance(again.module, MeanPooled)


@pytest.mark.parametrize("which", ["headed", "mean"])
def test_an_arranged_teacher_keeps_its_answers_when_saved(teacher, mean_pooled, which, texts, tmp_path):
    one = teacher if which == "headed" else mean_pooled
    arranged = one.arranged(Task((*one.task.labels[1:], one.task.labels[0])))
    arranged.save(tmp_path)
    again = Teacher.from_pretrained(tmp_path, task=arranged.task)
    # Products of two calls, whose columns may stand in another order: the same sums to a tolerance.
    np.testing.assert_allclose(again.logits(texts), arranged.logits(texts), atol=1e-5)


def test_the_head_of_the_library_is_wrapped(teacher):
    assert isinstance(teacher.module, Headed)


@pytest.mark.usefixtures("slow_bfloat16")
def test_a_slower_bfloat16_is_left_out_and_said(bert, teacher, texts):
    low = Teacher.from_pretrained(bert, precision="bfloat16")
    # Two float32 models: rounding alone; in bfloat16 they would differ by a thousand times as much.
    np.testing.assert_allclose(low.logits(texts), teacher.logits(texts), atol=1e-5)
    assert low.fingerprint != teacher.fingerprint  # the store follows what was asked for, on every machine
    assert "bfloat16 is not faster on this machine" in low.notes[0]
    assert teacher.notes == ()


@pytest.mark.usefixtures("fast_bfloat16")
def test_a_faster_bfloat16_is_used_without_a_word(bert):
    assert Teacher.from_pretrained(bert, precision="bfloat16").notes == ()


def test_a_full_disk_is_told_in_one_sentence(teacher, tmp_path, monkeypatch):
    def fail(folder):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(teacher.module.model, "save_pretrained", fail)
    with pytest.raises(ArtifactError, match=r"cannot be written to .*No space left"):
        teacher.save(tmp_path)


def test_all_saved_files_are_as_readable_as_each_other(teacher, tmp_path):
    teacher.save(tmp_path)
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


# -------------------------------------------------------------------------------------------------- batches


def test_quiet_puts_the_librarys_voice_back():
    logging = transformers.logging
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())

    def fail():
        with quiet():
            assert logging.get_verbosity() == logging.ERROR
            assert not logging.is_progress_bar_enabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
