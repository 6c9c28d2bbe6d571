"""How long work reports what it does: sentences and bars, shown by whatever the caller passes in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Where a long piece of work shows its progress."""

    def say(self, sentence: str) -> None:
        """Show one sentence."""
        ...

    def bar(self, what: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """Open a bar over ``total`` units; what it yields is called with the number of units just done.

        Args:
            what: What is being done, such as ``labelling``.
            total: How many units there are.
            unit: Name of the units in the plural, such as ``texts``.
        """
        ...


class Silent:
    """Shows nothing."""

    def say(self, sentence: str) -> None:
        """Do nothing."""

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """Yield a function that does nothing."""
        yield lambda done: None  # noqa: ARG005
