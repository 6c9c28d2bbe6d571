import json
from dataclasses import replace

import numpy as np
import pytest

from understudy.core.task import Predictor, Task
from understudy.errors import ArtifactError, DataError
from understudy.training.baseline import model as baseline
from understudy.training.baseline.features import TextFeatures
from understudy.training.baseline.model import LinearBaseline, fit_baseline, folder_bytes, load_baseline

WORDS = {0: ["dull", "slow", "grey"], 1: ["plain", "usual", "even"], 2: ["bright", "quick", "vivid"]}
THREE = Task(("bad", "fair", "good"))
TWO = Task(("bad", "good"))
PAIR = Task(("other", "same"), "pair")
MANY = Task(("dull", "bright"), "multilabel", "macro_f1")
SCORE = Task(("score",), "regression", texts=2, bounds=(0.0, 2.0))
BINNED = Task(("0", "1", "2"), "regression")
TAGS = Task(("O", "B-X", "I-X"), "tagging")


def corpus(n, labels=(0, 1, 2), seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.choice(labels, n)
    texts = [
        " ".join(["The", *rng.choice(WORDS[c], 2), "room", rng.choice(["here", "there"])]) for c in columns
    ]
    return texts, columns


def items_of(task, n, seed=0):
    """Items of a task, and gold labels that a linear model of words can learn."""
    texts, columns = corpus(n, seed=seed)
    if task.kind == "tagging":
        named = {"dull": 1, "slow": 1, "grey": 1, "bright": 2, "quick": 2, "vivid": 2}
        sentences = [tuple(text.split()) for text in texts]
        return sentences, np.array([named.get(word, 0) for words in sentences for word in words])
    if task.kind == "multilabel":
        return texts, np.stack([columns == 0, columns == 2], axis=1).astype(np.float32)
    if task.texts == 2:
        others, theirs = corpus(n, seed=seed + 100)
        others = [
            text if same else other for text, other, same in zip(texts, others, theirs == 0, strict=True)
        ]
        gold = (theirs == 0).astype(np.int64)
        return list(zip(texts, others, strict=True)), 2.0 * gold if task.kind == "regression" else gold
    return texts, columns.astype(np.float32) if task.kind == "regression" else columns


KINDS = [THREE, PAIR, MANY, SCORE, BINNED, TAGS]


@pytest.fixture(scope="module", params=KINDS, ids=lambda task: f"{task.kind}{len(task.labels)}")
def fitted(request):
    task = request.param
    return fit_baseline(task, *items_of(task, 120), *items_of(task, 60, seed=1), seed=0)


def test_learns_and_is_a_predictor(fitted):
    items, gold = items_of(fitted.task, 80, seed=2)
    logits = fitted.logits(items)
    assert isinstance(fitted, Predictor)
    assert (logits.shape, logits.dtype) == ((len(gold), len(fitted.task.labels)), np.float32)
    decided = fitted.task.decisions(logits)
    if fitted.task.kind == "regression":
        assert np.corrcoef(decided, gold)[0, 1] > 0.9
        assert np.abs(decided - gold).mean() < 0.3
    else:
        assert np.mean(decided == gold) > 0.97


def test_one_item_gets_the_logits_that_it_gets_among_others(fitted):
    items, _ = items_of(fitted.task, 12, seed=3)
    alone = np.concatenate([fitted.logits([item]) for item in items])
    assert np.allclose(alone, fitted.logits(items), atol=1e-5)
    assert fitted.logits([]).shape == (0, len(fitted.task.labels))


def test_save_and_load_are_inverse(fitted, tmp_path):
    fitted.save(tmp_path / "saved", {"note": "kept"})
    loaded = load_baseline(tmp_path / "saved")
    items, _ = items_of(fitted.task, 40, seed=5)
    # Loaded weights lie elsewhere in memory, so sums may differ in the last bit.
    np.testing.assert_allclose(loaded.logits(items), fitted.logits(items), atol=1e-6)
    assert np.array_equal(loaded.weight, fitted.weight)
    assert (loaded.task, loaded.strength) == (fitted.task, fitted.strength)
    assert loaded.features.terms == fitted.features.terms
    assert loaded.parameters == fitted.parameters
    files = {path.name: path.stat().st_size for path in (tmp_path / "saved").iterdir()}
    assert set(files) == {"manifest.json", "baseline.json", "weights.npz"}
    assert folder_bytes(tmp_path / "saved") == files["baseline.json"] + files["weights.npz"]
    assert json.loads((tmp_path / "saved" / "manifest.json").read_text())["note"] == "kept"


def test_same_input_same_weights(fitted):
    task = replace(fitted.task, thresholds=None)
    again = fit_baseline(task, *items_of(task, 120), *items_of(task, 60, seed=1), seed=0)
    assert again.features.terms == fitted.features.terms
    assert np.array_equal(again.weight, fitted.weight)
    assert again.task == fitted.task


def test_items_with_a_missing_gold_label_are_left_out(fitted):
    task = replace(fitted.task, thresholds=None)
    items, gold = items_of(task, 120)
    unlabelled = items_of(task, 3, seed=9)[0]
    nothing = task.no_gold(int(task.rows(unlabelled).sum()))
    if task.kind == "tagging":
        nothing[::2] = 1  # a sentence labelled in part
    mixed = [*unlabelled, *items], np.concatenate([nothing, gold])
    made = fit_baseline(task, *mixed, *items_of(task, 60, seed=1), seed=0)
    assert np.array_equal(made.weight, fitted.weight)


def test_parameters_are_all_that_was_learnt():
    sizes = {}
    for task in (THREE, SCORE, TAGS):
        made = fit_baseline(task, *items_of(task, 60), *items_of(task, 60, seed=1), seed=0)
        v, c = len(made.features.terms), len(task.labels)
        sizes[task.kind] = made.parameters, v, c
    parameters, v, c = sizes["classification"]
    assert parameters == v + v * c + c
    parameters, v, c = sizes["regression"]
    assert parameters == v + 14 + (3 * v + 7) * c + c
    parameters, v, c = sizes["tagging"]
    assert parameters == 3 * v * c + c


def test_texts_without_known_words_get_the_bias():
    made = fit_baseline(THREE, *corpus(60), *corpus(60, seed=1), seed=0)
    for text in ("", "   ", "zzz qqq"):
        assert np.allclose(made.logits([text])[0], made.bias)


def test_word_order_counts():
    made = fit_baseline(TWO, ["Don’t stop!", "stop now"], [0, 1], ["stop"], [0], seed=0)
    assert set(made.features.terms) == {"don't", "stop", "!", "now", "don't stop", "stop !", "stop now"}
    assert not np.allclose(made.logits(["stop now"]), made.logits(["now stop"]))


def test_two_labels_get_opposite_logits():
    made = fit_baseline(TWO, *corpus(60, (0, 1)), *corpus(30, (0, 1), seed=1), seed=0)
    texts, gold = corpus(30, (0, 1), seed=2)
    logits = made.logits(texts)
    assert np.allclose(logits.sum(axis=1), 0, atol=1e-6)
    assert (logits.argmax(1) == gold).all()


def test_probabilities_equal_those_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    for task, labels in ((TWO, (0, 1)), (THREE, (0, 1, 2))):
        texts, gold = corpus(90, labels)
        made = fit_baseline(task, texts, gold, *corpus(30, labels, seed=1), seed=0)
        matrix = TextFeatures.fit(texts).matrix(texts)
        expected = LogisticRegression(max_iter=1000, C=made.strength).fit(matrix, gold).predict_proba(matrix)
        assert np.allclose(task.probabilities(made.logits(texts)), expected, atol=2e-3)


@pytest.mark.parametrize("present", [(0, 2), (1, 2)])
def test_a_label_without_training_texts_keeps_its_column(present):
    made = fit_baseline(THREE, *corpus(60, present), *corpus(60, seed=1), seed=0)
    texts, gold = corpus(30, present, seed=2)
    logits = made.logits(texts)
    missing = ({0, 1, 2} - set(present)).pop()
    assert (logits.argmax(1) == gold).all()
    assert THREE.probabilities(logits)[:, missing].max() == 0
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_strength_is_the_best_on_dev_by_the_metric_of_the_task(monkeypatch, metric):
    asked = []
    values = iter([0.5, 0.7, 0.9, 0.9, 0.1])

    def fake(task, gold, decisions, lengths):
        asked.append((task.metric, len(gold), len(decisions), lengths.sum()))
        return next(values)

    monkeypatch.setattr(baseline, "score", fake)
    made = fit_baseline(Task(THREE.labels, metric=metric), *corpus(60), *corpus(33, seed=1), seed=0)
    assert asked == [(metric, 33, 33, 33)] * 5
    assert made.strength == 3.0  # the first of the two best


def test_thresholds_are_tuned_on_dev():
    made = fit_baseline(MANY, *items_of(MANY, 120), *items_of(MANY, 60, seed=1), seed=0)
    assert made.task.labels == MANY.labels
    assert made.task.thresholds is not None
    assert MANY.thresholds is None


def test_terms_that_utf8_cannot_write_survive(tmp_path):
    made = fit_baseline(TWO, ["a \ud800b", "c d"], [0, 1], ["a"], [0], seed=0)
    made.save(tmp_path / "saved")
    assert load_baseline(tmp_path / "saved").features.terms == made.features.terms


def test_what_is_no_whole_baseline_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no folder"):
        load_baseline(tmp_path / "absent")
    with pytest.raises(ArtifactError, match="holds nothing"):
        folder_bytes(tmp_path / "absent")
    fit_baseline(TWO, ["a", "b"], [0, 1], ["a"], [0], seed=0).save(tmp_path / "saved")
    manifest = tmp_path / "saved" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": "other"}))
    with pytest.raises(ArtifactError, match="'other'"):
        load_baseline(tmp_path / "saved")
    features = TextFeatures(("a", "b"), [1, 1])
    with pytest.raises(ArtifactError, match="2 features and 2 labels"):
        LinearBaseline(TWO, features, weight=np.zeros((3, 2)), bias=[0, 0], strength=1)


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        ((["a b", "c"], [0, 0]), (["a"], [0]), "All train texts have the label 'bad'"),
        ((["a", "c"], [0]), (["a"], [0]), r"train split needs items, and gold labels of shape \(2,\)"),
        ((["a", "c"], [0, 1]), ([], []), "dev split needs items"),
        ((["a", "c"], [0, 1]), (["a"], [-1]), "No item of the dev split has gold labels"),
        ((["a", "c"], [0, 2]), (["a"], [0]), "label column 2, but the task has columns 0 to 1"),
        (([" ", ""], [0, 1]), (["a"], [0]), "no words"),
    ],
)
def test_what_cannot_be_fitted_is_refused(train, dev, message):
    with pytest.raises(DataError, match=message):
        fit_baseline(TWO, *train, *dev, seed=0)


