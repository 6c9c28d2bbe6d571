"""Load a data set: find it, choose columns, drop leaks, split what is missing, add unlabelled texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from understudy.data.columns import choose_columns
from understudy.data.dataset import Dataset, Split
from understudy.data.labels import Labelled, check_seen, order_labels, read_labelled
from understudy.data.leaks import conflict_note, drop_known, drop_leaks
from understudy.data.pools import read_pool
from understudy.data.problems import listed
from understudy.data.sources import Found, Reading, find
from understudy.data.splits import check_fractions, split_rows
from understudy.data.table import Table
from understudy.task import METRICS, Task


def load_dataset(
    source: str | Path,
    *,
    unlabelled: Sequence[str | Path] | str | Path = (),
    text_column: str | None = None,
    label_column: str | None = None,
    labels: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    dev_fraction: float = 0.1,
    test_fraction: float = 0.1,
    metric: str | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Read any source into one shape, with every leak removed and every guess said in its notes.

    Args:
        source: a folder with train, dev and test files; one file; ``hub:owner/name[:config]``;
            ``bundled:concierge``; or a set of the catalogue, such as ``sst2``.
        unlabelled: paths or glob patterns of further texts without labels.
        text_column: the text column; ``None`` guesses.
        label_column: the label column; ``None`` guesses.
        labels: raw label → name, in the order of the logits.
        delimiter: the character between columns; ``None`` guesses.
        header: whether the first line names the columns; ``None`` guesses.
        dev_fraction: share of train that becomes dev where there is none.
        test_fraction: share of train that becomes test where there is none.
        metric: metric of the task; ``None`` takes the source's usual one, else accuracy.
        seed: of the split.
        name: short name of the set; ``None`` takes it from the source.

    Raises:
        DataError: the source cannot be found or used; says where and what to do.
        RecipeError: an option that cannot be honoured.
    """
    fractions = {"dev": dev_fraction, "test": test_fraction}
    check_fractions(fractions)
    mapping = None if labels is None else {str(raw): name for raw, name in labels.items()}
    found = find(source, Reading(text_column, label_column, mapping, delimiter, header))
    notes = [*found.notes, *_guesses(found.tables)]
    splits, names, remarks = _read_splits(found)
    notes += remarks
    splits, dropped = drop_leaks(splits)
    splits, remarks = _split_missing(splits, fractions, seed, found.tables["train"])
    notes += remarks
    notes += [note for part in splits if (note := conflict_note(part, splits[part]))]
    wanted = (unlabelled,) if isinstance(unlabelled, str | Path) else tuple(unlabelled)
    pool = read_pool((*found.pools, *wanted), found.reading.text_column)
    held_out = splits["dev"].texts + splits["test"].texts
    texts, also_dropped = drop_known(pool.texts, splits["train"].texts, held_out)
    task = Task(labels=names, metric=metric or found.metric or METRICS["classification"][0])
    return Dataset(
        name=name or found.name,
        task=task,
        train=_encode(splits["train"], task),
        dev=_encode(splits["dev"], task),
        test=_encode(splits["test"], task),
        unlabelled=texts,
        notes=(*notes, *pool.notes),
        dropped={**dropped, **also_dropped},
        source=str(source),
    )


def _guesses(tables: Mapping[str, Table]) -> list[str]:
    """What was guessed in reading the files, each guess once with the files that it was made for."""
    files: dict[str, list[str]] = {}
    for table in tables.values():
        for guess in table.guesses:
            files.setdefault(guess, []).append(table.name)
    return [f"{', '.join(names)}: {guess}" for guess, names in files.items()]


def _read_splits(found: Found) -> tuple[dict[str, Labelled], tuple[str, ...], list[str]]:
    """Every split's texts and labels, the label names in order, and notes."""
    train, wish = found.tables["train"], found.reading
    text, label, note = choose_columns(
        train.columns, train.where, text=wish.text_column, label=wish.label_column
    )
    splits = {part: read_labelled(table, text, label, wish.labels) for part, table in found.tables.items()}
    given = wish.labels.values() if wish.labels is not None else train.class_names.get(label)
    names, unused = order_labels(splits["train"].labels, None if given is None else list(given), train.where)
    for part, table in found.tables.items():
        if part != "train":
            check_seen(table, splits[part].labels, names, train.where)
    notes = [note] if note else []
    if unused:
        notes.append(f"Left out labels that no train text has: {listed(unused)}.")
    return splits, names, notes


def _split_missing(
    splits: Mapping[str, Labelled], fractions: Mapping[str, float], seed: int, train: Table
) -> tuple[dict[str, Labelled], list[str]]:
    """Split dev and test off train where they are missing."""
    missing = {part: fraction for part, fraction in fractions.items() if part not in splits}
    if not missing:
        return dict(splits), []
    parts = split_rows(splits["train"], missing, seed, train.where)
    made = {part: splits["train"].pick(rows) for part, rows in parts.rows.items()}
    shares = " and ".join(f"{part} ({len(made[part]):,} texts, {missing[part]:.0%})" for part in missing)
    notes = [f"Split {shares} off {train.name}: at random, stratified by label, seed {seed}."]
    if parts.rare:
        notes.append(f"Labels with too few texts to be split, in train only: {listed(parts.rare)}.")
    return {**splits, **made}, notes


def _encode(split: Labelled, task: Task) -> Split:
    index = task.index
    columns = np.fromiter((index[label] for label in split.labels), dtype=np.int64, count=len(split))
    return Split(tuple(split.texts), columns)
