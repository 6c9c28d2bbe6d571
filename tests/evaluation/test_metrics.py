import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from understudy.core.task import METRICS, OF_TWO_LABELS, Task
from understudy.errors import DataError, RecipeError
from understudy.evaluation.metrics import (
    Margins,
    classes,
    confusion,
    metrics_of,
    per_label,
    score,
    score_margins,
    scores,
    tally,
)

THREE = Task(("a", "b", "c"))
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
SPANS = Task(TAGS, "tagging")
WORDS = Task(("NOUN", "VERB", "X"), "tagging", "accuracy")
SETS = Task(("x", "y", "z"), "multilabel")
VALUES = Task(("score",), "regression", bounds=(0, 5))

# Three labels, ten texts:        predicted
#                                  0  1  2
#                       gold 0  [  3  1  0 ]
#                            1  [  1  2  1 ]
#                            2  [  0  0  2 ]
GOLD = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 0, 1, 0, 1, 1, 2, 2, 2])


def task_of(n, metric="accuracy", kind="classification"):
    return Task(tuple(f"label {i}" for i in range(n)), kind, metric)


def columns(*sentences):
    """Sentences of tags → columns of the labels and words a sentence."""
    tags = [sentence.split() for sentence in sentences]
    return np.array([TAGS.index(t) for words in tags for t in words]), np.array([len(t) for t in tags])


def example(task, rng, n=60):
    """Gold, decisions and lengths of a task of any kind; the decisions are often right."""
    if task.kind == "regression":
        gold = rng.integers(0, 11, n) / 2
        return gold, np.round(gold + rng.normal(size=n), 1), None
    if task.kind == "multilabel":
        gold = (rng.random((n, len(task.labels))) < 0.3).astype(np.float32)
        return gold, np.where(rng.random(gold.shape) < 0.8, gold, 1 - gold), None
    lengths = rng.integers(0, 9, n) if task.kind == "tagging" else np.ones(n, dtype=np.int64)
    gold = rng.integers(0, len(task.labels), lengths.sum())
    noise = rng.integers(0, len(task.labels), len(gold))
    return gold, np.where(rng.random(len(gold)) < 0.7, gold, noise), lengths


ALL = [
    pytest.param(Task(task.labels, task.kind, metric, bounds=task.bounds), id=f"{task.kind}-{metric}")
    for task in (THREE, SPANS, SETS, VALUES)
    for metric in METRICS[task.kind]
    if metric not in OF_TWO_LABELS
] + [pytest.param(Task(("no", "yes"), metric=metric), id=metric) for metric in OF_TWO_LABELS]


def test_confusion_has_gold_rows_and_predicted_columns():
    assert confusion(THREE, GOLD, PREDICTED).tolist() == [[3, 1, 0], [1, 2, 1], [0, 0, 2]]


