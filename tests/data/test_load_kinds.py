"""Each kind of task, from each form of file, to a data set."""

import numpy as np
import pytest
from saved_data import load_saved_dataset

from understudy.data import load_dataset, save_dataset
from understudy.errors import DataError, RecipeError

from .forms import COUNT, pairs, tagged, total, write, write_rows

# pairs


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_pairs_of_every_form_are_inferred(tmp_path, form):
    data = load_dataset(write_rows(tmp_path / f"all.{form}", pairs()))
    assert (data.task.kind, data.task.labels, data.task.texts) == ("pair", ("no", "yes"), 2)
    assert total(data) == COUNT
    assert set(data.train.texts) <= {(f"first {n}", f"second {n}") for n in range(COUNT)}
    assert data.train.labels.dtype == np.int64
    assert (
        "The task is pair: there are two text columns, 'sentence1', 'sentence2' (guessed; use --kind)."
        in (data.notes)
    )
    assert any("stratified by label" in note for note in data.notes)


def test_named_columns_make_a_pair(tmp_path):
    rows = [
        {"id": n, "a": f"one {n}", "b": f"a much longer text {n}", "c": f"three {n}", "y": "uv"[n % 2]}
        for n in range(COUNT)
    ]
    path = write_rows(tmp_path / "all.csv", rows)
    data = load_dataset(path, text_column=("a", "c"))
    assert (data.task.kind, data.train.texts[0]) == ("pair", ("one 0", "three 0"))
    assert "Read column 'y' as label (guessed; use --label-column)." in data.notes
    assert load_dataset(path, text_column="c").train.texts[0] == "three 0"
    longest = load_dataset(path, kind="pair", label_column="y")
    assert longest.train.texts[0] == ("a much longer text 0", "three 0")
    assert any(
        note.startswith("Read columns 'b' and 'c' as the two texts (guessed;") for note in longest.notes
    )


def test_a_pair_leaks_in_either_order(tmp_path):
    write_rows(tmp_path / "train.jsonl", [*pairs(), {"sentence1": "B", "sentence2": "a ", "label": "no"}])
    write_rows(tmp_path / "dev.jsonl", [{"sentence1": "a", "sentence2": "b", "label": "yes"}])
    write_rows(tmp_path / "test.jsonl", [{"sentence1": "a", "sentence2": "c", "label": "no"}])
    write(tmp_path / "unlabelled.txt", "c\tA\nfirst 1\tsecond 1\nsecond 1\tfirst 1\n")
    data = load_dataset(tmp_path)
    assert len(data.train) == COUNT
    assert data.unlabelled == (("second 1", "first 1"),)
    assert data.dropped == {
        "train texts also in dev": 1,
        "unlabelled texts also in dev or test": 1,
        "unlabelled texts also in train": 1,
    }


def test_conflicts_of_pairs_heed_their_order(tmp_path):
    for part, start in (("dev", 100), ("test", 200)):
        write_rows(tmp_path / f"{part}.jsonl", [{**pairs()[0], "sentence1": f"{part} {start}"}])
    rows = [*pairs(), {"sentence1": "second 0", "sentence2": "first 0", "label": "yes"}]
    write_rows(tmp_path / "train.jsonl", rows)
    assert not any("conflicting" in note for note in load_dataset(tmp_path).notes)
    write_rows(tmp_path / "train.jsonl", [*rows, {**rows[0], "label": "yes"}])
    assert load_dataset(tmp_path).notes[-1] == (
        "1 train text with conflicting labels, all kept; for example 'first 0 | second 0' as 'no', 'yes'."
    )


# regression


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_values_of_every_form(tmp_path, form):
    rows = [{"text": f"t {n}", "score": n / 10} for n in range(COUNT + 1)]
    path = write_rows(tmp_path / f"all.{form}", rows)
    data = load_dataset(path, kind="regression", seed=1)
    values = dict(zip(data.train.texts, data.train.labels.tolist(), strict=True))
    assert values == pytest.approx({text: float(text[2:]) / 10 for text in data.train.texts})
    assert data.task.labels == ("score",)
    assert data.task.bounds == (min(values.values()), max(values.values()))
    assert (data.task.metric, data.task.texts, data.train.labels.dtype) == ("pearson", 1, np.float32)
    assert data.notes[-1].endswith("off all." + form + ": at random, seed 1.")
    assert sum(data.label_counts()["train"].values()) == len(data.train)
    binned = load_dataset(path, kind="regression", bins=0.5, metric="spearman")
    assert binned.task.labels == ("0", "0.5", "1", "1.5", "2", "2.5", "3")
    assert binned.task.bounds is None


def test_values_of_pairs(tmp_path):
    rows = [{**row, "label": n % 7} for n, row in enumerate(pairs())]
    data = load_dataset(write_rows(tmp_path / "all.tsv", rows), kind="regression")
    assert (data.task.texts, data.task.bounds) == (2, (0.0, 6.0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("high", "line 3: 'high' is not a finite number"),
        ("", "line 3: the value is missing"),
        ("nan", "line 3: 'nan' is not a finite number"),
        ("1,5", "line 3: '1,5' is not a finite number"),
    ],
)
def test_bad_values_are_refused(tmp_path, value, message):
    path = write(tmp_path / "all.tsv", f"text\tscore\na\t1\nb\t{value}\n")
    with pytest.raises(DataError, match=rf"all\.tsv, {message}. A value in column 'score' is a number"):
        load_dataset(path, kind="regression")


