"""Data sets known by name. A new set is one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FileLayout:
    """How a set's files lie on disk, exactly as its source publishes them.

    Attributes:
        files: Split (``train``, ``dev``, ``test``) → path within the set's folder.
        columns: Names of the columns, in order.
        delimiter: The character between them; quotes are taken as they stand unless ``is_quoted``.
        header: Whether the first line is skipped.
        from_right: Whether rows are cut from their end, because the first column may hold the delimiter.
        is_quoted: Whether fields are quoted, as RFC 4180 says.
        is_sentences: Whether files are CoNLL columns, or CoNLL-U where their name says so.
        rows: Split → first row and the row after its last, where it is not the whole file.
        text: The text column, or the two of a pair.
        label: The label column.
    """

    files: Mapping[str, str]
    columns: tuple[str, ...]
    delimiter: str = "\t"
    header: bool = False
    from_right: bool = False
    is_quoted: bool = False
    is_sentences: bool = False
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    text: str | tuple[str, str] = "text"
    label: str = "label"


@dataclass(frozen=True)
class CatalogueEntry:
    """A named data set.

    Attributes:
        about: One line on what it is.
        hub: Its name on the hub, ``owner/name`` or ``owner/name:config``.
        labels: Raw label → name, in the order of the logits; empty where the data has the names.
        layout: Its files on disk.
        folder: Its folder on disk; empty where that has the set's name.
        text: The text column on the hub, or the two of a pair.
        label: The label column on the hub.
        hub_splits: Our split name → the hub's, where they are not the usual ones.
        kind: Kind of task.
        metric: Metric in which results on it are reported.
        note: A sentence for the user on what is special about its splits.
    """

    about: str
    hub: str
    labels: Mapping[str, str]
    layout: FileLayout
    folder: str = ""
    text: str | tuple[str, str] = "text"
    label: str = "label"
    hub_splits: Mapping[str, str] | None = None
    kind: str = "classification"
    metric: str = "accuracy"
    note: str = ""


_PAIR = ("sentence1", "sentence2")
_ON_DEV = {"train": "train", "test": "validation"}
_ON_DEV_NOTE = (
    "Results on this set are reported on its dev set: it is the test split here; dev is split off train."
)
_EMOTIONS = ("sadness", "joy", "love", "anger", "fear", "surprise")
_GO_EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief",
    "joy", "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness",
    "surprise", "neutral",
)  # fmt: skip


def _glue(about: str, name: str, columns: tuple[str, ...], labels: Mapping[str, str]) -> CatalogueEntry:
    """A pair task of GLUE that is reported on its dev set."""
    return CatalogueEntry(
        about=f"{about}; its dev set is the test split",
        hub=f"nyu-mll/glue:{name.lower()}",
        labels=labels,
        layout=FileLayout({"train": "train.tsv", "test": "dev.tsv"}, columns, header=True, text=_PAIR),
        folder=f"glue/{name}",
        text=_PAIR,
        hub_splits=_ON_DEV,
        kind="pair",
        note=_ON_DEV_NOTE,
    )


def _tags(
    about: str, hub: str, *, layout: FileLayout, label: str, folder: str = "", metric: str = "span_f1"
) -> CatalogueEntry:
    """Sentences with a tag for each word."""
    return CatalogueEntry(
        about=about, hub=hub, labels={}, layout=layout, folder=folder, text="tokens", label=label,
        kind="tagging", metric=metric,
    )  # fmt: skip


CATALOGUE: Mapping[str, CatalogueEntry] = {
    "sst2": CatalogueEntry(
        about="sentiment of sentences from film reviews, 2 labels",
        hub="SetFit/sst2",
        labels={"0": "negative", "1": "positive"},
        layout=FileLayout({"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}, ("text", "label")),
    ),
    "emotion": CatalogueEntry(
        about="emotion of short messages, 6 labels",
        hub="dair-ai/emotion:split",
        labels={name: name for name in _EMOTIONS},
        layout=FileLayout(
            {"train": "train.txt", "dev": "val.txt", "test": "test.txt"},
            ("text", "label"),
            delimiter=";",
            header=True,
            from_right=True,
        ),
    ),
    "hwu64": CatalogueEntry(
        about="intents of requests to a home assistant, 64 labels",
        hub="FastFit/hwu_64",
        labels={},
        layout=FileLayout(
            {"train": "train.csv", "dev": "dev.csv", "test": "test.csv"},
            ("text", "label"),
            delimiter=",",
            header=True,
            is_quoted=True,
        ),
    ),
    "cola": CatalogueEntry(
        about="grammatical acceptability of sentences, 2 labels; out-of-domain dev is the test split on disk",
        hub="nyu-mll/glue:cola",
        labels={"0": "unacceptable", "1": "acceptable"},
        layout=FileLayout(
            {"train": "in_domain_train.tsv", "dev": "in_domain_dev.tsv", "test": "out_of_domain_dev.tsv"},
            ("source", "label", "mark", "text"),
        ),
        text="sentence",
        metric="mcc",
    ),
    "emot": CatalogueEntry(
        about="emotion of Indonesian messages, 5 labels",
        hub="indonlp/indonlu:emot",
        labels={name: name for name in ("sadness", "anger", "love", "fear", "happy")},
        layout=FileLayout(
            {"train": "train_preprocess.csv", "dev": "valid_preprocess.csv", "test": "test_preprocess.csv"},
            ("label", "tweet"),
            delimiter=",",
            header=True,
            is_quoted=True,
            text="tweet",
        ),
        folder="indonlu/emot_emotion-twitter",
        text="tweet",
        metric="macro_f1",
    ),
    "goemotions": CatalogueEntry(
        about="emotions of comments, 28 labels of which several may hold",
        hub="google-research-datasets/go_emotions:simplified",
        labels={str(number): name for number, name in enumerate(_GO_EMOTIONS)},
        layout=FileLayout(
            {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"},
            ("text", "labels", "id"),
            label="labels",
        ),
        label="labels",
        kind="multilabel",
        metric="macro_f1",
    ),
    "rte": _glue(
        "whether one text entails another, 2 labels",
        "RTE",
        ("index", *_PAIR, "label"),
        {"entailment": "entailment", "not_entailment": "not_entailment"},
    ),
    "mrpc": _glue(
        "whether two sentences say the same, 2 labels",
        "MRPC",
        ("label", "id1", "id2", *_PAIR),
        {"0": "not_equivalent", "1": "equivalent"},
    ),
    "wnli": _glue(
        "whether a sentence holds whose pronoun was resolved, 2 labels",
        "WNLI",
        ("index", *_PAIR, "label"),
        {"0": "not_entailment", "1": "entailment"},
    ),
    "stsb": CatalogueEntry(
        about="similarity of two sentences, 0 to 5; its dev set is the test split",
        hub="nyu-mll/glue:stsb",
        labels={},
        layout=FileLayout(
            {"train": "train.tsv", "test": "dev.tsv"},
            ("index", "genre", "file", "year", "old_index", "source1", "source2", *_PAIR, "score"),
            header=True,
            text=_PAIR,
            label="score",
        ),
        folder="glue/STS-B",
        text=_PAIR,
        hub_splits=_ON_DEV,
        kind="regression",
        metric="pearson",
        note=_ON_DEV_NOTE,
    ),
    "nergrit": _tags(
        "named entities in Indonesian sentences, 3 types",
        "indonlp/indonlu:nergrit",
        folder="indonlu/nergrit_ner-grit",
        layout=FileLayout(
            {"train": "train_preprocess.txt", "dev": "valid_preprocess.txt", "test": "test_preprocess.txt"},
            ("words", "tags"),
            is_sentences=True,
            text="words",
            label="tags",
        ),
        label="ner_tags",
    ),
    "terma": _tags(
        "aspects and opinions in Indonesian hotel reviews, 2 types; dev is sentences 3000 to 3999 of train",
        "indonlp/indonlu:terma",
        layout=FileLayout(
            {"train": "train.txt", "dev": "train.txt", "test": "test.txt"},
            ("words", "tags"),
            is_sentences=True,
            rows={"train": (0, 3000), "dev": (3000, 4000)},
            text="words",
            label="tags",
        ),
        label="seq_label",
    ),
    "ud-ewt": _tags(
        "parts of speech in English web texts, 17 tags",
        "universal-dependencies/universal_dependencies:en_ewt",
        folder="ud_english_ewt",
        layout=FileLayout(
            {"train": "train.conllu.gz", "dev": "dev.conllu.gz", "test": "test.conllu.gz"},
            ("form", "upos"),
            is_sentences=True,
            text="form",
            label="upos",
        ),
        label="upos",
        metric="accuracy",
    ),
}
"""Name → entry."""


SHARED = "UNDERSTUDY_DATA"
"""Environment variable that names a folder with local copies of the sets of the catalogue."""
