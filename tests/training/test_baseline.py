import json

import numpy as np
import pytest

from understudy.errors import ArtifactError, DataError
from understudy.task import Predictor, Task
from understudy.training import baseline
from understudy.training.baseline import TfidfBaseline, fit_baseline, folder_bytes

WORDS = {0: ["dull", "slow", "grey"], 1: ["plain", "usual", "even"], 2: ["bright", "quick", "vivid"]}
THREE = Task(("bad", "fair", "good"))
TWO = Task(("bad", "good"))


def corpus(n, labels=(0, 1, 2), seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.choice(labels, n)
    texts = [
        " ".join(["The", *rng.choice(WORDS[c], 2), "room", rng.choice(["here", "there"])]) for c in columns
    ]
    return texts, columns


@pytest.fixture(scope="module")
def fitted():
    return fit_baseline(THREE, *corpus(120), *corpus(60, seed=1), seed=0)


def test_learns_and_is_a_predictor(fitted):
    texts, gold = corpus(80, seed=2)
    logits = fitted.logits(texts)
    assert isinstance(fitted, Predictor)
    assert (logits.shape, logits.dtype) == ((80, 3), np.float32)
    assert np.mean(logits.argmax(1) == gold) == 1.0


def test_texts_without_known_words_get_the_bias(fitted):
    for text in ("", "   ", "zzz qqq"):
        assert np.allclose(fitted.logits([text])[0], fitted.bias)
    assert fitted.logits([]).shape == (0, 3)


def test_terms_are_our_words_and_their_pairs():
    made = fit_baseline(TWO, ["Don’t stop!", "stop now"], [0, 1], ["stop"], [0], seed=0)
    assert set(made.terms) == {"don't", "stop", "!", "now", "don't stop", "stop !", "stop now"}
    # word order counts, through the pairs
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
        vectorizer = baseline._vectorizer()
        model = LogisticRegression(max_iter=1000, C=made.strength).fit(vectorizer.fit_transform(texts), gold)
        expected = model.predict_proba(vectorizer.transform(texts))
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

    def fake(name, gold, predicted, n_labels):
        asked.append((name, len(gold)))
        return next(values)

    monkeypatch.setattr(baseline, "score", fake)
    made = fit_baseline(Task(THREE.labels, metric=metric), *corpus(60), *corpus(33, seed=1), seed=0)
    assert asked == [(metric, 33)] * 5
    assert made.strength == 3.0  # the first of the two best


def test_rare_terms_are_left_out_of_many_texts(monkeypatch):
    monkeypatch.setattr(baseline, "MANY_TEXTS", 50)
    texts, gold = corpus(60)
    made = fit_baseline(THREE, [*texts, "dull oddity"], [*gold, 0], *corpus(30, seed=1), seed=0)
    assert "oddity" not in made.terms


def test_same_input_same_weights(fitted):
    again = fit_baseline(THREE, *corpus(120), *corpus(60, seed=1), seed=0)
    assert again.terms == fitted.terms
    assert np.array_equal(again.weight, fitted.weight)


def test_save_and_load_are_inverse(fitted, tmp_path):
    fitted.save(tmp_path / "saved")
    loaded = TfidfBaseline.load(tmp_path / "saved")
    texts, _ = corpus(40, seed=5)
    assert np.allclose(loaded.logits(texts), fitted.logits(texts), atol=1e-6)
    assert (loaded.task, loaded.terms, loaded.strength) == (THREE, fitted.terms, fitted.strength)
    assert loaded.parameters == fitted.parameters == len(fitted.terms) * 4 + 3
    files = {path.name: path.stat().st_size for path in (tmp_path / "saved").iterdir()}
    assert set(files) == {"manifest.json", "baseline.json", "weights.npz"}
    assert folder_bytes(tmp_path / "saved") == files["baseline.json"] + files["weights.npz"]


def test_terms_that_utf8_cannot_write_survive(tmp_path):
    made = fit_baseline(TWO, ["a \ud800b", "c d"], [0, 1], ["a"], [0], seed=0)
    made.save(tmp_path / "saved")
    assert TfidfBaseline.load(tmp_path / "saved").terms == made.terms


def test_what_is_no_whole_baseline_is_refused(fitted, tmp_path):
    with pytest.raises(ArtifactError, match="no folder"):
        TfidfBaseline.load(tmp_path / "absent")
    with pytest.raises(ArtifactError, match="holds nothing"):
        folder_bytes(tmp_path / "absent")
    fitted.save(tmp_path / "saved")
    manifest = tmp_path / "saved" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": "other"}))
    with pytest.raises(ArtifactError, match="'other'"):
        TfidfBaseline.load(tmp_path / "saved")
    with pytest.raises(ArtifactError, match="2 distinct terms and 2 labels"):
        TfidfBaseline(TWO, terms=["a", "b"], idf=[1], weight=np.zeros((2, 2)), bias=[0, 0], strength=1)


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        ((["a b", "c"], [0, 0]), (["a"], [0]), "All train texts have the label 'bad'"),
        ((["a", "c"], [0]), (["a"], [0]), "train split needs texts, and one label each"),
        ((["a", "c"], [0, 1]), ([], []), "dev split needs texts"),
        ((["a", "c"], [0, 2]), (["a"], [0]), "columns 0 to 1"),
        (([" ", ""], [0, 1]), (["a"], [0]), "no words"),
    ],
)
def test_what_cannot_be_fitted_is_refused(train, dev, message):
    with pytest.raises(DataError, match=message):
        fit_baseline(TWO, *train, *dev, seed=0)
