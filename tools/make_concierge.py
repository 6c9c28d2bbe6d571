"""Write the bundled data set ``concierge`` from its phrase files, byte for byte the same each time.

    python tools/make_concierge.py --out DIR     write all files into DIR
    python tools/make_concierge.py --check       compare with the files in the package

A *family* is one line of a template file. Labelled training messages come from narrow families alone, dev and
test messages from wide families and from sentences written one by one, unlabelled messages from all three.

While a message is made it is *markup*: ``a taxi to [the zoo](destination)`` marks words with their slot.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from understudy.errors import DataError
from understudy.tokenization.words import split

PHRASES = Path(__file__).parent / "concierge"
PACKAGED = Path(__file__).parents[1] / "src" / "understudy" / "data" / "bundled" / "concierge"
SEED = 20240607
TRAIN, DEV, TEST = 200, 40, 70  # messages per intent
POOL = 1000  # unlabelled messages per ordinary intent, those written by hand aside
POOL_PAIRS = 1120  # unlabelled mirrored pairs per pair of intents, those written by hand aside

MIRRORED = {
    "transfer": ("transfer_from_hotel", "transfer_to_hotel"),
    "room": ("room_upgrade", "room_downgrade"),
}
"""Name in the phrase files → intent of a message as written, intent with its two ends exchanged."""

ENDS = {"origin": "destination", "destination": "origin", "room_from": "room_to", "room_to": "room_from"}
SHORT = {
    "please": "pls", "you": "u", "your": "ur", "people": "ppl", "are": "r", "tonight": "2nite",
    "because": "bc", "before": "b4", "thanks": "thx",
}  # fmt: skip
MARK = re.compile(r"\[([^\]]+)\]\((\w+)\)")
CHOICE = re.compile(r"<([^<>]*)>")
BLANK = re.compile(r"\{(\w+)\}")

Lines = dict[str, list[str]]


@dataclass(frozen=True)
class Row:
    """One message: markup, intent, family (or ``hand``), and its key without opening, closing and style."""

    markup: str
    label: str
    family: str
    core: str

    @property
    def text(self) -> str:
        """The message as a guest sends it."""
        return MARK.sub(r"\1", self.markup)


@dataclass(frozen=True)
class Filler:
    """What fills one kind of blank: the slot it is tagged with, if any, and the choices by scope."""

    slot: str
    choices: Lines


@dataclass(frozen=True)
class Phrases:
    """The phrase files, read. Template files map a name to its lines, ``fillers`` a kind to what fills it."""

    fillers: dict[str, Filler]
    openings: dict[str, Lines]
    narrow: Lines
    wide: Lines
    by_hand: dict[str, Lines]


@dataclass
class Maker:
    """Draws messages; all randomness comes from the one generator ``rng``."""

    phrases: Phrases
    rng: random.Random
    taken: set[str] = field(default_factory=set)
    cores: set[str] = field(default_factory=set)

    def pick(self, items: Sequence[str]) -> str:
        """One of ``items``, each with equal chance."""
        return items[int(self.rng.random() * len(items))]

    def chance(self, share: float) -> bool:
        """True in ``share`` of all calls."""
        return self.rng.random() < share

    def shuffled(self, rows: Iterable[Row]) -> list[Row]:
        """The rows in random order."""
        return [row for _, _, row in sorted((self.rng.random(), n, row) for n, row in enumerate(rows))]

    def filler(self, kind: str, scope: str) -> str:
        """Markup for one filler of ``kind``; ``scope`` is ``narrow`` or ``wide``."""
        filler = self.phrases.fillers[kind]
        words = self.pick(filler.choices[scope])
        if not filler.slot:
            return words
        preposition, rest = ("on ", words[3:]) if words.startswith("on ") else ("", words)
        return f"{preposition}[{rest}]({filler.slot})"

    def ends(self, scope: str) -> dict[str, str]:
        """Markup for the two ends of a mirrored message, in the direction of the first intent."""
        small = "room_small" if self.chance(0.85) else "room_middle"
        big = "room_big" if small == "room_middle" or self.chance(0.9) else "room_middle"
        drawn = {name: self.filler(name, scope) for name in ("hotel", "place", small, big)}
        return {
            "from": f"[{drawn['hotel']}](origin)",
            "to": f"[{drawn['place']}](destination)",
            "old": f"[{drawn[small]}](room_from)",
            "new": f"[{drawn[big]}](room_to)",
        }

    def fill(self, template: str, scope: str) -> str:
        """Markup of one message of a family: choices made, blanks filled, no two slots alike."""
        while True:
            text = template
            while CHOICE.search(text):
                text = CHOICE.sub(lambda found: self.pick(found[1].split("|")), text, count=1)
            ends = self.ends(scope) if "{from}" in text or "{old}" in text else {}
            for kind in BLANK.findall(text):
                text = text.replace(f"{{{kind}}}", ends.get(kind) or self.filler(kind, scope), 1)
            marks = [words for words, _ in MARK.findall(text)]
            if len(set(marks)) == len(marks):
                return re.sub(r"\ba (?=\[?[aeiouAEIOU])", "an ", " ".join(text.split()))

    def style(self, markup: str) -> str:
        """The same message in one of the ways in which hurried people write; slots keep their words."""
        way = self.rng.random()
        if way < 0.5:
            return markup
        parts = re.split(r"(\[[^\]]+\]\(\w+\))", markup)
        plain = range(0, len(parts), 2)
        if way < 0.65:  # no capitals, no apostrophes
            return "".join(p.lower().replace("'", "") if n in plain else p for n, p in enumerate(parts))
        if way < 0.85:  # short forms
            return "".join(
                re.sub(r"[a-z]+", lambda w: SHORT.get(w[0], w[0]), p) if n in plain else p
                for n, p in enumerate(parts)
            )
        spot = max(plain, key=lambda n: len(parts[n]))
        parts[spot] = self.typo(parts[spot])
        return "".join(parts)

    def typo(self, text: str) -> str:
        """``text`` with two neighbouring letters of one long word exchanged, or one of them left out."""
        words = list(re.finditer(r"[a-z]{6,}", text))
        if not words:
            return text
        word = words[int(self.rng.random() * len(words))]
        at = word.start() + 1 + int(self.rng.random() * (len(word[0]) - 3))
        both = text[at + 1] + text[at] if self.chance(0.6) else text[at]
        return text[:at] + both + text[at + 2 :]

    def dress(self, markup: str, scope: str) -> str:
        """Put an opening before some messages, and full stop and closing behind some."""
        words = self.phrases.openings[scope]
        before = self.fill(self.pick(words["before"]), scope) if self.chance(0.3) else ""
        after = self.fill(self.pick(words["after"]), scope) if self.chance(0.2) else ""
        if before.endswith((".", "!")):
            before, markup = capital(before), capital(markup)
        if after or (scope == "narrow" or self.chance(0.3)):
            markup += "" if markup[-1] in "?!." else "."
        text = " ".join(part for part in (before, markup, after) if part)
        return capital(text) if scope == "narrow" or self.chance(0.5) else text

    def draw(self, name: str, scope: str, number: int) -> list[Row]:
        """A new message of the ``number``-th family of ``name``, or a mirrored pair; else a `DataError`."""
        families = (self.phrases.narrow if scope == "narrow" else self.phrases.wide)[name]
        for attempt in range(40 * len(families)):
            index = (number + attempt // 40) % len(families)  # the next family where one has nothing new
            body = self.fill(families[index], scope)
            dressed = self.dress(body if scope == "narrow" else self.style(body), scope)
            rows = self.rows(name, dressed, families[index], body)
            if not any(key(row.text) in self.taken or row.core in self.cores for row in rows):
                self.taken.update(key(row.text) for row in rows)
                return rows
        raise DataError(f"The {scope} families of {name!r} have no further message. Add choices or fillers.")

    def rows(self, name: str, markup: str, family: str, body: str) -> list[Row]:
        """The message as a row; for mirrored names the pair of rows."""
        if name not in MIRRORED:
            return [Row(markup, name, family, key(body))]
        first, second = MIRRORED[name]
        return [Row(markup, first, family, key(body)), Row(mirror(markup), second, family, key(mirror(body)))]

    def hand(self, split_name: str, name: str) -> list[Row]:
        """The sentences written one by one for a split; a `DataError` where one stands there twice."""
        found: list[Row] = []
        for line in self.phrases.by_hand[split_name][name]:
            rows = self.rows(name, line, "hand", line)
            twice = [row.text for row in rows if key(row.text) in self.taken]
            if twice:
                raise DataError(f"{twice[0]!r} stands twice in the phrase files. Remove one of them.")
            self.taken.update(key(row.text) for row in rows)
            found += rows
        return found

    def labelled(self, split_name: str, count: int) -> list[Row]:
        """A labelled split with ``count`` messages of each intent; its cores are closed to later splits."""
        rows: list[Row] = []
        scope = "narrow" if split_name == "train" else "wide"
        for name in self.phrases.narrow:
            made = [] if split_name == "train" else self.hand(split_name, name)
            per_draw = 2 if name in MIRRORED else 1
            for number in range(count - len(made) // per_draw):
                made += self.draw(name, scope, number)
                self.cores.update(row.core for row in made[-per_draw:])
            rows += made
        return self.shuffled(rows)

    def pool(self) -> list[Row]:
        """The unlabelled messages: of those from templates a third is narrow, the others are wide."""
        rows: list[Row] = []
        for name in self.phrases.narrow:
            rows += self.hand("pool", name)
            for number in range(POOL_PAIRS if name in MIRRORED else POOL):
                rows += self.draw(name, "wide" if number % 3 else "narrow", number // 3)
        return self.shuffled(rows)


def key(text: str) -> str:
    """What two messages must not share: their words without case, punctuation and apostrophes."""
    words = (word.replace("'", "") for word in split(MARK.sub(r"\1", text)))
    return " ".join(word for word in words if re.search(r"\w", word))


def capital(markup: str) -> str:
    """The markup with a capital at its start."""
    return re.sub(r"^(\[?)(\w)", lambda found: found[1] + found[2].upper(), markup)


def mirror(markup: str) -> str:
    """The markup with the words of its two ends exchanged.

    >>> mirror("from [here](origin) to [the zoo](destination)")
    'from [the zoo](origin) to [here](destination)'
    """
    words = {slot: words for words, slot in MARK.findall(markup)}
    initial = markup.startswith("[") and markup[1].isupper()
    turned = MARK.sub(lambda found: f"[{words.get(ENDS.get(found[2], ''), found[1])}]({found[2]})", markup)
    return capital(turned) if initial else turned


def tag(markup: str) -> tuple[list[str], list[str]]:
    """The words of a message and their BIO tags.

    >>> tag("To [the zoo](destination)!")
    (['to', 'the', 'zoo', '!'], ['O', 'B-destination', 'I-destination', 'O'])
    """
    words: list[str] = []
    tags: list[str] = []
    for text, slot in segments(markup):
        part = split(text)
        words += part
        tags += ["O"] * len(part) if not slot else [f"B-{slot}"] + [f"I-{slot}"] * (len(part) - 1)
    if words != split(MARK.sub(r"\1", markup)):
        raise DataError(f"A slot begins or ends within a word in {markup!r}. Mark whole words.")
    return words, tags


def segments(markup: str) -> Iterator[tuple[str, str]]:
    """Text and slot of each stretch of the markup; the slot is empty outside of slots."""
    end = 0
    for found in MARK.finditer(markup):
        yield markup[end : found.start()], ""
        yield found[1], found[2]
        end = found.end()
    yield markup[end:], ""


def read_phrases(folder: Path = PHRASES) -> Phrases:
    """Read all phrase files."""

    def read(name: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        return found

    def lines(blocks: object) -> Lines:
        assert isinstance(blocks, dict)
        return {str(name): str(block).splitlines() for name, block in blocks.items()}

    def filler(lists: dict[str, str]) -> Filler:
        scopes = ("narrow", "wide")
        choices = {scope: f"{lists['both']} | {lists[scope]}".strip().split(" | ") for scope in scopes}
        return Filler(lists.get("slot", ""), choices)

    order = read("hand_order.yaml")
    return Phrases(
        fillers={kind: filler(lists) for kind, lists in read("fillers.yaml").items()},
        openings={scope: lines(blocks) for scope, blocks in read("openings.yaml").items()},
        narrow=lines(read("narrow_order.yaml")) | lines(read("narrow.yaml")),
        wide=lines(read("wide_order.yaml")) | lines(read("wide.yaml")),
        by_hand={s: lines(order[s]) | lines(read(f"hand_{s}.yaml")) for s in ("dev", "test", "pool")},
    )


def make_splits(phrases: Phrases, seed: int = SEED) -> dict[str, list[Row]]:
    """All messages by split: ``test``, ``dev``, ``train``, ``pool``.

    Raises:
        DataError: a family of the training messages has made a dev or test message.
    """
    maker = Maker(phrases, random.Random(seed))
    splits = {
        "test": maker.labelled("test", TEST),
        "dev": maker.labelled("dev", DEV),
        "train": maker.labelled("train", TRAIN),
        "pool": maker.pool(),
    }
    trained = {row.family for row in splits["train"]}
    shared = sorted(trained & {row.family for name in ("dev", "test") for row in splits[name]})
    if shared:
        raise DataError(
            f"Families {shared} are in train and in dev or test. Keep narrow and wide ones apart."
        )
    return splits


def jsonl(rows: Iterable[Row]) -> str:
    """Labelled rows as JSON lines."""
    lines = []
    for row in rows:
        words, tags = tag(row.markup)
        fields = {"text": row.text, "label": row.label, "words": words, "tags": tags}
        lines.append(json.dumps(fields, ensure_ascii=False) + "\n")
    return "".join(lines)


def card(splits: dict[str, list[Row]]) -> str:
    """The data card, its counts, examples and slots filled in."""
    labels = sorted({row.label for row in splits["train"]})
    first = {row.label: row.text for row in sorted(splits["train"], key=lambda row: -len(row.text))}
    labelled = splits["train"] + splits["dev"] + splits["test"]
    slots = sorted({slot for row in labelled for _, slot in MARK.findall(row.markup)})
    values = {name: f"{len(rows):,}" for name, rows in splits.items()}
    values |= {f"hand_{name}": f"{sum(r.family == 'hand' for r in rows):,}" for name, rows in splits.items()}
    values["n_labels"] = str(len(labels))
    values["intents"] = "\n".join(f"| `{label}` | {first[label]} |" for label in labels)
    values["slots"] = ", ".join(f"`{slot}`" for slot in slots)
    text = (PHRASES / "card.md").read_text(encoding="utf-8")
    return BLANK.sub(lambda blank: values[blank[1]], text)


def build(phrases: Phrases | None = None) -> dict[str, str]:
    """File name → content, that of ``unlabelled.txt.gz`` before compression."""
    splits = make_splits(phrases or read_phrases())
    files = {f"{name}.jsonl": jsonl(splits[name]) for name in ("train", "dev", "test")}
    files["unlabelled.txt.gz"] = "".join(row.text + "\n" for row in splits["pool"])
    files["README.md"] = card(splits)
    files["LICENSE"] = (PHRASES / "licence.txt").read_text(encoding="utf-8")
    return files


def write(files: dict[str, str], folder: Path) -> None:
    """Write the files into ``folder``; compressed ones carry no time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode()
        (folder / name).write_bytes(gzip.compress(data, 9, mtime=0) if name.endswith(".gz") else data)


def differing(files: dict[str, str], folder: Path) -> list[str]:
    """Names of files missing in ``folder`` or holding something else; ``.gz`` files are compared unpacked."""
    names = []
    for name, content in files.items():
        path = folder / name
        data = path.read_bytes() if path.is_file() else b""
        if (gzip.decompress(data) if data and name.endswith(".gz") else data) != content.encode():
            names.append(name)
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description="Write or check the bundled data set 'concierge'.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="write all files into DIR")
    what.add_argument("--check", action="store_true", help="compare with the files in the package")
    options = parser.parse_args(arguments)
    files = build()
    if options.out:
        write(files, options.out)
        return 0
    names = differing(files, PACKAGED)
    print(f"Differs from the package: {', '.join(names)}." if names else "The packaged files are up to date.")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
