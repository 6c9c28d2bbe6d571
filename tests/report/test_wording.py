import pytest

from understudy.report.wording import labels_of, wording

from .sample import TASKS, document, make_report_of, row_with


def of(kind):
    return wording(document(make_report_of(kind)).task)


@pytest.mark.parametrize(
    ("kind", "item", "row", "labels", "gist"),
    [
        ("classification", "text", "text", "labels", "classification with 10 labels"),
        ("pair", "pair", "pair", "labels", "classification of pairs with 2 labels"),
        ("multilabel", "text", "text", "labels", "multilabel classification with 4 labels"),
        ("regression", "pair", "pair", "labels", "regression from 0 to 5"),
        ("bins", "text", "text", "labels", "regression from 0 to 2 in 5 bins"),
        ("tagging", "sentence", "word", "kinds of span", "tagging with 3 kinds of span"),
        ("words", "sentence", "word", "tags", "tagging with 3 tags"),
    ],
)
def test_every_kind_has_its_words(kind, item, row, labels, gist):
    words = of(kind)
    assert (words.item, words.row, words.labels, words.gist) == (item, row, labels, gist)
    assert (words.items, words.rows) == (f"{item}s", f"{row}s")


def test_every_kind_has_the_parts_it_can_have():
    parts = {kind: (of(kind).has_labels, of(kind).has_confusion, of(kind).has_confidence) for kind in TASKS}
    assert parts == {
        "classification": (True, True, True),
        "pair": (True, True, True),
        "multilabel": (True, False, True),
        "regression": (False, False, False),
        "bins": (False, False, True),
        "tagging": (True, True, True),
        "words": (True, True, True),
    }


def test_agreement_and_balance_are_explained_by_kind():
    assert "share of test words" in of("tagging").agreement
    assert "same set of labels" in of("multilabel").agreement
    assert "Pearson correlation" in of("regression").agreement
    assert [of(k).balance for k in ("pair", "words", "bins")] == [
        "Pairs by label", "Words by tag", "Texts by range of values"
    ]  # fmt: skip


def test_labels_come_from_the_rows():
    f1 = [None, {"a": 1.0, "b": 1.0}, {"c": 1.0, "a": 0.0}]
    assert labels_of([row_with(per_label_f1=each) for each in f1]) == ["a", "b", "c"]
