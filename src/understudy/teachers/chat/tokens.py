"""How many tokens a message has: estimated, or counted by the model's own tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable

from understudy.core.task import Item
from understudy.errors import RecipeError

PER_MESSAGE = 4
"""About how many tokens chat formats add to the text of each message."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has: one for every four ASCII characters, one for every other character.

    English has about four characters a token in current vocabularies; other scripts need up to a token a
    character. So outside English the estimate is rather too high than too low.

    >>> estimate_tokens("a good film"), estimate_tokens("日本")
    (3, 2)
    """
    plain = sum(character.isascii() for character in text)
    return math.ceil(plain / 4) + len(text) - plain


def token_counter(file: str | None) -> Callable[[str], int]:
    """A function that counts tokens by a ``tokenizer.json``, or `estimate_tokens` where there is none.

    Raises:
        RecipeError: The file cannot be read.
    """
    if file is None:
        return estimate_tokens
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(file)
    except Exception as error:
        raise RecipeError(f"The endpoint's tokenizer {file} cannot be read: {error}.") from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def content_of(item: Item) -> str:
    """An item as the user's message; half a character, which no request can hold, becomes a question mark."""
    text = item if isinstance(item, str) else f"First text:\n{item[0]}\n\nSecond text:\n{item[1]}"
    return text.encode("utf-8", "replace").decode("utf-8")
