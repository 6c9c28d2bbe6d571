"""How a student's word table starts: random, from a file of vectors, or from its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from understudy.core.configs import VECTORS_OF_TEACHER
from understudy.core.task import FloatArray, IntArray
from understudy.data.readers.vectors import BoolArray, Vectors, read_vectors
from understudy.errors import DataError, TeacherError
from understudy.students import Network
from understudy.students.layers.word_table import sif_weights
from understudy.tokenization.wordpiece import BaseVocabulary
from understudy.tokenization.words import PAD_ID
from understudy.training.embeddings.known import KnownWords
from understudy.training.embeddings.teacher import input_vectors, output_vectors
from understudy.training.embeddings.vocabulary import entries, whole_words

STATIC = VECTORS_OF_TEACHER[1]

LOUDER = 3.0
"""How much larger a weighed bag's vectors begin than its random ones: what they say is not noise.

Chosen on dev of intents among 1, 3 and 10."""


@dataclass(frozen=True)
class WarmStart:
    """A word table to begin with, and what it came from.

    Attributes:
        source: ``teacher``, ``teacher-static``, or the name of a file.
        table: ``(v, d)`` float32; the padding's row is zero.
        is_found: ``(v,)``: whether a row is from the source; the others are the student's own random ones.
        words_covered: Share of the vocabulary with a vector, padding left out.
        tokens_covered: Share of the tokens of the transfer set with a vector.
        width: Width of the source's vectors.
        variance_kept: Share of their variance that is left after fitting them to the student's width.
    """

    source: str
    table: FloatArray
    is_found: BoolArray
    words_covered: float
    tokens_covered: float
    width: int
    variance_kept: float

    def facts(self) -> dict[str, Any]:
        """All but the arrays, JSON-ready."""
        return {
            "source": self.source,
            "words_covered": self.words_covered,
            "tokens_covered": self.tokens_covered,
            "width": self.width,
            "variance_kept": self.variance_kept,
        }


def warm_start(
    source: str | Path,
    module: Network,
    vocabulary: BaseVocabulary,
    ids: IntArray,
    teacher: Any = None,
    *,
    known: KnownWords | None = None,
) -> WarmStart:
    """A start for a student that was just built; the student is left as it is.

    Vectors wider than the student's are brought to its width by principal components, narrower ones are
    filled up with zeros. ``teacher-static`` is the recipe of model2vec (Tulkens and van Dongen 2024): each
    entry once through the teacher, principal components at any width, then each row times
    ``a / (a + p)``, smooth inverse frequency; but ``p`` is the entry's share of the transfer set, where
    model2vec, which has no texts, takes Zipf's law for it. A student that weighs its words by itself takes
    the components as they are. At last all rows are scaled by one number, so that
    the root mean square of their entries is that of the student's random ones: learning rates and dropout are
    tuned to these.

    Args:
        source: ``teacher``, ``teacher-static``, or the path of a file of vectors.
        module: The student, with random weights.
        vocabulary: The student's.
        ids: ``(sum of lengths,)``, the transfer set's texts end to end.
        teacher: A fine-tuned or bare transformer with ``module`` and ``tokenizer``.
        known: Vectors of words that the teacher has made already, for ``teacher-static``.

    Raises:
        RecipeError: The student's words have no vectors.
        DataError: The file cannot be read, or knows none of the words; or all vectors are zero or alike.
        TeacherError: There is no teacher, or none that has vectors of words.
    """
    word_table = module.encoder.word_table()
    own = word_table.vectors.numpy()[: len(vocabulary)]
    is_made = known is not None and str(source) == STATIC and vocabulary.kind == "words"
    if known is not None and is_made:
        vectors = known.vectors(entries(vocabulary))
    else:
        vectors = _without_padding(_vectors(str(source), vocabulary, teacher))
    counts = _counts(ids, len(vocabulary))
    is_static = str(source) == STATIC
    is_seen = counts > 0 if word_table.is_weighed else None
    fitted, kept = fit_width(vectors, own.shape[1], is_centred=is_static, is_seen=is_seen)
    if is_static and not word_table.is_weighed:
        fitted *= sif_weights(counts)[:, None]
    fitted = _scaled(fitted, vectors.is_found, own) * (LOUDER if word_table.is_weighed else 1.0)
    table = np.where(vectors.is_found[:, None], fitted, own)
    table[PAD_ID] = 0.0

    return WarmStart(
        source=str(source) if str(source) in VECTORS_OF_TEACHER else Path(source).name,
        table=table.astype(np.float32),
        is_found=vectors.is_found,
        words_covered=float(vectors.is_found[PAD_ID + 1 :].mean()),
        tokens_covered=float(counts[vectors.is_found].sum() / max(counts.sum(), 1)),
        width=vectors.rows.shape[1],
        variance_kept=kept,
    )


def apply(module: Network, start: WarmStart, *, is_frozen: bool = False) -> None:
    """Put a start into a student, in place.

    Args:
        module: The student.
        start: Vectors of the module's width and vocabulary.
        is_frozen: Whether training leaves the whole table as it is, rows without a vector included.

    Raises:
        RecipeError: The student's words have no vectors, others, or some that cannot be frozen.
    """
    table = module.encoder.word_table()
    if is_frozen:
        table.freeze()
    table.fill(start.table)


def fit_width(
    vectors: Vectors, width: int, *, is_centred: bool = False, is_seen: BoolArray | None = None
) -> tuple[FloatArray, float]:
    """Rows ``(v, w)`` as ``(v, width)``, and the share of their variance that is left.

    Args:
        vectors: The rows that are found; the others stay zero.
        width: d, the width of the result. Wider rows are projected on their d principal components, narrower
            ones are filled up with zeros.
        is_centred: Whether rows that are not wider take their principal components, too.
        is_seen: Rows that decide what the components are; by default all.

    Raises:
        DataError: There are no components, since all rows are alike.
    """
    from sklearn.decomposition import PCA

    rows, kept = vectors.rows[vectors.is_found], 1.0
    decisive = rows if is_seen is None else vectors.rows[vectors.is_found & is_seen]
    components = min(width, *decisive.shape)
    if is_centred or rows.shape[1] > width:
        _check(np.ptp(rows, axis=0).any())
        model = PCA(components, svd_solver="covariance_eigh")
        rows = model.fit(decisive.astype(np.float64)).transform(rows.astype(np.float64))
        kept = float(model.explained_variance_ratio_.sum())
    fitted = np.zeros((len(vectors.rows), width), dtype=np.float32)
    columns = min(width, rows.shape[1])
    fitted[vectors.is_found, :columns] = rows[:, :columns]
    return fitted, kept


def _vectors(source: str, vocabulary: BaseVocabulary, teacher: Any) -> Vectors:
    if source not in VECTORS_OF_TEACHER:
        if not Path(source).is_file():
            names = " or ".join(map(repr, VECTORS_OF_TEACHER))
            raise DataError(f"There is no file {source!r} of word vectors. Give one, or {names}.")
        return read_vectors(Path(source), whole_words(vocabulary))
    if teacher is None:
        raise TeacherError(
            f"Word vectors of the teacher were asked for ({source!r}), but there is none here."
        )
    vectors = output_vectors if source == STATIC else input_vectors
    return vectors(teacher, vocabulary)


def _counts(ids: IntArray, size: int) -> IntArray:
    """How often each id stands there ``(size,)``; mapped ids are read a part at a time."""
    counts = np.zeros(size, dtype=np.int64)
    for start in range(0, len(ids), 2**22):
        counts += np.bincount(ids[start : start + 2**22], minlength=size)
    return counts


def _without_padding(vectors: Vectors) -> Vectors:
    is_found = vectors.is_found.copy()
    is_found[PAD_ID] = False
    return Vectors(vectors.rows, is_found)


def _scaled(rows: FloatArray, is_found: BoolArray, own: FloatArray) -> FloatArray:
    """Rows times one number, so that the found ones have the root mean square of the student's own."""
    spread = float(np.sqrt(np.mean(rows[is_found].astype(np.float64) ** 2))) if is_found.any() else 0.0
    _check(spread > 0.0)
    wanted = float(np.sqrt(np.mean(own[PAD_ID + 1 :].astype(np.float64) ** 2)))
    return np.asarray(rows * (wanted / spread), dtype=np.float32)


def _check(is_something: bool | np.bool_) -> None:
    if not is_something:
        raise DataError("The word vectors to start from are all zero, or all alike: nothing is in them.")
