"""Load a data set: find it, choose columns, drop leaks, split what is missing, add unlabelled texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from understudy.core.checks import check_choice
from understudy.core.corpus import Corpus, Items
from understudy.core.task import KINDS, IntArray, Item, Task
from understudy.core.wording import plural
from understudy.data.dataset import Dataset, Split
from understudy.data.gold import bins_of, bounds_of, encode
from understudy.data.labels import Label, Labelled
from understudy.data.leakage import Normaliser, conflict_note, drop_known, drop_leaks, normaliser_for
from understudy.data.parse import Content, read_content
from understudy.data.readers.problems import listed
from understudy.data.readers.table import Table
from understudy.data.sources import DataSource, ReadOptions, find
from understudy.data.splits import check_fractions, split_rows
from understudy.data.unlabelled import ItemFiles, expand, read_pool
from understudy.errors import RecipeError, nearest


def load_dataset(
    source: str | Path,
    *,
    kind: str | None = None,
    unlabelled: Sequence[str | Path] | str | Path = (),
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    label_separator: str | None = None,
    labels: Mapping[str, str] | None = None,
    bins: float | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    dev_fraction: float = 0.1,
    test_fraction: float = 0.1,
    sample: int | None = None,
    rest: str = "drop",
    metric: str | None = None,
    seed: int = 0,
    name: str | None = None,
    stream_above: float | None = None,
) -> Dataset:
    """Read any source into one shape, with every leak removed and every guess reported in its notes.

    Args:
        source: A folder with train, dev and test files; one file; ``hub:owner/name[:config]``;
            ``bundled:concierge``; or a set of the catalogue, such as ``sst2``.
        kind: Kind of task, one of `understudy.core.task.KINDS`; ``None`` infers it (but never a regression).
        unlabelled: Paths or glob patterns of further texts without labels.
        text_column: The text column, or the two of a pair; ``None`` guesses.
        label_column: The column of labels, values or tags; in CoNLL columns its number too; ``None`` guesses.
        label_separator: What stands between the labels of a cell (multilabel); ``None`` guesses.
        labels: Raw label → name, in the order of the logits.
        bins: Width of the bins in which values are learnt, in the unit of the values (regression); ``None``
            learns the values themselves.
        delimiter: The character between columns; ``None`` guesses.
        header: Whether the first line names the columns; ``None`` guesses.
        dev_fraction: Share of train that becomes dev where there is none.
        test_fraction: Share of train that becomes test where there is none.
        sample: The most train texts to keep, drawn at random; ``None`` keeps all.
        rest: What becomes of train texts beyond the sample: ``drop``, or ``unlabelled``, which keeps them
            without their labels.
        metric: Metric of the task; ``None`` takes the source's usual one, else the kind's.
        seed: Seed of the split and of the sample.
        name: Short name of the set; ``None`` takes it from the source.
        stream_above: Rows of train and of unlabelled files together, above which unlabelled texts stay in
            their files (`ItemFiles`); ``None`` always reads them. Sentences of words are always read.

    Raises:
        DataError: the source cannot be found or used; says where and what to do.
        RecipeError: an option that cannot be honoured.
    """
    fractions = {"dev": dev_fraction, "test": test_fraction}
    check_fractions(fractions)
    _check_choices(kind, sample, rest)
    wanted = expand((unlabelled,) if isinstance(unlabelled, str | Path) else unlabelled)

    renamed = None if labels is None else {str(raw): name for raw, name in labels.items()}
    found = find(source, ReadOptions(text_column, label_column, renamed, delimiter, header, kind))
    content = read_content(found, bins, label_separator)
    train = found.tables["train"]
    parts = _divide(content, train, fractions, sample=sample, rest=rest, seed=seed)
    splits = parts.splits
    task = _make_task(content, splits["train"].labels, train.where, metric or found.metric, bins)

    paths = tuple(expand((*found.pools, *wanted)))
    files = ItemFiles(paths, _known_columns(found, content), task.texts == 2)
    further = _read_unlabelled(files, parts, task, stream_above)

    conflicts = [note for part in splits if (note := conflict_note(part, splits[part]))]
    return Dataset(
        name=name or found.name,
        task=task,
        train=_encode(splits["train"], task),
        dev=_encode(splits["dev"], task),
        test=_encode(splits["test"], task),
        unlabelled=further.items,
        notes=(
            *found.notes,
            *_guesses(found.tables),
            *content.notes,
            *parts.notes,
            *conflicts,
            *further.notes,
        ),
        dropped={**parts.dropped, **further.dropped},
        source=str(source),
    )


@dataclass(frozen=True)
class _Parts:
    """The labelled texts, divided.

    Attributes:
        splits: ``train``, ``dev`` and ``test``.
        left: Train texts beyond the sample, to be used without their labels.
        notes: Sentences on what was split and drawn.
        dropped: How many texts were left out, by reason.
    """

    splits: Mapping[str, Labelled]
    left: tuple[Item, ...]
    notes: tuple[str, ...]
    dropped: Mapping[str, int]


def _divide(
    content: Content,
    train: Table,
    fractions: Mapping[str, float],
    *,
    sample: int | None,
    rest: str,
    seed: int,
) -> _Parts:
    """Drop leaks, split off what is missing, and draw the sample, in this order.

    The sample comes last, so that dev and test are the same whatever its size.
    """
    normaliser = normaliser_for(len(content.roles.texts))
    splits, dropped = drop_leaks(content.splits, normaliser)
    splits, notes = _split_missing(splits, fractions, train, content.kind, normaliser=normaliser, seed=seed)

    every, chosen = splits["train"], _draw(len(splits["train"]), sample, seed)
    splits["train"] = every.pick(chosen.tolist())
    unchosen = np.setdiff1d(np.arange(len(every)), chosen) if rest == "unlabelled" else np.arange(0)
    return _Parts(
        splits=splits,
        left=tuple(every.pick(unchosen.tolist()).texts),
        notes=(*notes, *_sample_notes(len(chosen), len(every), rest, seed)),
        dropped=dropped,
    )


@dataclass(frozen=True)
class _Unlabelled:
    """Unlabelled items in memory, or the files in which they stay; and the notes about them."""

    items: Corpus
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)


def _read_unlabelled(files: ItemFiles, parts: _Parts, task: Task, stream_above: float | None) -> _Unlabelled:
    """Read the files, unless they are large; texts that stand in a labelled split are left out."""
    splits = parts.splits
    if not parts.left and _streams(files, task, len(splits["train"]), stream_above):
        return _Unlabelled(files)

    pool = read_pool(files.paths, files.text_columns, kind=task.kind, texts=task.texts)
    held_out = splits["dev"].texts + splits["test"].texts
    normaliser = normaliser_for(task.texts)
    items, dropped = drop_known((*parts.left, *pool.texts), splits["train"].texts, held_out, normaliser)
    return _Unlabelled(Items(items), pool.notes, dropped)


def _known_columns(found: DataSource, content: Content) -> tuple[str, ...]:
    """The text columns by name, as the user or the train file has them; none where neither names any."""
    return found.reading.texts or (content.roles.texts if found.tables["train"].header else ())


def _streams(files: ItemFiles, task: Task, labelled: int, above: float | None) -> bool:
    return above is not None and task.kind != "tagging" and labelled + files.rows > above


def _check_choices(kind: str | None, sample: int | None, rest: str) -> None:
    check_choice("use of the rest", rest, ("drop", "unlabelled"))
    if kind is not None and kind not in KINDS:
        raise RecipeError(f"Unknown kind of task {kind!r}. {nearest(kind, KINDS)}")
    if sample is not None and sample < 1:
        raise RecipeError(f"A sample has at least 1 train text, not {sample}.")


def _guesses(tables: Mapping[str, Table]) -> list[str]:
    """What was guessed in reading the files, each guess once with the files that it was made for."""
    files: dict[str, list[str]] = {}
    for table in tables.values():
        for guess in table.guesses:
            files.setdefault(guess, []).append(table.name)
    return [f"{', '.join(names)}: {guess}" for guess, names in files.items()]


def _split_missing(
    splits: Mapping[str, Labelled],
    fractions: Mapping[str, float],
    train: Table,
    kind: str,
    *,
    normaliser: Normaliser,
    seed: int,
) -> tuple[dict[str, Labelled], list[str]]:
    """Split dev and test off train where they are missing, stratified where each text has one label."""
    missing = {part: fraction for part, fraction in fractions.items() if part not in splits}
    if not missing:
        return dict(splits), []
    stratified = kind in ("classification", "pair")
    parts = split_rows(
        splits["train"], missing, seed, train.where, stratified=stratified, normaliser=normaliser
    )
    made = {part: splits["train"].pick(rows) for part, rows in parts.rows.items()}

    total = len(splits["train"])
    shares = " and ".join(
        f"{part} ({plural(len(made[part]), 'text')}, {len(made[part]) / total:.0%})"
        for part in made
        if part in missing
    )
    how = "at random, stratified by label" if stratified else "at random"
    notes = [f"Split {shares} off {train.name}: {how}, seed {seed}."]
    if parts.rare:
        notes.append(f"Labels with too few texts to be split, in train only: {listed(parts.rare)}.")
    return {**splits, **made}, notes


def _draw(texts: int, sample: int | None, seed: int) -> IntArray:
    """At most ``sample`` row numbers, drawn at random, in their order."""
    if sample is None or sample >= texts:
        return np.arange(texts)
    return np.sort(np.random.default_rng(seed).choice(texts, size=sample, replace=False))


def _sample_notes(kept: int, texts: int, rest: str, seed: int) -> list[str]:
    if kept == texts:
        return []
    others = ", the others became unlabelled texts" if rest == "unlabelled" else ""
    return [f"Kept {kept:,} of {texts:,} train texts: drawn at random, seed {seed} (data.sample){others}."]


def _make_task(
    content: Content, train: Sequence[Label], where: str, metric: str | None, bins: float | None
) -> Task:
    """The task, its bounds or bins from the values of train."""
    kind, names, bounds = content.kind, content.names, None
    if kind == "regression" and bins is not None:
        names = bins_of(train, bins, where)
    elif kind == "regression":
        bounds = bounds_of(train, where)
    return Task(names, kind, metric or "", texts=len(content.roles.texts), bounds=bounds)


def _encode(split: Labelled, task: Task) -> Split:
    return Split(tuple(split.texts), encode(split.labels, task))
