"""Small data sets as folders, for tests of runs."""

import json

NAMES = ("bad", "good")
SIZES = (60, 40, 20)


def write_set(folder, toy, sizes=SIZES):
    """Write train, dev and test of ``toy``, each text once; the folder as a string."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, size) in enumerate(zip(("train", "dev", "test"), sizes, strict=True)):
        rows = [
            {"text": f"{text} {part}{number}", "label": NAMES[label]}
            for number, (text, label) in enumerate(zip(*toy(size, seed=seed), strict=True))
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def write_rows(folder, rows, sizes=SIZES):
    """Write rows of any kind of task, cut into train, dev and test; the folder as a string."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = iter(rows)
    for part, size in zip(("train", "dev", "test"), sizes, strict=True):
        lines = [json.dumps(next(rows)) + "\n" for _ in range(size)]
        (folder / f"{part}.jsonl").write_text("".join(lines))
    return str(folder)