def test_bad_values_of_jsonl_and_equal_ones(tmp_path):
    path = write(tmp_path / "all.jsonl", '{"text": "a", "score": true}\n{"text": "b", "score": null}\n')
    with pytest.raises(DataError, match=r"(?s)line 1: True is not a finite.*line 2: the value is missing"):
        load_dataset(path, kind="regression")
    equal = write_rows(tmp_path / "b.jsonl", [{"text": f"{n}", "score": 2.5} for n in range(9)])
    with pytest.raises(DataError, match=r"Every value of .*b\.jsonl is 2\.5"):
        load_dataset(equal, kind="regression")
    with pytest.raises(DataError, match=r"the label is a float, 2\.5 \(values need --kind regression\)"):
        load_dataset(equal, label_column="score")


# several labels


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_lists_of_labels_are_inferred(tmp_path, form):
    rows = [{"text": f"t {n}", "labels": [[], ["b"], ["a", "b"]][n % 3]} for n in range(COUNT)]
    data = load_dataset(write_rows(tmp_path / f"all.{form}", rows))
    assert (data.task.kind, data.task.labels, data.task.metric) == ("multilabel", ("a", "b"), "micro_f1")
    held = [[[0, 0], [0, 1], [1, 1]][int(text[2:]) % 3] for text in data.train.texts]
    assert data.train.labels.tolist() == held
    assert data.train.labels.dtype == np.float32
    assert data.label_counts()["train"] == {
        "a": sum(row[0] for row in held),
        "b": sum(row[1] for row in held),
    }


@pytest.mark.parametrize("separator", [",", "|", ";"])
def test_labels_in_one_cell(tmp_path, separator):
    cells = [f"3{separator}7", "7", "", f"3{separator} 3"]
    text = "".join(f"t {n}\t{cells[n % 4]}\n" for n in range(COUNT))
    path = write(tmp_path / "all.tsv", "text\tlabels\n" + text)
    data = load_dataset(path, kind="multilabel")
    assert data.task.labels == ("3", "7")
    held = {0: [1, 1], 1: [0, 1], 2: [0, 0], 3: [1, 0]}
    assert data.train.labels.tolist() == [held[int(text[2:]) % 4] for text in data.train.texts]
    said = f"Labels are separated by {separator!r} (guessed; use data.label_separator in a recipe)."
    assert (said in data.notes) == (separator != ",")
    named = load_dataset(path, kind="multilabel", label_separator=separator, labels={7: "joy", 3: "fear"})
    assert named.task.labels == ("joy", "fear")
    assert said not in named.notes


def test_label_names_beside_the_data(tmp_path):
    rows = [{"text": f"t {n}", "labels": [n % 2, 2]} for n in range(COUNT)]
    write_rows(tmp_path / "train.jsonl", rows)
    write(tmp_path / "labels.txt", "anger\njoy\nneutral\nunused\n")
    data = load_dataset(tmp_path)
    assert data.task.labels == ("anger", "joy", "neutral")
    assert data.notes[0] == "Named 4 labels by labels.txt, in its order."
    assert "Left out labels that no train text has: 'unused'." in data.notes
    assert load_dataset(tmp_path, labels={0: "a", 1: "b", 2: "c"}).task.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([1, None], "line 31: the label is missing"),
        (None, "line 31: the label is missing"),
        (["a", ""], "line 31: the label is empty"),
        ([["a"]], "line 31: the label is a list"),
    ],
)
def test_bad_lists_of_labels_are_refused(tmp_path, cell, message):
    rows = [{"text": f"t {n}", "labels": ["a", "b"]} for n in range(COUNT)]
    path = write_rows(tmp_path / "all.jsonl", [*rows, {"text": "x", "labels": cell}])
    with pytest.raises(DataError, match=rf"{message}.*holds a list of labels, or labels separated by ','"):
        load_dataset(path, kind="multilabel")


def test_an_unseen_label_of_several_is_named(tmp_path):
    write_rows(tmp_path / "train.jsonl", [{"text": f"t {n}", "labels": ["a", "b"]} for n in range(COUNT)])
    write_rows(tmp_path / "dev.jsonl", [{"text": "x", "labels": ["a", "c"]}])
    with pytest.raises(DataError, match=r"dev\.jsonl, line 1: label 'c' does not occur in"):
        load_dataset(tmp_path)
    write_rows(tmp_path / "train.jsonl", [{"text": f"t {n}", "labels": []} for n in range(COUNT)])
    (tmp_path / "dev.jsonl").unlink()
    with pytest.raises(DataError, match=r"train\.jsonl has no label\. A task needs at least two"):
        load_dataset(tmp_path, kind="multilabel")


