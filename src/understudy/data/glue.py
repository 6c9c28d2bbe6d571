"""The tasks of GLUE (Wang et al. 2018), by name.

Their test labels are withheld, so results are reported on dev, which is the test split here; dev is split off
train. `rte`, `mrpc`, `wnli` and `stsb` have the metric of their kind of task. Names that begin with ``glue-``
have GLUE's own splits and metrics: accuracy, Matthews correlation (CoLA), the mean of accuracy and F1 (MRPC,
QQP), or the mean of both correlations (STS-B). Files lie as GLUE's archive has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from understudy.data.catalogue_entry import CatalogueEntry, FileLayout

_PAIR = ("sentence1", "sentence2")
_NOTE = "Results on this set are reported on its dev set: it is the test split here; dev is split off train."

_SAME = {"0": "not_equivalent", "1": "equivalent"}
_ENTAILS = {name: name for name in ("entailment", "not_entailment")}
_RELATIONS = {name: name for name in ("entailment", "neutral", "contradiction")}


def _set(
    about: str,
    name: str,
    labels: Mapping[str, str],
    *,
    hub: str = "",
    columns: tuple[str, ...] = (),
    text: str | tuple[str, str] = _PAIR,
    label: str = "label",
    dev: tuple[str, str] = ("dev.tsv", "validation"),
    hub_text: str | tuple[str, str] | None = None,
    kind: str = "pair",
    metric: str = "accuracy",
) -> CatalogueEntry:
    """A task that is reported on its dev set.

    Args:
        about: One line on what it is.
        name: GLUE's name of its folder.
        labels: Raw label → name.
        hub: Its config on the hub, where that is not the name of the folder.
        columns: Names of the columns, where files do not name them as below.
        text: The text column of its files, or the two of a pair.
        label: The label column of its files.
        dev: The file of its dev set, and that split's name on the hub.
        hub_text: The text columns on the hub, where they have other names.
        kind: Kind of task.
        metric: Metric of the task.
    """
    file, split = dev
    layout = FileLayout(
        {"train": "train.tsv", "test": file}, columns, header=name != "CoLA", text=text, label=label
    )
    return CatalogueEntry(
        about=f"{about}; its dev set is the test split",
        hub=f"nyu-mll/glue:{hub or name.lower()}",
        labels=labels,
        layout=layout,
        folder=f"glue/{name}",
        text=hub_text or text,
        hub_splits={"train": "train", "test": split},
        kind=kind,
        metric=metric,
        note=_NOTE,
    )


_RTE = _set("whether one text entails another, 2 labels", "RTE", _ENTAILS, columns=("index", *_PAIR, "label"))
_MRPC = _set(
    "whether two sentences say the same, 2 labels", "MRPC", _SAME, columns=("label", "id1", "id2", *_PAIR)
)
_WNLI = _set(
    "whether a sentence holds whose pronoun was resolved, 2 labels",
    "WNLI",
    {"0": "not_entailment", "1": "entailment"},
    columns=("index", *_PAIR, "label"),
)
_STSB = _set(
    "similarity of two sentences, 0 to 5",
    "STS-B",
    {},
    hub="stsb",
    columns=("index", "genre", "file", "year", "old_index", "source1", "source2", *_PAIR, "score"),
    label="score",
    kind="regression",
    metric="pearson",
)


def _mnli(genres: str) -> CatalogueEntry:
    """MNLI, reported on one of its two dev sets: of ``matched`` or of ``mismatched`` genres."""
    return _set(
        f"whether a text entails, contradicts or leaves open another, 3 labels; {genres} genres",
        "MNLI",
        _RELATIONS,
        label="gold_label",
        dev=(f"dev_{genres}.tsv", f"validation_{genres}"),
        hub_text=("premise", "hypothesis"),
    )


GLUE: Mapping[str, CatalogueEntry] = {
    "rte": _RTE,
    "mrpc": _MRPC,
    "wnli": _WNLI,
    "stsb": _STSB,
    "glue-cola": _set(
        "grammatical acceptability of sentences, 2 labels, in GLUE's splits",
        "CoLA",
        {"0": "unacceptable", "1": "acceptable"},
        columns=("source", "label", "mark", "text"),
        text="text",
        hub_text="sentence",
        kind="classification",
        metric="mcc",
    ),
    "glue-sst2": _set(
        "sentiment of phrases and sentences from film reviews, 2 labels, in GLUE's splits",
        "SST-2",
        {"0": "negative", "1": "positive"},
        hub="sst2",
        text="sentence",
        kind="classification",
    ),
    "glue-mrpc": replace(_MRPC, metric="accuracy_f1"),
    "glue-stsb": replace(_STSB, metric="pearson_spearman"),
    "glue-qqp": _set(
        "whether two questions ask the same, 2 labels",
        "QQP",
        {"0": "not_duplicate", "1": "duplicate"},
        text=("question1", "question2"),
        label="is_duplicate",
        metric="accuracy_f1",
    ),
    "glue-mnli": _mnli("matched"),
    "glue-mnli-mm": _mnli("mismatched"),
    "glue-qnli": _set(
        "whether a sentence answers a question, 2 labels",
        "QNLI",
        _ENTAILS,
        text=("question", "sentence"),
    ),
    "glue-rte": _RTE,
    "glue-wnli": _WNLI,
}
"""Name → entry."""