def test_scores_by_hand():
    found = scores(THREE, GOLD, PREDICTED)
    assert list(found) == ["accuracy", "macro_f1", "mcc"]
    assert found["accuracy"] == pytest.approx(7 / 10)
    # F1 = 2 hits / (golds + answers): 6/8, 4/7, 4/5
    assert found["macro_f1"] == pytest.approx((6 / 8 + 4 / 7 + 4 / 5) / 3)
    # golds 4, 4, 2; answers 4, 3, 3: (7*10 - (16+12+6)) / sqrt((100-36) * (100-34))
    assert found["mcc"] == pytest.approx(36 / np.sqrt(64 * 66))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_scores_equal_those_of_scikit_learn(seed, kind):
    rng = np.random.default_rng(seed)
    labels = int(rng.integers(2, 12))
    task = task_of(labels, kind=kind)
    gold, predicted, lengths = example(task, rng)
    assert score(task, gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    macro = score(task, gold, predicted, lengths, "macro_f1")
    assert macro == pytest.approx(f1_score(gold, predicted, average="macro"))
    if kind == "classification":
        mcc = score(task, gold, predicted, metric="mcc")
        assert mcc == pytest.approx(matthews_corrcoef(gold, predicted))
    every = list(range(labels))
    assert np.array_equal(confusion(task, gold, predicted), confusion_matrix(gold, predicted, labels=every))
    expected = precision_recall_fscore_support(gold, predicted, labels=every, zero_division=0)
    parts = per_label(task, gold, predicted, lengths)
    assert list(parts) == list(task.labels)
    found = [(p.precision, p.recall, p.f1, p.support) for p in parts.values()]
    assert np.allclose(found, np.array(expected).T)


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_sets_of_labels_equal_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    task = task_of(5, "micro_f1", "multilabel")
    gold, predicted, _ = example(task, rng)
    assert score(task, gold, predicted) == pytest.approx(f1_score(gold, predicted, average="micro"))
    macro = score(task, gold, predicted, metric="macro_f1")
    assert macro == pytest.approx(f1_score(gold, predicted, average="macro"))
    expected = precision_recall_fscore_support(gold, predicted, zero_division=0)
    found = [(p.precision, p.recall, p.f1, p.support) for p in per_label(task, gold, predicted).values()]
    assert np.allclose(found, np.array(expected).T)


@pytest.mark.parametrize("seed", range(5))
def test_correlations_equal_those_of_scipy(seed):
    gold, predicted, _ = example(VALUES, np.random.default_rng(seed))
    assert score(VALUES, gold, predicted) == pytest.approx(stats.pearsonr(gold, predicted)[0])
    rank = score(VALUES, gold, predicted, metric="spearman")
    assert rank == pytest.approx(stats.spearmanr(gold, predicted)[0])  # of many ties


def test_correlations_by_hand():
    # deviations -1, 0, 1 and -1, 1, 0: 1 / sqrt(2 * 2)
    assert score(VALUES, [1, 2, 3], [2, 4, 3]) == pytest.approx(0.5)
    # ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
    tied = score(VALUES, [1.0, 2.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0], metric="spearman")
    assert tied == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert score(VALUES, [1, 2, 3], [30, 20, 10]) == -1


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 + 0.1])
def test_correlation_with_a_constant_is_zero(metric, constant):
    gold = np.random.default_rng(0).random(77)
    assert score(VALUES, gold, np.full(77, constant, dtype=np.float32), metric=metric) == 0
    assert score(VALUES, np.full(77, constant), gold, metric=metric) == 0
    assert score(VALUES, [1.0], [2.0], metric=metric) == 0


def test_spans_are_right_only_as_a_whole_and_of_the_same_kind():
    gold, lengths = columns("B-PER I-PER O B-LOC", "B-LOC O", "O O")
    for answer, hits, answered in (
        (("B-PER I-PER O B-LOC", "B-LOC O", "O O"), 3, 3),
        (("B-PER O O B-LOC", "B-LOC O", "O O"), 2, 3),  # a span cut short is a miss and a false alarm
        (("B-LOC I-LOC O B-LOC", "B-LOC O", "O O"), 2, 3),  # and so is one of the wrong kind
        (("B-PER B-PER O O", "O O", "O B-PER"), 0, 3),  # two spans in the place of one
        (("I-PER I-PER O I-LOC", "I-LOC O", "O O"), 3, 3),  # IOB1 marks the same spans
        (("O O O O", "O O", "O O"), 0, 0),
    ):
        predicted, _ = columns(*answer)
        expected = 2 * hits / (3 + answered)
        assert score(SPANS, gold, predicted, lengths) == pytest.approx(expected), answer


def test_a_span_ends_with_its_sentence():
    gold, lengths = columns("O B-PER", "I-PER O")
    predicted, _ = columns("O B-PER", "B-PER O")
    assert score(SPANS, gold, predicted, lengths) == 1.0  # two sentences, two spans
    assert score(SPANS, gold, predicted, np.array([4])) == 0.0  # one sentence: a span of two words, or two


