"""Load a data set: find it, choose columns, drop leaks, split what is missing, add unlabelled texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from understudy.core.checks import check_choice
from understudy.core.corpus import Corpus, Items
from understudy.core.task import KINDS, IntArray, Task
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
    """Read any source into one shape, with every leak removed and every guess said in its notes.

    Args:
        source: a folder with train, dev and test files; one file; ``hub:owner/name[:config]``;
            ``bundled:concierge``; or a set of the catalogue, such as ``sst2``.
        kind: kind of task, one of `understudy.core.task.KINDS`; ``None`` infers it (but never a regression).
        unlabelled: paths or glob patterns of further texts without labels.
        text_column: the text column, or the two of a pair; ``None`` guesses.
        label_column: the column of labels, values or tags; in CoNLL columns its number too; ``None`` guesses.
        label_separator: multilabel: what stands between the labels of a cell; ``None`` guesses.
        labels: raw label → name, in the order of the logits.
        bins: regression: width of the bins in which values are learnt, in the unit of the values; ``None``
            learns the values themselves.
        delimiter: the character between columns; ``None`` guesses.
        header: whether the first line names the columns; ``None`` guesses.
        dev_fraction: share of train that becomes dev where there is none.
        test_fraction: share of train that becomes test where there is none.
        sample: keep at most so many train texts, drawn at random; ``None`` keeps all.
        rest: what becomes of train texts beyond the sample: ``drop``, or ``unlabelled``, which keeps them
            without their labels.
        metric: metric of the task; ``None`` takes the source's usual one, else the kind's.
        seed: of the split and the sample.
        name: short name of the set; ``None`` takes it from the source.
        stream_above: rows of train and of unlabelled files together, above which unlabelled texts stay in
            their files (`ItemFiles`); ``None`` always reads them. Sentences of words are always read.

    Raises:
        DataError: the source cannot be found or used; says where and what to do.
        RecipeError: an option that cannot be honoured.
    """
    fractions = {"dev": dev_fraction, "test": test_fraction}
    check_fractions(fractions)
    _check_choices(kind, sample, rest)
    mapping = None if labels is None else {str(raw): name for raw, name in labels.items()}
    found = find(source, ReadOptions(text_column, label_column, mapping, delimiter, header, kind))
    train = found.tables["train"]
    content = read_content(found, bins, label_separator)
    normaliser = normaliser_for(len(content.roles.texts))
    splits, dropped = drop_leaks(content.splits, normaliser)
    splits, split_notes = _split_missing(
        splits, fractions, train, content.kind, normaliser=normaliser, seed=seed
    )
    every, chosen = splits["train"], _draw(len(splits["train"]), sample, seed)
    splits["train"] = every.pick(chosen.tolist())
    unchosen = np.setdiff1d(np.arange(len(every)), chosen) if rest == "unlabelled" else np.arange(0)
    left = every.pick(unchosen.tolist()).texts
    task = _make_task(content, splits["train"].labels, train.where, metric or found.metric, bins)
    wanted = (unlabelled,) if isinstance(unlabelled, str | Path) else tuple(unlabelled)
    columns, paths = _known_columns(found, content), expand((*found.pools, *wanted))
    files = ItemFiles(tuple(paths), columns, task.texts == 2)
    further: Corpus = files
    also_dropped: dict[str, int] = {}
    pool_notes: tuple[str, ...] = ()
    if left or not _streams(files, task, len(splits["train"]), stream_above):
        pool = read_pool(paths, columns, kind=task.kind, texts=task.texts)
        held_out = splits["dev"].texts + splits["test"].texts
        kept, also_dropped = drop_known((*left, *pool.texts), splits["train"].texts, held_out, normaliser)
        further = Items(kept)
        pool_notes = pool.notes
    conflicts = [note for part in splits if (note := conflict_note(part, splits[part]))]
    return Dataset(
        name=name or found.name,
        task=task,
        train=_encode(splits["train"], task),
        dev=_encode(splits["dev"], task),
        test=_encode(splits["test"], task),
        unlabelled=further,
        notes=(
            *found.notes,
            *_guesses(found.tables),
            *content.notes,
            *split_notes,
            *_sample_notes(len(chosen), len(every), rest, seed),
            *conflicts,
            *pool_notes,
        ),
        dropped={**dropped, **also_dropped},
        source=str(source),
    )


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
        f"{part} ({len(found):,} texts, {len(found) / total:.0%})"
        for part, found in made.items()
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
