"""Who hears what a training says."""

import contextlib

from understudy.core.progress import Silent


class Audience(Silent):
    """Hears all, counts epochs, and may die after some."""

    def __init__(self, dies_after=None):
        self.heard, self.epochs, self.dies_after = [], 0, dies_after

    def say(self, sentence):
        self.heard.append(sentence)

    @contextlib.contextmanager
    def bar(self, what, total, unit):
        def advance(done):
            self.epochs += done
            if self.dies_after is not None and self.epochs > self.dies_after:
                raise KeyboardInterrupt

        yield advance
