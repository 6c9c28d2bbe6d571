"""Column names by which the role of a column is guessed."""

from __future__ import annotations

TEXT_NAMES = (
    "text", "sentence", "message", "content", "review", "utterance", "tweet", "query", "comment", "body",
    "document", "question", "post", "description", "headline", "review_text", "clean_text", "prompt", "input",
    "title", "subject", "comment_text",
)  # fmt: skip
"""Usual names of the text column, the likeliest first."""


LABEL_NAMES = (
    "label_name", "label_text", "label", "labels", "intent", "class", "category", "sentiment", "target",
    "emotion", "topic", "class_name", "tag", "coarse_label", "gold", "gold_label", "rating", "polarity", "y",
)  # fmt: skip
"""Usual names of the label column, names before numbers, the likeliest first."""


PAIR_NAMES = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text_a", "text_b"),
    ("text1", "text2"), ("sentence_a", "sentence_b"), ("sent1", "sent2"), ("question", "sentence"),
)  # fmt: skip
"""Usual names of the two text columns of a pair."""


VALUE_NAMES = (
    "score",
    "value",
    "similarity",
    "similarity_score",
    "relatedness_score",
    "rating",
    *LABEL_NAMES,
)
"""Usual names of the column of values of a regression, the likeliest first."""


OTHER_NAMES = ("id", "idx", "index", "split", "sentence1", "sentence2", "uid")
"""Further names that only a header has."""
