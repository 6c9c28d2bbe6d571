"""Small words of messages: how many of what, and which article."""

from __future__ import annotations

_VOWELS = ("a", "e", "i", "o", "u")


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun, in the singular where the count is 1.

    Args:
        count: How many there are.
        noun: The noun in the singular.
        many: Its plural; ``None`` adds an ``s`` to the noun.

    >>> plural(1, "epoch"), plural(1200, "text"), plural(2, "category", "categories")
    ('1 epoch', '1,200 texts', '2 categories')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def with_article(noun: str) -> str:
    """A noun with its indefinite article, by its first letter.

    >>> with_article("int"), with_article("list")
    ('an int', 'a list')
    """
    return f"{'an' if noun.lower().startswith(_VOWELS) else 'a'} {noun}"
