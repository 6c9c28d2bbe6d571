"""How long work tells of itself: sentences and bars, passed in by the caller and silent by default."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """What a long piece of work needs of its audience."""

    def say(self, sentence: str) -> None:
        """Tell one fact."""
        ...

    def bar(self, what: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """Open a bar over ``total`` units; call what it yields with the number of units just done."""
        ...


class Silent:
    """An audience that wants to hear nothing."""

    def say(self, sentence: str) -> None:
        """Do nothing."""

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """Yield a function that does nothing."""
        yield lambda done: None  # noqa: ARG005
