"""Open the folder of an exported student: check what there is, and open the fast path where it serves.

Nothing here needs numpy, so that the command line's first answer comes soon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.core.manifest import verify
from understudy.errors import ArtifactError, MissingExtraError
from understudy.runtime.config_file import Config, read_config
from understudy.runtime.fast import FastStudent, open_fast, status
from understudy.runtime.fast_header import HEADER_BYTES, reads_like_bert
from understudy.runtime.fast_tagger import FastTagger, open_tagger
from understudy.runtime.layout import Layout

if TYPE_CHECKING:
    from understudy.tokenization.ngrams import Vocabulary
    from understudy.tokenization.spelling import Spelling
    from understudy.tokenization.wordpiece import BaseVocabulary


@dataclass(frozen=True)
class OpenArtifact:
    """A folder that was checked.

    Attributes:
        layout: Its files.
        config: What ``config.json`` says; `config_file.py` has checked it.
        fast: The fast path, where it serves this student.
    """

    layout: Layout
    config: Config
    fast: FastStudent | FastTagger | None


def open_folder(folder: Path, threads: int = 1) -> OpenArtifact:
    """Check a folder and read its config.

    Every file must be there in its size. Of a student that the fast path serves only the content of the files
    that are read is checked, and that of others when they are read; else that of all.

    Raises:
        ArtifactError: a file is missing, truncated or altered (by name), or of a later version.
    """
    layout = Layout(folder)
    if (folder / "models").is_dir() and not layout.config.is_file():
        names = ", ".join(sorted(str(path.parent) for path in folder.glob("models/*/config.json")))
        raise ArtifactError(f"{folder} is a run, not a student. Its students are in: {names or 'none yet'}.")

    is_fast = layout.fast.is_file() and status().is_active
    manifest = verify(folder, read=(layout.config.name,) if is_fast else None)
    for path in (layout.config, layout.tokenizer, layout.onnx):
        _check_named(manifest, path)

    config = read_config(layout)
    if is_spelled(config):
        _check_named(manifest, layout.spelling)
    if _reads_parts(config):
        _check_named(manifest, layout.characters)
    if not is_fast or "fast" not in config:
        return OpenArtifact(layout, config, None)

    labels, fingerprint = config["task"]["labels"], config["fast"]["fingerprint"]
    if config["task"].get("kind") == "tagging" and config["student"]["form"] == "tokens":
        tagger = open_tagger(layout.fast, labels=len(labels), fingerprint=fingerprint, threads=threads)
        return OpenArtifact(layout, config, tagger)

    _check_library(config, layout.fast)
    fast = open_fast(
        layout.fast,
        labels=labels,
        fingerprint=fingerprint,
        reference=_reference(layout),
        threads=threads,
    )
    return OpenArtifact(layout, config, fast)


def _check_named(manifest: Mapping[str, Any], path: Path) -> None:
    if path.name not in manifest["files"]:
        raise ArtifactError(f"{path.parent} is not an exported student: its manifest names no {path.name}.")


def is_spelled(config: Config) -> bool:
    """Whether a student reads how words are spelled, beside their ids."""
    return _has(config, "spelling")


def _reads_parts(config: Config) -> bool:
    """Whether a student reads parts of words, beside words and n-grams."""
    return _has(config, "characters")


def _has(config: Config, switch: str) -> bool:
    """Whether a switch of the student's sizes is on."""
    sizes = config["student"].get("config", {})
    return isinstance(sizes, Mapping) and sizes.get(switch) is True


def read_spelling(layout: Layout, config: Config) -> Spelling | None:
    """How words are spelled, after checking its file; ``None`` for a student that does not read it.

    Raises:
        ArtifactError: ``spelling.json`` is altered or damaged, or has another size than the student's table.
    """
    if not is_spelled(config):
        return None
    from understudy.tokenization.spelling import Spelling

    verify(layout.folder, read=(layout.spelling.name,))
    spelling, rows = Spelling.load(layout.spelling), config["student"]["config"].get("spelling_size")
    if len(spelling) != rows:
        raise ArtifactError(
            f"{layout.spelling} makes {len(spelling)} numbers, but the student in {layout.config} reads "
            f"{rows!r:.20}. Restore both, or write the folder again."
        )
    return spelling


def read_vocabulary(layout: Layout) -> Vocabulary:
    """The vocabulary of the reference path, after checking its files.

    Raises:
        ArtifactError: ``tokenizer.json``, ``ngrams.npy`` or ``characters.json`` is altered or damaged.
    """
    from understudy.tokenization.ngrams import load_vocabulary

    files = (layout.tokenizer, layout.ngrams, layout.characters)
    manifest = verify(layout.folder, read=[path.name for path in files])
    # a file that the manifest does not name is not ours
    return load_vocabulary(layout.tokenizer, manifest["files"])


def _check_library(config: Config, fast: Path) -> None:
    """A teacher's own tokeniser leaves a few texts to the library: better refused now than at such a text."""
    if config["vocabulary"]["kind"] != "pieces" or find_spec("tokenizers") is not None:
        return

    with fast.open("rb") as file:
        if reads_like_bert(file.read(HEADER_BYTES)):
            raise MissingExtraError(
                f"The student in {fast.parent} reads its teacher's own word pieces, a few texts by the "
                "tokenizers library. Install it with: pip install 'understudy[pieces]'"
            )


def _reference(layout: Layout) -> Callable[[str], list[int]]:
    """Text → ids of words by the reference path, whose vocabulary is read when the first text needs it."""

    @cache
    def vocabulary() -> BaseVocabulary:
        from understudy.tokenization.ngrams import NgramVocabulary

        found = read_vocabulary(layout)
        return found.base if isinstance(found, NgramVocabulary) else found  # C finds n-grams itself

    def encode(text: str) -> list[int]:
        return vocabulary().encode(text)

    return encode
