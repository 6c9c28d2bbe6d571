"""A corpus in memory is a tuple of items that also answers what a corpus on disk does."""

from understudy.core.corpus import Items, as_corpus


def test_items_are_a_tuple():
    items = Items(["a", "b", "a"])
    assert items == ("a", "b", "a")
    assert list(items) == list(items) == ["a", "b", "a"]
    assert items.rows == len(items) == 3


def test_items_in_memory_name_no_file():
    items = Items(["a"])
    assert not items.is_on_disk
    assert items.facts == {}
    assert items.names == ()


def test_the_fingerprint_differs_for_other_items_and_another_order():
    assert Items(["a", "b"]).fingerprint == ["a", "b"]
    assert Items(["b", "a"]).fingerprint != Items(["a", "b"]).fingerprint


def test_a_corpus_stays_itself_and_items_become_one():
    class OnDisk:
        is_on_disk = True

    corpus = OnDisk()
    assert as_corpus(corpus) is corpus
    made = as_corpus(text for text in ("a", "b"))
    assert isinstance(made, Items)
    assert made == ("a", "b")
