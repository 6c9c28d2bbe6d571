"""Write the two tables of code points that are checked in: `lowercase.py` and `unicode_tables.h` (for C).

    python tools/make_unicode_tables.py [--check]

Lower case is that of the installed `tokenizers` (its Unicode is the newest of the three readers), and so are
the rules of BERT's normaliser. Both are asked for every code point; nothing is copied from a list. A newer
library may know more letters: then run this again, and raise the version that `docs/splitting.md` names.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tokenizers.normalizers import NFD, BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from understudy.tokenization.words import SINGLE, SPACE  # noqa: E402

SURROGATES = range(0xD800, 0xE000)
HANGUL = range(0xAC00, 0xD7A4)
"""Syllables, which BERT takes apart: 11,172 entries that English would carry for nothing."""

EVERY = range(0x110000)
BLOCK = 128
"""Code points in one block of a table; equal blocks are stored once."""

CLASSES = {"word": "WORD", "single": "SINGLE", "space": "SPACE", "drop": "DROP", "hard": "HARD"}
GROWTH = 3
"""Bytes that one byte of UTF-8 may become."""

Action = tuple[str, int, str]
"""Class, shift to the lower-case code point, and the text that stands for it where a shift cannot say it."""


def lower_case() -> dict[int, str]:
    """Every code point that is another in lower case."""
    lower = Lowercase().normalize_str
    found = {code: lower(chr(code)) for code in EVERY if code not in SURROGATES}
    return {code: text for code, text in found.items() if text != chr(code)}


def word_actions(lowered: dict[int, str]) -> list[Action]:
    """What the rule of `words.py` does with each code point."""
    is_space, is_single = re.compile(f"[{SPACE}]").match, re.compile(f"[{SINGLE}]").match
    mapped = {**lowered, 0x2019: "'"}

    def action(code: int) -> Action:
        text = mapped.get(code, chr(code))
        kinds = {"space" if is_space(c) else "single" if is_single(c) else "word" for c in text}
        (kind,) = kinds
        return (kind, ord(text) - code, "") if len(text) == 1 else (kind, 0, text)

    return [action(code) for code in EVERY]


def bert_actions() -> list[Action]:
    """What BERT's uncased normaliser and splitter do; ``hard`` where one code point alone does not tell."""
    normalise = BertNormalizer(clean_text=True, handle_chinese_chars=True, lowercase=True).normalize_str
    pieces, order = BertPreTokenizer().pre_tokenize_str, NFD().normalize_str

    def is_movable(text: str) -> bool:
        low, high = "a{}\u0334", "a\u0345{}"  # marks that stand before, and behind, nearly every other
        return any(order(form.format(c)) != form.format(order(c)) for c in text for form in (low, high))

    def kind(text: str) -> str:
        found = [piece for piece, _ in pieces(f"a{text}a")]
        by_pieces = {(f"a{text}a",): "word", ("a", text, "a"): "single", ("a", "a"): "space"}
        return by_pieces.get(tuple(found), "hard")

    def action(code: int) -> Action:
        if code in SURROGATES or code in HANGUL:
            return ("hard", 0, "")
        text = normalise(chr(code))
        if not text:
            return ("drop", 0, "")
        if text == f" {text[1:-1]} " and len(text) == 3:  # an ideograph
            return ("single", ord(text[1]) - code, "")
        found = kind(text)
        # Marks that stay may be put into another order beside each other.
        if found == "hard" or is_movable(text):
            return ("hard", 0, "")
        if found == "space":
            return ("space", 0, "")
        return (found, ord(text) - code, "") if len(text) == 1 else (found, 0, text)

    return [action(code) for code in EVERY]


def ranges(lowered: dict[int, str]) -> tuple[list[tuple[int, int, int, int]], dict[int, str]]:
    """Runs (first, last, step, shift) of code points with equal shifts, and the others one by one."""
    single = {code: ord(text) - code for code, text in lowered.items() if len(text) == 1}
    found: list[list[int]] = []
    for code, shift in single.items():
        run = found[-1] if found else None
        if (
            run
            and run[3] == shift
            and (code - run[1] == run[2] or (run[0] == run[1] and code - run[1] in (1, 2)))
        ):
            run[2] = code - run[1]
            run[1] = code
        else:
            found.append([code, code, 1, shift])
    rest = {code: text for code, text in lowered.items() if len(text) != 1}
    return [(first, last, step, shift) for first, last, step, shift in found], rest


