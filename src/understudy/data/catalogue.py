"""Data sets known by name. A new set is one entry here."""

from __future__ import annotations

from collections.abc import Mapping

from understudy.data.catalogue_entry import CatalogueEntry, FileLayout
from understudy.data.glue import GLUE

_EMOTIONS = ("sadness", "joy", "love", "anger", "fear", "surprise")
_GO_EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief",
    "joy", "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness",
    "surprise", "neutral",
)  # fmt: skip


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
    **GLUE,
}
"""Name → entry."""


SHARED = "UNDERSTUDY_DATA"
"""Environment variable that names a folder with local copies of the sets of the catalogue."""
