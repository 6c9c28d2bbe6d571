import gc
import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest

from understudy.core.task import Task
from understudy.errors import DataError
from understudy.evaluation.clock import SHORT_US, empty_call_us, measure, peak_memory_bytes, time_in_turns

TEXTS = ["one", "two", "three"]
QUICK = {
    "warmup_s": 0.0,
    "singles": 5,
    "most_singles": 40,
    "min_seconds": 0.02,
    "batch_seconds": 0.1,
    "repeats": 3,
}


class Clock:
    """A clock that only readings and work move, so that no other process has a say in what is measured."""

    def __init__(self, reading_ns=60):
        self.now_ns = 0
        self.reading_ns = reading_ns

    def perf_counter_ns(self):
        self.now_ns += self.reading_ns
        return self.now_ns

    def perf_counter(self):
        return self.perf_counter_ns() / 1e9

    def work(self, seconds):
        self.now_ns += round(seconds * 1e9)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    found = Clock()
    for name in ("perf_counter_ns", "perf_counter"):
        monkeypatch.setattr(time, name, getattr(found, name))
    monkeypatch.setattr(Fake, "work", found.work)
    return found


class Fake:
    """Takes a fixed time for each text and remembers what it was asked."""

    work = staticmethod(time.sleep)

    def __init__(self, seconds=0.0):
        self.task = Task(("no", "yes"))
        self.seconds = seconds
        self.asked = []
        self.collecting = set()

    def logits(self, texts):
        self.asked.append(list(texts))
        self.collecting.add(gc.isenabled())
        self.work(self.seconds * len(texts))
        return np.zeros((len(texts), 2), dtype=np.float32)


def test_latency_and_throughput_of_a_known_predictor():
    cost = measure(Fake(0.002), TEXTS * 20, threads=2, **QUICK)
    assert cost.latency_us.p50 == cost.latency_us.p99 == pytest.approx(2000, rel=1e-3)
    assert cost.throughput_per_s == pytest.approx(500, rel=1e-3)
    assert cost.throughput_range == pytest.approx((500, 500), rel=1e-3)
    assert cost.threads == 2
    assert cost.cpu
    assert cost.peak_memory_bytes > 10_000_000


def test_the_clock_of_the_machine_is_read(monkeypatch):
    monkeypatch.undo()
    cost = measure(Fake(0.002), TEXTS * 20, threads=1, **QUICK)
    assert 2000 <= cost.latency_us.p50 <= cost.latency_us.p95 <= cost.latency_us.p99
    low, high = cost.throughput_range
    assert low <= cost.throughput_per_s <= high <= 500
    assert empty_call_us() > 0.002


def test_single_texts_are_raw_strings_in_order_from_the_first():
    fake = Fake(0.001)
    cost = measure(fake, TEXTS, threads=1, **QUICK)
    timed = fake.asked[2 : 2 + cost.calls]  # after one call of warm-up, and one that tells how long a call is
    assert timed == [[TEXTS[i % 3]] for i in range(cost.calls)]
    assert fake.asked[2 + cost.calls :] == [TEXTS] * 4  # the first chunk, then three repeats


def test_a_fast_predictor_stops_at_the_most_calls_and_a_slow_one_at_the_fewest():
    assert measure(Fake(), TEXTS, threads=1, **QUICK | {"min_seconds": 60}).calls == 40
    assert measure(Fake(0.005), TEXTS, threads=1, **QUICK | {"min_seconds": 0.0}).calls == 5


def test_between_the_two_the_time_decides():
    cost = measure(Fake(0.002), TEXTS, threads=1, **QUICK | {"singles": 1, "min_seconds": 0.02})
    assert cost.calls == 10


def test_a_slow_predictor_gets_fewer_texts_at_once():
    many, ample = TEXTS * 100, QUICK | {"batch_seconds": 60}
    assert measure(Fake(), many, threads=1, **ample).batch_items == 300
    assert measure(Fake(), many, threads=1, **ample, batch_items=200).batch_items == 200
    assert measure(Fake(), many, threads=1, **ample, batch_items=10).batch_items == 10
    assert measure(Fake(0.002), many, threads=1, **QUICK).batch_items == 32
    assert 95 <= measure(Fake(0.0002), many, threads=1, **QUICK | {"batch_seconds": 0.06}).batch_items <= 100


def test_warm_up_is_not_counted():
    fake = Fake()
    cost = measure(fake, TEXTS, threads=1, **QUICK | {"warmup_s": 0.01})
    assert len([texts for texts in fake.asked if len(texts) == 1]) > cost.calls


class Asked(Fake):
    """Has a call of its own for what a user asks, which takes 4 µs a text."""

    def predict(self, texts):
        self.asked.append(texts)
        self.work(4e-6 if isinstance(texts, str) else 4e-6 * len(texts))

    def logits(self, texts):
        pytest.fail("its own call was not used")


def test_what_a_user_calls_is_timed():
    one = Asked()
    cost = measure(one, TEXTS, threads=1, **QUICK)
    assert cost.latency_us.p50 == pytest.approx(4, rel=0.01)
    assert set(map(type, one.asked)) == {str, list}
    found = time_in_turns(one, Fake(0.002), TEXTS, rounds=2, seconds=0.0)
    assert found.one_us < found.other_us


