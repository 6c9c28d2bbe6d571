import json
import time
from math import nan

import pytest

from understudy.optim.epochs import Epoch, EpochLog


def test_the_best_epoch_and_its_weights_are_kept():
    log = EpochLog("first")
    for loss, reached in ((0.9, (0.5, -1.0)), (0.8, (0.7, -1.0)), (0.7, (0.7, -1.0)), (0.6, (0.7, -0.9))):
        log.add(loss, reached, f"after {loss}")
    assert (log.best, log.best_score, log.best_epoch) == ("after 0.6", (0.7, -0.9), 4)  # a tie: by dev loss
    assert [(e.epoch, e.train_loss, e.dev_score, e.dev_loss) for e in log.curve[:2]] == [
        (1, 0.9, 0.5, 1.0), (2, 0.8, 0.7, 1.0)
    ]  # fmt: skip
    assert all(epoch.seconds >= 0 for epoch in log.curve)


def test_the_first_epoch_is_better_than_none_and_worse_ones_change_nothing():
    log = EpochLog()
    assert log.is_better((-5.0, -5.0))
    log.add(1.0, (0.5, -1.0), "one")
    assert not log.is_better((0.5, -1.0))
    log.add(1.0, (0.4, -1.0), None)
    assert (log.best, log.best_epoch) == ("one", 1)


def test_a_score_that_is_not_a_number_is_beaten_by_any_number():
    log = EpochLog()
    for reached in ((nan, nan), (-0.5, -1.0), (nan, 0.0), (-0.5, nan), (-0.5, -0.9)):
        log.add(1.0, reached, reached)
    assert (log.best, log.best_epoch) == ((-0.5, -0.9), 5)


def test_the_first_epoch_stays_the_best_where_no_score_is_a_number():
    log = EpochLog()
    for number in (1, 2, 3):
        log.add(1.0, (nan, nan), number)
    assert (log.best, log.best_epoch, log.is_patience_over(2)) == (1, 1, True)


def test_patience_counts_epochs_since_the_best():
    log = EpochLog()
    for reached in (0.5, 0.6, 0.6, 0.5):
        log.add(1.0, (reached, 0.0), None)
    assert [log.is_patience_over(patience) for patience in (1, 2, 3, None)] == [True, True, False, False]


def test_a_checkpoint_is_due_when_it_costs_little(monkeypatch):
    monkeypatch.setattr("understudy.optim.epochs.SAVING_SHARE", 0.05)
    log = EpochLog()
    assert not log.is_saving_due
    log.saved_at -= 1.01
    assert log.is_saving_due  # a training that takes longer than a second
    log.note_saving(time.perf_counter() - 100.0)  # it took 100 s: the next one is due after 2,000 s
    assert log.saving_seconds == pytest.approx(100.0, abs=1.0)
    assert not log.is_saving_due
    log.saved_at -= 2001.0
    assert log.is_saving_due


def test_what_is_restored_is_what_was_noted():
    log = EpochLog()
    for reached in (0.5, 0.6, 0.4):
        log.add(1.0, (reached, -0.25), reached)
    again = EpochLog()
    again.restore(json.loads(json.dumps(log.facts())), 0.6)
    assert (again.curve, again.best, again.best_score, again.best_epoch) == (
        log.curve, log.best, log.best_score, log.best_epoch
    )  # fmt: skip
    assert isinstance(again.curve[0], Epoch)
