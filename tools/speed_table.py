"""Put the table of speed into the README: ``python tools/speed_table.py RESULT``, a file or - for stdin.

RESULT is what `benchmarks/speed.py` printed; its last line is the JSON document.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START, END = "<!-- speed-table -->", "<!-- /speed-table -->"
TIME, TIME_END = "<!-- latency -->", "<!-- /latency -->"
README = Path(__file__).parents[1] / "README.md"

ROWS = {
    "cbow": "**`cbow.v1`, the C extension**",
    "cbow, own pieces": "`cbow.v1` of word pieces, C",
    "dan": "`dan.v1`, C",
    "fastText": "fastText",
    "cbow, Python + ONNX Runtime": "`cbow.v1`, without the extension",
    "cbow, tokenizers + ONNX Runtime": "`cbow.v1`, tokenizers + ONNX Runtime",
    "model2vec": "model2vec",
    "bilstm, int8": "`bilstm.v1`, int8, C",
    "bilstm": "`bilstm.v1`, C",
    "bilstm, ONNX Runtime": "`bilstm.v1`, ONNX Runtime",
    "TF-IDF + LR, scikit-learn": "TF-IDF + LR, scikit-learn",
    "MiniLM, ONNX Runtime": "MiniLM (22.7 M), ONNX Runtime",
    "MiniLM, torch": "MiniLM (22.7 M), torch",
}
"""Rows of the benchmark that the README shows → how it calls them."""


def table(document: Mapping[str, Any]) -> str:
    """The table of a result, and a line that says how it was measured."""
    single = {row["name"]: row for row in document["single"]}
    batch = {row["name"]: row for row in document.get("batch", [])}
    head = "| From a string to its label | one text | beside `cbow.v1` | texts a second, many at once |"
    lines = [head, "| --- | ---: | ---: | ---: |"]
    for name, shown in ROWS.items():
        if name not in single:
            continue
        many = f"{_rounded(batch[name]['per_s'])}" if name in batch else "–"
        times = "×1" if name == "cbow" else f"×{_rounded(single[name]['ratio'])}"
        lines.append(f"| {shown} | {_time(single[name]['us'])} | {times} | {many} |")
    machine = document["machine"]
    clock = {"cpu": "processor time", "wall": "the wall's clock"}[single["cbow"]["clock"]]
    quick = " `--quick`" if document.get("quick") else ""
    said = (
        f"`benchmarks/speed.py`{quick}: {document['data']}, {machine['cpu']}, one thread, {clock}; medians "
        "of turns in which all rows follow each other. [How, and what limits it](docs/speed.md)."
    )
    return "\n".join(lines) + "\n\n" + said


def place(text: str, new: str) -> str:
    """The README's text with ``new`` between the two marks.

    Raises:
        SystemExit: a mark is missing.
    """
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"The README needs each of {START} and {END} once.")
    before, after = text.partition(START)[0], text.partition(END)[2]
    return f"{before}{START}\n{new}\n{END}{after}"


def _time(us: float) -> str:
    return f"{us:.2f} µs" if us < 10 else f"{_rounded(us)} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def _rounded(value: float) -> str:
    """Three digits that count, with commas."""
    digits = f"{value:.3g}"
    return f"{float(digits):,.0f}" if value >= 100 else digits


def main(path: str) -> None:
    """Read a result and write the README."""
    said = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    document = json.loads(said.strip().splitlines()[-1])
    text = place(README.read_text(encoding="utf-8"), table(document))

    # The first sentence names the time of the fastest student.
    fastest = next(row for row in document["single"] if row["name"] == "cbow")
    text = re.sub(f"{TIME}.*?{TIME_END}", f"{TIME}{_time(fastest['us'])}{TIME_END}", text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