def test_macro_f1_of_spans_is_the_mean_over_kinds_and_accuracy_counts_words():
    gold, lengths = columns("B-PER O B-LOC", "B-PER I-PER O")
    predicted, _ = columns("B-PER O B-LOC", "B-PER O B-LOC")
    # PER: 1 hit of 2 and 2; LOC: 1 hit of 1 and 2
    assert scores(SPANS, gold, predicted, lengths) == pytest.approx(
        {"span_f1": 2 * 2 / (3 + 4), "macro_f1": (2 / 4 + 2 / 3) / 2, "accuracy": 4 / 6}
    )
    assert classes(SPANS) == ("PER", "LOC")
    parts = per_label(SPANS, gold, predicted, lengths)
    assert parts["LOC"].precision == 0.5
    assert (parts["PER"].recall, parts["PER"].support) == (0.5, 2)


def chunks(tags):
    """Spans as conlleval's rules begin and end them, tag by tag: the reference of the test below."""
    found, begun, kind, before = set(), None, "", ("O", "")
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        last, last_name = before
        ends = last in ("B", "I") and (prefix in ("B", "O") or name != last_name)
        starts = prefix == "B" or (prefix == "I" and (last == "O" or name != last_name))
        if ends and begun is not None:
            found.add((kind, begun, place))
            begun = None
        if starts:
            begun, kind = place, name
        before = (prefix, name)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_span_f1_equals_a_brute_force_reading_of_conlleval(seed):
    gold, predicted, lengths = example(SPANS, np.random.default_rng(seed), n=15)
    starts = np.cumsum(lengths) - lengths
    right = there = given = 0
    for start, length in zip(starts, lengths, strict=True):
        a, b = (chunks([TAGS[c] for c in part[start : start + length]]) for part in (gold, predicted))
        right, there, given = right + len(a & b), there + len(a), given + len(b)
    precision, recall = right / given, right / there
    expected = 2 * precision * recall / (precision + recall) if right else 0
    assert score(SPANS, gold, predicted, lengths) == pytest.approx(expected)


def test_a_task_without_spans_has_no_metric_of_spans():
    assert metrics_of(WORDS) == ("macro_f1", "accuracy")
    assert set(scores(WORDS, [0, 1], [0, 0])) == {"macro_f1", "accuracy"}
    with pytest.raises(RecipeError, match="Unknown metric 'span_f1' of a tagging task"):
        score(WORDS, [0], [0], np.array([1]), "span_f1")


def test_macro_f1_leaves_out_a_label_that_does_not_occur_but_counts_one_that_is_never_right():
    assert score(task_of(5, "macro_f1"), [0, 1], [0, 1]) == 1.0
    # label 0: 2*1/(2+1); label 1 has no text but was answered: 0
    assert score(task_of(5, "macro_f1"), [0, 0], [0, 1]) == pytest.approx((2 / 3 + 0) / 2)


def test_nothing_there_and_nothing_given_is_zero():
    none = np.zeros((2, 3))
    assert scores(SETS, none, none) == {"micro_f1": 0.0, "macro_f1": 0.0}
    assert score(SPANS, [0, 0], [0, 0], np.array([2])) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_means_of_glue_are_those_of_scikit_learn_and_scipy(seed):
    rng = np.random.default_rng(seed)
    gold, predicted, _ = example(task_of(2), rng)
    f1, accuracy = f1_score(gold, predicted), accuracy_score(gold, predicted)  # of the second label
    assert score(task_of(2, "f1"), gold, predicted) == pytest.approx(f1)
    assert score(task_of(2, "accuracy_f1"), gold, predicted) == pytest.approx((accuracy + f1) / 2)
    gold, predicted, _ = example(VALUES, rng)
    both = (stats.pearsonr(gold, predicted)[0] + stats.spearmanr(gold, predicted)[0]) / 2
    assert score(VALUES, gold, predicted, metric="pearson_spearman") == pytest.approx(both)


