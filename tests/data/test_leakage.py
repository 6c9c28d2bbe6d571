import pytest

from understudy.data.labels import Labelled
from understudy.data.leakage import conflict_note, drop_known, drop_leaks, normalise, normalise_pair
from understudy.errors import DataError


def split(*texts):
    return Labelled(list(texts), ["x"] * len(texts))


def test_texts_are_compared_folded():
    assert normalise(" Groß\u00a0 ARTIG\n") == "gross artig"


def test_held_out_texts_leave_train_and_test_texts_leave_dev():
    kept, dropped = drop_leaks(
        {
            "train": split("a", "A ", "b", "c", "c", "d"),
            "dev": split("B", "e", "f", "a"),
            "test": split("a", "F", "g"),
        }
    )
    assert kept["train"].texts == ["c", "c", "d"]
    assert kept["dev"].texts == ["B", "e"]
    assert kept["test"].texts == ["a", "F", "g"]
    assert dropped == {
        "train texts also in test": 2,
        "train texts also in dev": 1,
        "dev texts also in test": 2,
    }


def test_nothing_to_drop_is_nothing_dropped():
    splits = {"train": split("a"), "test": split("b")}
    assert drop_leaks(splits) == (splits, {})


@pytest.mark.parametrize("judge", ["dev", "test"])
def test_a_split_that_is_all_leak_is_refused(judge):
    with pytest.raises(DataError, match=f"Every train text is also in {judge}"):
        drop_leaks({"train": split("a"), judge: split("A")})


def test_a_pool_loses_held_out_texts_folded_and_train_texts_exactly():
    texts, dropped = drop_known(["New", "a", "A", "held  OUT", "z"], ["a"], ["Held out"])
    assert texts == ("New", "A", "z")
    assert dropped == {"unlabelled texts also in dev or test": 1, "unlabelled texts also in train": 1}
    assert drop_known(["z"], ["a"], ["b"]) == (("z",), {})


def test_conflicting_labels_are_said():
    data = Labelled(["Fine", "fine ", "bad", "bad", "So so", "so so"], ["x", "y", "x", "x", "y", "z"])
    assert conflict_note("train", data) == (
        "2 train texts with conflicting labels, all kept; for example 'Fine' as 'x', 'y'."
    )
    assert conflict_note("dev", data.pick([0, 1, 2])).startswith("1 dev text with")
    assert conflict_note("dev", data.pick([0, 2, 3])) is None


def test_sentences_are_compared_by_their_letters_and_pairs_in_either_order():
    assert normalise(("Do", "N't", "go")) == normalise(("don't", "GO")) == "don'tgo"
    assert normalise_pair(("A ", "b")) == normalise_pair(("B", "a"))
    assert normalise_pair(("a", "b")) != normalise_pair(("a", "c"))
    assert normalise_pair(("a b", "c")) != normalise_pair(("a", "b c"))
    data = {"train": Labelled([("a", "b"), ("b", "a")], ["x", "y"]), "test": Labelled([("B", "A")], ["x"])}
    assert drop_leaks(data)[0]["train"].texts == [("a", "b")]
    with pytest.raises(DataError, match="Every train text"):
        drop_leaks(data, normalise_pair)
    assert drop_known([("b", "a"), ("a", "c")], [("a", "c")], [("a", "b")], normalise_pair) == (
        (), {"unlabelled texts also in dev or test": 1, "unlabelled texts also in train": 1},
    )  # fmt: skip


def test_conflicts_of_tags_and_values():
    tagged = Labelled([("In", "Rome", "now"), ("in", "rome", "now")], [("O", "B", "O"), ("O", "O", "O")])
    assert conflict_note("dev", tagged).endswith("for example 'In Rome now' as 'O B O', 'O O O'.")
    assert conflict_note("dev", Labelled(["a", "a"], [1.0, 2.0])) is None
