"""GLUE's tasks: its own splits and metrics, from files as its archive has them and from the hub."""

import datasets
import pytest

from understudy.data import load_dataset
from understudy.data.catalogue import CATALOGUE, SHARED
from understudy.data.glue import GLUE

HEADS = {
    "SST-2": "sentence\tlabel",
    "QQP": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
    "QNLI": "index\tquestion\tsentence\tlabel",
}
RELATIONS = ("entailment", "neutral", "contradiction")


def rows(name, count):
    """Lines of a file of this task, labels in turn."""
    if name == "SST-2":
        return [f"sentence {n} of {count}\t{n % 2}" for n in range(count)]
    if name == "CoLA":
        return [f"gj04\t{n % 2}\t*\tSentence {n} of {count}." for n in range(count)]
    if name == "QQP":
        return [f'{n}\t1\t2\tWhat is {n} of {count}?\tWhich "one is {n}?\t{n % 2}' for n in range(count)]
    labels = ("entailment", "not_entailment")
    return [f"{n}\tWhat is {n} of {count}?\tIt is {n}.\t{labels[n % 2]}" for n in range(count)]


def write(folder, files):
    folder.mkdir(parents=True)
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "folder", "labels", "metric"),
    [
        ("glue-sst2", "SST-2", ("negative", "positive"), "accuracy"),
        ("glue-cola", "CoLA", ("unacceptable", "acceptable"), "mcc"),
        ("glue-qqp", "QQP", ("not_duplicate", "duplicate"), "accuracy_f1"),
        ("glue-qnli", "QNLI", ("entailment", "not_entailment"), "accuracy"),
    ],
)
def test_files_are_read_as_the_archive_has_them(tmp_path, monkeypatch, name, folder, labels, metric):
    head = [HEADS[folder]] if folder in HEADS else []
    write(
        tmp_path / "glue" / folder,
        {"train.tsv": [*head, *rows(folder, 40)], "dev.tsv": [*head, *rows(folder, 6)]},
    )
    monkeypatch.setenv(SHARED, str(tmp_path))
    data = load_dataset(name)
    assert (len(data.train) + len(data.dev), len(data.test)) == (40, 6)
    assert (data.task.labels, data.task.metric) == (labels, metric)
    assert data.task.texts == (1 if CATALOGUE[name].kind == "classification" else 2)
    assert "it is the test split here" in " ".join(data.notes)


def test_mnli_has_two_dev_sets_whose_files_have_more_columns_than_train(tmp_path, monkeypatch):
    train = ["index\tsentence1\tsentence2\tlabel1\tgold_label"]
    train += [f"{n}\tText {n}.\tClaim {n}.\t-\t{RELATIONS[n % 3]}" for n in range(60)]
    devs = {}
    for kind in ("matched", "mismatched"):
        head = "index\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label"
        devs[f"dev_{kind}.tsv"] = [
            head, *(f"{n}\tA {kind} text {n}.\tClaim.\t-\t-\t{RELATIONS[n % 3]}" for n in range(9))
        ]  # fmt: skip
    write(tmp_path / "glue" / "MNLI", {"train.tsv": train, **devs})
    monkeypatch.setenv(SHARED, str(tmp_path))
    matched, mismatched = load_dataset("glue-mnli"), load_dataset("glue-mnli-mm")
    assert matched.task.labels == RELATIONS
    assert matched.train.texts == mismatched.train.texts
    assert matched.test.texts[0] == ("A matched text 0.", "Claim.")
    assert mismatched.test.texts[0] == ("A mismatched text 0.", "Claim.")


def test_the_hub_has_the_same_splits(monkeypatch):
    monkeypatch.delenv(SHARED, raising=False)

    def part(kind):
        return datasets.Dataset.from_dict(
            {
                "premise": [f"{kind} text {n}" for n in range(30)],
                "hypothesis": ["claim"] * 30,
                "label": [n % 3 for n in range(30)],
            },
            features=datasets.Features(
                premise=datasets.Value("string"),
                hypothesis=datasets.Value("string"),
                label=datasets.ClassLabel(names=list(RELATIONS)),
            ),
        )

    asked = []

    def fetch(path, config):
        asked.append((path, config))
        return {name: part(name) for name in ("train", "validation_matched", "validation_mismatched")}

    monkeypatch.setattr(datasets, "load_dataset", fetch)
    data = load_dataset("glue-mnli-mm")
    assert asked == [("nyu-mll/glue", "mnli")]
    assert data.test.texts[0] == ("validation_mismatched text 0", "claim")
    assert data.task.labels == RELATIONS


def test_every_task_of_glue_is_there():
    names = {name.removeprefix("glue-") for name in GLUE if name.startswith("glue-")}
    assert names == {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "mnli-mm", "qnli", "rte", "wnli"}
    metrics = {name: entry.metric for name, entry in GLUE.items() if name.startswith("glue-")}
    means = {name for name, metric in metrics.items() if metric in ("accuracy_f1", "pearson_spearman")}
    assert means == {"glue-mrpc", "glue-qqp", "glue-stsb"}