def test_means_are_told_where_they_are_the_metric():
    assert metrics_of(task_of(2)) == ("accuracy", "macro_f1", "mcc")
    assert metrics_of(task_of(2, "f1")) == ("accuracy", "macro_f1", "mcc", "f1")
    assert metrics_of(task_of(2, "accuracy_f1")) == ("accuracy", "macro_f1", "mcc", "f1", "accuracy_f1")
    assert metrics_of(VALUES) == ("pearson", "spearman")


def test_f1_needs_two_labels():
    with pytest.raises(RecipeError, match=r"of the second of two labels, but there are 3\. Use macro_f1"):
        task_of(3, "f1")
    with pytest.raises(RecipeError, match="Unknown metric 'f1'"):
        score(THREE, [0], [0], metric="f1")


def test_mcc_of_a_constant_answer_is_zero():
    assert score(task_of(2, "mcc"), [0, 1, 1], [1, 1, 1]) == 0.0


@pytest.mark.parametrize("task", ALL)
def test_a_tally_scores_any_sample_of_items_like_the_sample_itself(task):
    rng = np.random.default_rng(5)
    gold, predicted, lengths = example(task, rng, n=25)
    counts = np.ones(25, dtype=np.int64) if lengths is None else lengths
    owner = np.repeat(np.arange(25), counts)
    weights = rng.integers(0, 3, (25, 6))
    found = tally(task, gold, predicted, lengths).scores(weights)
    for number, held in enumerate(weights.T):
        items = np.repeat(np.arange(25), held)
        rows = np.concatenate([np.flatnonzero(owner == item) for item in items])
        expected = score(task, gold[rows], predicted[rows], counts[items])
        assert found[number] == pytest.approx(expected, abs=1e-9)


def test_unknown_metrics_suggest_the_nearest():
    with pytest.raises(RecipeError, match="'accuracy'"):
        score(THREE, [0], [0], metric="acuracy")
    with pytest.raises(RecipeError, match="'pearson'"):
        score(VALUES, [0], [0], metric="accuracy")
    one = np.ones(2)
    with pytest.raises(RecipeError, match="'micro_f1'"):
        score_margins("pearson", Margins(one, one, one))


def test_what_a_kind_does_not_have_is_refused():
    with pytest.raises(RecipeError, match="no scores by label"):
        per_label(VALUES, [1.0], [1.0])
    with pytest.raises(RecipeError, match="multilabel task has no confusion"):
        confusion(SETS, np.ones((1, 3)), np.ones((1, 3)))


@pytest.mark.parametrize(
    ("task", "gold", "predicted", "message"),
    [
        (THREE, [], [], "no answer"),
        (THREE, [0, 1], [0], "one shape"),
        (THREE, [[0]], [[0]], "one shape"),
        (THREE, [0, 3], [0, 1], "column 3 does not exist"),
        (THREE, [0, 1], [0, -1], "column -1 does not exist"),
        (THREE, [0.0, 1.0], [0, 1], "float64"),
        (SETS, [0, 1, 0], [0, 1, 0], r"\(n, labels\)"),
        (SETS, [[0, 1]], [[0, 1]], r"\(n, labels\)"),
        (SETS, [[0, 1, np.nan]], [[0, 1, 0]], "Row 0.*nan.*0 or 1"),
        (SETS, [[0, 1, 0]], [[0, 0.5, 0]], "Row 0.*0.5.*0 or 1"),
        (VALUES, [1.0, np.nan], [1.0, 2.0], "Row 1.*nan.*finite"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(task, gold, predicted, message):
    with pytest.raises(DataError, match=message):
        score(task, gold, predicted)


@pytest.mark.parametrize("lengths", [None, np.array([1, 1])])
def test_sentences_need_lengths_that_fit(lengths):
    with pytest.raises(DataError, match=r"sum to 3; given were (none|lengths that sum to 2)"):
        score(SPANS, [0, 0, 0], [0, 0, 0], lengths)