def test_short_calls_are_repeated_between_two_readings_and_counted_once():
    one = Asked()
    cost = measure(one, TEXTS, threads=1, **QUICK)
    singles = [text for text in one.asked if isinstance(text, str)][1 + 1 + 20 :]
    repeats = len(singles) // cost.calls
    assert repeats == math.ceil(SHORT_US / 4.06)
    assert singles == [TEXTS[number // repeats % 3] for number in range(len(singles))]


def test_the_cost_of_a_call_that_does_nothing_is_reported_apart(clock):
    clock.reading_ns = 100_000
    assert empty_call_us() == pytest.approx(0.005)  # a reading is shared by 20,000 calls
    assert measure(Asked(), TEXTS, threads=1, **QUICK).call_us == pytest.approx(0.005)


class Instant(Fake):
    """Answers faster than the clock can be read."""

    def predict(self, texts):
        self.work(1e-7)


def test_the_timer_does_not_dominate_what_is_faster_than_it(clock):
    clock.reading_ns = 3_000
    cost = measure(Instant(), TEXTS, threads=1, **QUICK)
    assert cost.latency_us.p50 == pytest.approx(0.1 + 3 / math.ceil(SHORT_US / 3.1))


def test_garbage_is_not_collected_while_the_clock_runs():
    fake = Fake()
    measure(fake, TEXTS, threads=1, **QUICK)
    assert fake.collecting == {False}
    assert gc.isenabled()


def test_collection_stays_off_where_it_was_off_and_comes_back_after_an_error():
    gc.disable()
    try:
        measure(Fake(), TEXTS, threads=1, **QUICK)
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(ValueError, match="broken"):
        measure(Broken(), TEXTS, threads=1, **QUICK)
    assert gc.isenabled()


class Broken(Fake):
    def logits(self, texts):
        raise ValueError("broken")


def test_cost_is_json_ready():
    document = measure(Fake(), TEXTS, threads=1, **QUICK).to_dict()
    assert json.loads(json.dumps(document)) == document
    assert set(document["latency_us"]) == {"p50", "p95", "p99"}


@pytest.mark.parametrize("items", [[("a", "b"), ("c", "d")], [("one", "word"), ("and", "three", "more")]])
def test_pairs_and_sentences_are_timed_like_texts(items):
    fake = Fake()
    cost = measure(fake, items, threads=1, **QUICK)
    assert fake.asked[0] == [items[0]]
    assert fake.asked[-1] == items
    assert cost.batch_items == 2


def test_no_items_is_refused():
    with pytest.raises(DataError, match="no item to time"):
        measure(Fake(), [], threads=1)


def test_peak_memory_reads_the_kernel_and_falls_back(tmp_path):
    status = tmp_path / "status"
    status.write_text("VmPeak:\t 99 kB\nVmHWM:\t    8732 kB\n")
    assert peak_memory_bytes(status) == 8732 * 1024
    status.write_text("Name: x\n")
    assert peak_memory_bytes(status) >= peak_memory_bytes() * 0.9
    assert peak_memory_bytes(tmp_path / "absent") > 10_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="the memory a child inherits is a matter of Linux")
def test_peak_memory_does_not_count_the_parent_and_sees_what_was_freed():
    ballast = np.ones(40_000_000)  # 305 MiB held by this process
    code = (
        "from understudy.evaluation.clock import peak_memory_bytes as peak; import numpy as np\n"
        "before = peak(); np.ones(10_000_000).sum(); print(before, peak())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, answer.stdout.split())
    assert before < ballast.nbytes
    assert 70_000_000 < after - before < 120_000_000  # 80 MB came and went


# ------------------------------------------------------------------------------------------------- in turns


def test_the_faster_of_two_wins_by_how_much_it_is_faster():
    found = time_in_turns(Fake(0.002), Fake(0.0005), TEXTS, rounds=7, seconds=0.1)
    assert found.ratio == pytest.approx(4, rel=1e-3)
    assert found.quartiles == pytest.approx((4, 4), rel=1e-3)
    assert (found.one_us, found.other_us) == pytest.approx((2000, 500), rel=1e-3)
    assert found.rounds == 7


def test_both_get_the_same_single_items_and_take_turns_at_being_first():
    heard = []

    class Named(Fake):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def logits(self, items):
            heard.append((self.name, items))
            return super().logits(items)

    time_in_turns(Named("a"), Named("b"), TEXTS, rounds=4, seconds=0.0)
    timed = heard[4:]  # after a call of warm-up and one that tells how long a call is, for each
    names = [name for name, _ in timed]
    assert names == ["a"] * 3 + ["b"] * 6 + ["a"] * 6 + ["b"] * 6 + ["a"] * 3
    assert [items for _, items in timed] == [[text] for text in TEXTS] * 8


def test_a_race_needs_items():
    with pytest.raises(DataError, match="Give at least one"):
        time_in_turns(Fake(), Fake(), [])


def test_no_garbage_is_collected_during_a_race():
    one, other = Fake(), Fake()
    time_in_turns(one, other, TEXTS, rounds=2, seconds=0.0)
    assert one.collecting == other.collecting == {False}
    assert gc.isenabled()