def python_table(lowered: dict[int, str]) -> str:
    """The source of `lowercase.py`."""
    runs, rest = ranges(lowered)
    lines = []
    for first, last, step, shift in runs:
        lines.append(f"(0x{first:X}, 0x{last:X}, {step}, {shift}),")
    body, line = [], "   "
    for item in lines:
        if len(line) + len(item) + 1 > 108:
            body.append(line)
            line = "   "
        line += " " + item
    body.append(line)
    special = ", ".join(f"0x{code:X}: {text!a}".replace("'", '"') for code, text in rest.items())
    return "\n".join(
        [
            '"""Lower case, code point by code point, as a fixed table: Unicode 17 whatever Python knows.',
            "",
            "Written by `tools/make_unicode_tables.py`; `docs/splitting.md` says what it is for.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            "# fmt: off",
            "RUNS = (",
            *body,
            ")",
            '"""First and last code point, step, and what to add to each for its lower case."""',
            "# fmt: on",
            "",
            f"SPECIAL = {{{special}}}",
            '"""The code points whose lower case is not one code point."""',
            "",
            "LOWER = {",
            "    **{",
            "        chr(code): chr(code + shift)",
            "        for first, last, step, shift in RUNS",
            "        for code in range(first, last + 1, step)",
            "    },",
            "    **{chr(code): text for code, text in SPECIAL.items()},",
            "}",
            '"""Capital → lower case, for every code point that has one."""',
            "",
        ]
    )


def numbers(values: list[int]) -> str:
    """Numbers in lines of C."""
    lines, line = [], "   "
    for value in values:
        if len(line) + len(str(value)) + 2 > 110:
            lines.append(line)
            line = "   "
        line += f" {value},"
    return "\n".join([*lines, line])


def c_table(name: str, actions: list[Action]) -> str:
    """One table: code point → block → number of an action → action."""
    distinct = sorted(set(actions), key=lambda a: (list(CLASSES).index(a[0]), a[1], a[2]))
    number = {action: i for i, action in enumerate(distinct)}
    blocks: dict[tuple[int, ...], int] = {}
    index = []
    for start in range(0, len(actions), BLOCK):
        block = tuple(number[action] for action in actions[start : start + BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    pool, rows = b"", []
    for kind, shift, text in distinct:
        data = text.encode()
        if data and data not in pool:
            pool += data
        rows.append(f"    {{{shift}, {pool.find(data) if data else 0}, {len(data)}, {CLASSES[kind]}}},")
    values = [i for block in blocks for i in block]
    block_type = "uint8_t" if max(index) < 256 else "uint16_t"
    value_type = "uint8_t" if len(distinct) <= 256 else "uint16_t"
    text = "".join(f"\\x{byte:02x}" for byte in pool)
    chunks = [f'    "{text[i : i + 104]}"' for i in range(0, len(text), 104)] or ['    ""']
    return "\n".join(
        [
            f"static const {block_type} {name}_blocks[{len(index)}] = {{",
            numbers(index),
            "};",
            f"static const {value_type} {name}_values[{len(values)}] = {{",
            numbers(values),
            "};",
            f"static const Action {name}_actions[{len(rows)}] = {{",
            *rows,
            "};",
            f"static const char {name}_texts[] =",
            *chunks[:-1],
            chunks[-1] + ";",
            "",
        ]
    )


def check_growth(*tables: list[Action]) -> None:
    """No code point becomes more than `GROWTH` times its bytes."""
    for actions in tables:
        for code, (kind, shift, text) in enumerate(actions):
            if kind in ("word", "single") and code not in SURROGATES:
                new = text or chr(code + shift)
                assert len(new.encode()) <= GROWTH * len(chr(code).encode()), hex(code)


def c_source(words: list[Action], bert: list[Action]) -> str:
    """The source of `unicode_tables.h`."""
    head = f"""\
/* What becomes of each code point. Written by tools/make_unicode_tables.py; see docs/splitting.md. */
#ifndef UNDERSTUDY_UNICODE_TABLES_H
#define UNDERSTUDY_UNICODE_TABLES_H

#include <stdint.h>

enum {{ WORD, SINGLE, SPACE, DROP, HARD }};
enum {{ BLOCK = {BLOCK}, GROWTH = {GROWTH} }};

/* Add `shift`, or write `length` bytes of the table's texts from `start` where length is not 0. */
typedef struct {{
    int32_t shift;
    uint16_t start;
    uint8_t length, kind;
}} Action;

"""
    return head + c_table("words", words) + "\n" + c_table("bert", bert) + "\n#endif\n"


def main() -> None:
    """Write both files, or only say whether they are as they would be written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    arguments = parser.parse_args()
    lowered = lower_case()
    words, bert = word_actions(lowered), bert_actions()
    check_growth(words, bert)
    files = {
        ROOT / "src" / "understudy" / "tokenization" / "lowercase.py": python_table(lowered),
        ROOT / "native" / "unicode_tables.h": c_source(words, bert),
    }
    for path, text in files.items():
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what this script writes.")


if __name__ == "__main__":
    main()