def test_a_tagger_weighs_which_tags_follow_each_other(tmp_path):
    """Spans of three words; a word tells its tag in half of all cases, else any."""
    rng = np.random.default_rng(0)
    task = Task(("O", "B-X", "I-X"), kind="tagging")

    def split(count):
        tags = np.concatenate(
            [np.concatenate([[0] * rng.integers(1, 5), [1, 2, 2]]) for _ in range(4 * count)]
        )
        words = np.where(rng.random(len(tags)) < 0.5, tags, rng.integers(0, 3, len(tags)))
        ends = np.flatnonzero((np.roll(tags, -1) == 0) & (tags == 2))[3::4] + 1
        sentences = [tuple("abc"[word] for word in part) for part in np.split(words, ends) if len(part)]
        return sentences, tags

    train, dev = split(100), split(60)
    fitted = fit_baseline(task, *train, *dev, seed=0)
    assert fitted.task.transitions is not None
    alone = LinearBaseline(
        task, fitted.features, weight=fitted.weight, bias=fitted.bias, strength=fitted.strength
    )
    right = [(each.logits(dev[0]).argmax(axis=1) == dev[1]).mean() for each in (fitted, alone)]
    assert right[0] > right[1]
    fitted.save(tmp_path / "b")
    np.testing.assert_allclose(load_baseline(tmp_path / "b").logits(dev[0]), fitted.logits(dev[0]), atol=1e-5)
