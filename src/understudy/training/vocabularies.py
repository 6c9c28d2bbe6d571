"""The vocabulary of a student: words or pieces of its texts or its teacher's, n-grams, and parts of words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from understudy.core.configs import TrainingConfig
from understudy.core.items import parts
from understudy.core.task import Item, Task
from understudy.errors import RecipeError
from understudy.students import spec
from understudy.students.registry import parse
from understudy.tokenization.characters import PartTable, frequent_parts
from understudy.tokenization.encoding import input_mode_of
from understudy.tokenization.ngrams import NgramVocabulary, Vocabulary, build_ngrams
from understudy.tokenization.wordpiece import BaseVocabulary, train_wordpiece
from understudy.tokenization.words import WordVocabulary, build_vocabulary
from understudy.training.embeddings.known import KnownWords


def vocabulary_for(
    name: str,
    sizes: Mapping[str, object],
    config: TrainingConfig,
    task: Task,
    *,
    items: Iterable[Item],
    teacher: Vocabulary | None = None,
    known: KnownWords | None = None,
) -> Vocabulary:
    """The vocabulary that a config asks for, with n-grams and parts of words where the student has such.

    Args:
        name: Name of the student.
        sizes: Sizes that are not in its name.
        config: How it is trained.
        task: Whether it reads pairs.
        items: Whose words are counted.
        teacher: The teacher's own vocabulary, where the config asks for it; n-grams and parts of words are
            always those of the items.
        known: Words that the teacher has vectors of: they follow those of the items while there is room.

    Raises:
        RecipeError: The teacher's vocabulary was asked for, but it has none; or parts of words, but the
            vocabulary has pieces.
    """
    student = spec(name)
    is_joint = task.texts == 2 and input_mode_of(task, config.pair or student.training.pair) == "text"
    size = config.vocabulary_size or student.training.vocabulary_size
    every = list(items) if student.has_ngrams else items

    base: BaseVocabulary
    if config.vocabulary == "teacher":
        if teacher is None:
            raise RecipeError("The vocabulary 'teacher' was asked for, but this teacher has none to give.")
        base = teacher.base if isinstance(teacher, NgramVocabulary) else teacher
    elif config.vocabulary == "wordpiece":
        base = train_wordpiece(parts(every), size, has_separator=is_joint)
    else:
        further = known.words if known is not None and student.knows_teacher else ()
        base = build_vocabulary(parts(every), size, has_separator=is_joint, further=further)

    if not student.has_ngrams:
        return base
    wanted = student.config(**{**parse(name).sizes, **sizes})
    if wanted.characters and not isinstance(base, WordVocabulary):
        raise RecipeError(characters_refusal(name, config.vocabulary))
    made = build_ngrams(base.masked(), parts(every), longest=wanted.longest, most=wanted.ngrams)
    if not wanted.characters:
        return made
    return made.with_parts(PartTable(len(made), frequent_parts(parts(every), wanted.parts)))


def characters_refusal(name: str, vocabulary: str) -> str:
    """Why parts of words cannot be read beside a vocabulary of pieces.

    Args:
        name: Name of the student.
        vocabulary: `TrainingConfig.vocabulary` that gave pieces.
    """
    return (
        f"{name}: characters=true reads parts of words, but the vocabulary {vocabulary!r} has pieces. "
        "Use the vocabulary 'words', or leave characters out."
    )
