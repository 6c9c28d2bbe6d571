"""Rows of every kind of task, written in every form of file."""

import gzip
import json

import pyarrow as pa
from pyarrow import parquet

COUNT = 30


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_rows(path, rows):
    """Rows, as dicts, in the form that the file's name promises."""
    names = list(rows[0])
    if path.suffix == ".parquet":
        parquet.write_table(pa.table({name: [row[name] for row in rows] for name in names}), path)
        return path
    if path.suffix == ".jsonl":
        return write(path, "".join(json.dumps(row) + "\n" for row in rows))
    mark = {".tsv": "\t", ".csv": ","}[path.suffix]
    cells = [[str(row[name]) for name in names] for row in rows]
    return write(path, "".join(mark.join(line) + "\n" for line in [names, *cells]))


def pairs(count=COUNT, **more):
    rows = [
        {"sentence1": f"first {n}", "sentence2": f"second {n}", "label": ("no", "yes")[n % 2]}
        for n in range(count)
    ]
    return [{**row, **more} for row in rows]


def tagged(count=COUNT):
    return [{"words": ["in", f"Rome{n}", "today"], "tags": ["O", "B-LOC", "I-LOC"]} for n in range(count)]


def in_columns(rows, mark="\t"):
    sentences = [zip(row["words"], row["tags"], strict=True) for row in rows]
    return "\n".join("".join(f"{word}{mark}{tag}\n" for word, tag in sentence) for sentence in sentences)


def total(data):
    return sum(map(len, (data.train, data.dev, data.test)))
