"""What is set aside, what is paid, and that neither passes the budget."""

import threading
import time

import pytest

from understudy.teachers.chat.budget import DEAR, Budget, BudgetSpentError, Usage
from understudy.teachers.chat.config import ServerConfig


def purse(spent=None, **more):
    prices = {"price_in": 1e6, "price_out": 0.0}  # a token of prompt costs 1
    config = ServerConfig(base_url="http://host/v1", model="m", max_tokens=1, **{**prices, **more})
    return Budget(config, spent)


def paid(tokens):
    return Usage(1, tokens, 1, float(tokens))


def test_prompts_are_taken_to_be_as_much_longer_as_any_was():
    one = purse()
    together = [one.reserve(100, 1) for _ in range(8)]
    assert together[0].bill.prompt_tokens == 100 * DEAR  # nobody has counted yet
    for reserved in together:
        one.settle(reserved, paid(150))
    assert one.reserve(100, 1).bill.prompt_tokens == 150  # not 1.5 to the power of 8
    one.settle(one.reserve(100, 1), paid(20))
    assert one.reserve(100, 1).bill.prompt_tokens == 150
    assert one.spent == Usage(9, 1220, 9, 1220.0)


def test_an_estimate_teaches_nothing_and_a_refusal_costs_nothing():
    one = purse()
    reserved = one.reserve(10, 1)
    one.settle(reserved, reserved.bill)
    one.settle(one.reserve(10, 1), None)
    assert one.reserve(10, 1).bill.prompt_tokens == 10 * DEAR
    assert one.spent == Usage(1, 40, 1, 40.0, 1)


def test_who_does_not_fit_beside_others_waits_for_them():
    one, got = purse(budget=100.0), []
    first = one.reserve(20, 1)  # 80 of 100 are set aside
    thread = threading.Thread(target=lambda: got.append(one.reserve(20, 1)))
    thread.start()
    time.sleep(0.05)
    assert not got
    one.settle(first, paid(30))  # 30 are paid, and the next may cost 30
    thread.join(timeout=5)
    assert got[0].bill.cost == 30.0
    one.settle(got[0], paid(60))
    with pytest.raises(BudgetSpentError, match=r"100 USD is spent: 90.0000 are paid.*may cost 60"):
        one.reserve(20, 1)


def test_earlier_runs_count():
    with pytest.raises(BudgetSpentError, match="5 requests"):
        purse(Usage(5, 1, 1, 1.0), budget_requests=5).reserve(1, 1)


def test_many_threads_never_pass_a_budget():
    one = purse(budget=1000.0, budget_requests=30)

    def spend(seed):
        while True:
            try:
                reserved = one.reserve(10, 1)
            except BudgetSpentError:
                return
            time.sleep(0.001)
            assert one.spent.cost <= 1000.0
            one.settle(reserved, paid(25 + seed) if seed % 3 else None)
            if not seed % 3:
                return

    threads = [threading.Thread(target=spend, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.spent.cost <= 1000.0
    assert one.spent.requests == 30