# what all kinds share


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (pairs(), {}),
        ([{"text": f"t {n}", "score": n / 7} for n in range(COUNT)], {"kind": "regression"}),
        ([{"text": f"t {n}", "score": n / 7} for n in range(COUNT)], {"kind": "regression", "bins": 1.0}),
        ([{"text": f"t {n}", "labels": ["ab"[n % 2], "c"]} for n in range(COUNT)], {}),
        (tagged(), {}),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, rows, options):
    data = load_dataset(write_rows(tmp_path / "all.jsonl", rows), **options)
    save_dataset(data, tmp_path / "saved")
    loaded = load_saved_dataset(tmp_path / "saved")
    assert loaded.fingerprint == data.fingerprint
    assert loaded.task == data.task
    assert loaded.test.texts == data.test.texts
    assert loaded.test.labels.dtype == data.test.labels.dtype
    np.testing.assert_array_equal(loaded.test.labels, data.test.labels)


def test_a_sample_of_train_is_drawn_by_the_seed(tmp_path):
    path = write_rows(tmp_path / "all.jsonl", pairs(100))
    whole, drawn = load_dataset(path), load_dataset(path, sample=10)
    assert (len(drawn.train), len(drawn.dev), len(drawn.test)) == (10, len(whole.dev), len(whole.test))
    order = {pair: place for place, pair in enumerate(whole.train.texts)}
    places = [order[pair] for pair in drawn.train.texts]
    assert places == sorted(places)
    assert "Kept 10 of 80 train texts: drawn at random, seed 0 (data.sample)." in drawn.notes
    assert load_dataset(path, sample=10).fingerprint == drawn.fingerprint
    assert load_dataset(path, sample=10, seed=1).train.texts != drawn.train.texts
    assert load_dataset(path, sample=80).fingerprint == whole.fingerprint


def test_texts_beyond_the_sample_may_stay_without_their_labels(tmp_path):
    path = write_rows(tmp_path / "all.jsonl", pairs(100))
    drawn, kept = load_dataset(path, sample=10), load_dataset(path, sample=10, rest="unlabelled")
    assert kept.train.texts == drawn.train.texts
    assert not drawn.unlabelled
    assert len(kept.unlabelled) == 70
    assert not {*kept.unlabelled} & {*kept.train.texts, *kept.dev.texts, *kept.test.texts}
    assert any("(data.sample), the others became unlabelled texts." in note for note in kept.notes)
    assert not load_dataset(path, sample=80, rest="unlabelled").unlabelled
    with pytest.raises(RecipeError, match="'keep'"):
        load_dataset(path, sample=10, rest="keep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pairs"}, "Unknown kind of task 'pairs'. Did you mean 'pair'"),
        ({"sample": 0}, "at least 1 train text, not 0"),
        ({"bins": 0.5}, "--bins belongs to regression, but the task is pair"),
        ({"label_separator": ","}, "data.label_separator belongs to multilabel, but the task is pair"),
        ({"kind": "regression", "bins": -1.0}, r"must be more than 0, but is -1\.0"),
        ({"kind": "regression", "bins": float("nan")}, "must be more than 0, but is nan"),
        ({"kind": "regression", "labels": {0: "a"}}, "data.labels belongs to .*, but the task is regression"),
        ({"kind": "classification", "text_column": ("sentence1", "sentence2")}, "2 text columns are named"),
        ({"kind": "tagging", "text_column": ["sentence1", "sentence2"]}, "but the task is tagging"),
        ({"text_column": ["a", "b", "c"]}, "3 text columns are named"),
        (
            {"kind": "pair", "text_column": "sentence1"},
            "needs two text columns, but one is named",
        ),
        ({"metric": "pearson"}, "Unknown metric 'pearson' of a pair task"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, options, message):
    path = write_rows(tmp_path / "all.csv", pairs())
    with pytest.raises(RecipeError, match=message):
        load_dataset(path, **options)


def test_the_kind_of_a_known_set_cannot_be_chosen():
    with pytest.raises(RecipeError, match="--kind tagging cannot be chosen for 'stsb': it is regression"):
        load_dataset("stsb", kind="tagging")


def test_columns_of_a_pair_are_checked(tmp_path):
    path = write_rows(tmp_path / "all.csv", pairs())
    with pytest.raises(DataError, match="has no column 'sentense1'"):
        load_dataset(path, text_column=("sentense1", "sentence2"))
    with pytest.raises(DataError, match=r"'label' of .* cannot be both the text and the label"):
        load_dataset(path, text_column=("sentence1", "label"), label_column="label")
    with pytest.raises(DataError, match="cannot be both texts of a pair"):
        load_dataset(path, text_column=("sentence1", "sentence1"))
    with pytest.raises(DataError, match="has no column 'lable'"):
        load_dataset(path, label_column="lable")
    few = write_rows(tmp_path / "few.jsonl", [{"text": f"t {n}", "label": n % 2} for n in range(9)])
    with pytest.raises(DataError, match="has no two columns that look like texts; found 'text', 'label'"):
        load_dataset(few, kind="pair")
