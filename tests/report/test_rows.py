import math

import pytest

from understudy.report import numbers, rows

from .sample import row_with


def row(score, p50, role="student", name="m"):
    latency = None if p50 is None else {"p50": p50, "p95": p50, "p99": p50}
    return row_with(name=name, role=role, score=score, latency_us=latency)


def test_the_front_holds_what_nothing_beats_on_both_counts():
    models = [row(0.9, 100), row(0.8, 10), row(0.8, 20), row(0.7, 5), row(0.85, 100)]
    assert rows.pareto(models) == [True, True, False, True, False]


def test_latencies_that_differ_by_noise_are_one():
    assert rows.pareto([row(0.7, 16.4), row(0.5, 16.2)]) == [True, False]
    assert rows.pareto([row(0.7, 16.4), row(0.5, 15.2)]) == [True, True]


def test_equal_rows_do_not_push_each_other_off_the_front():
    assert rows.pareto([row(0.9, 10), row(0.9, 10)]) == [True, True]


def test_better_in_one_and_equal_in_the_other_is_enough_to_dominate():
    assert rows.pareto([row(0.9, 10), row(0.9, 11), row(0.89, 10)]) == [True, False, False]


def test_all_roles_compete():
    assert rows.pareto([row(0.9, 10, "baseline"), row(0.8, 20, "student")]) == [True, False]


def test_a_row_without_latency_is_infinitely_slow():
    assert rows.pareto([row(0.8, None), row(0.8, 1e9), row(0.9, None)]) == [False, True, True]


def test_rank_puts_roles_in_order_and_scores_from_the_best_down():
    models = [
        row(0.99, 1, "baseline", "b"),
        row(0.7, 5, "student", "s-low"),
        row(0.8, 9, "student", "s-slow"),
        row(0.8, 2, "student", "s-fast"),
        row(0.9, 9, "undistilled", "u"),
        row(0.5, 99, "teacher", "t"),
    ]
    assert [r.name for r in rows.rank(models)] == ["t", "s-fast", "s-slow", "s-low", "u", "b"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.percent(0.871), "87.1 %"),
        (numbers.percent(0.871, 0), "87 %"),
        (numbers.percent(None), "–"),
        (numbers.percent(math.nan), "–"),
        (numbers.score("mcc", 0.8714), "0.871"),
        (numbers.score("accuracy", None), "–"),
        (numbers.score_with_interval("accuracy", 0.871, [0.852, 0.889]), "87.1 % (85.2–88.9)"),
        (numbers.score_with_interval("mcc", 0.5, [0.4, 0.6]), "0.500 (0.400–0.600)"),
        (numbers.score_with_interval("accuracy", 0.871, None), "87.1 %"),
        (numbers.bounds("accuracy", None), "–"),
        (numbers.bounds("pearson", [-0.1, 0.2]), "-0.100 to 0.200"),
        (numbers.score("spearman", 0.8714), "0.871"),
        (numbers.score("span_f1", 0.8714), "87.1 %"),
        (numbers.signed("span_f1", -0.0614), "−6.1"),
        (numbers.signed("pearson", 0.0614), "+0.061"),
        (numbers.heading("span F1"), "Span F1"),
        (numbers.metric_name("pearson"), "Pearson correlation"),
        (numbers.difference("accuracy", -0.061), "6.1 points"),
        (numbers.difference("mcc", 0.061), "0.061"),
        (numbers.duration(11.84), "11.8 µs"),
        (numbers.duration(999.7), "1 ms"),
        (numbers.duration(7450), "7.45 ms"),
        (numbers.duration(2.5e6), "2.5 s"),
        (numbers.duration(5e9), "5,000 s"),
        (numbers.size(700_000), "700 KB"),
        (numbers.size(90_900_000), "90.9 MB"),
        (numbers.size(None), "–"),
        (numbers.count(80_610), "80.6 k"),
        (numbers.count(22_700_000), "22.7 M"),
        (numbers.count(10), "10"),
        (numbers.whole(12_345), "12,345"),
        (numbers.times(312.4), "×312"),
        (numbers.times(2.44), "×2.4"),
        (numbers.times(9.97), "×10"),
        (numbers.times(None), "–"),
        (numbers.stretch(4.2), "4.2 s"),
        (numbers.stretch(81.2), "1 min 21 s"),
        (numbers.stretch(59.97), "1 min 0 s"),
        (numbers.stretch(7500), "2 h 5 min"),
        (numbers.stretch(None), "–"),
        (numbers.moment("2026-11-20T08:00:00+00:00"), "2026-11-20 08:00 UTC"),
        (numbers.moment("yesterday"), "yesterday"),
        (numbers.metric_name("macro_f1"), "macro F1"),
        (numbers.metric_name("some_other"), "some other"),
    ],
)
def test_numbers_read_as_people_write_them(shown, expected):
    assert shown == expected


def test_clean_leaves_one_line_without_controls_or_surrogates():
    assert numbers.clean(" a\n\tb\x00c\x1b[31m \ud800") == "a b c [31m �"


def test_shorten_keeps_to_the_width():
    assert numbers.shorten("abcdef", 6) == "abcdef"
    assert numbers.shorten("abcdefg", 6) == "abcde…"


def scored(metric, metrics, **more):
    known = {"metric": metric, "metrics": metrics, "macro_f1_ci95": [0.6, 0.8], "agreement": 0.9}
    return row_with(**known | more)


def test_other_metrics_are_those_that_do_not_rank():
    table = [scored("span_f1", {"span_f1": 0.8, "macro_f1": 0.7, "accuracy": 0.9}), scored("span_f1", None)]
    assert rows.other_metrics(table) == ["macro_f1", "accuracy"]
    assert rows.other_score(table[0], "macro_f1") == "70.0 % (60.0–80.0)"
    assert rows.other_score(table[0], "accuracy") == "90.0 %"
    assert rows.other_score(table[1], "accuracy") == "–"


def test_agreement_of_values_is_a_correlation():
    assert rows.agreed(scored("spearman", {})) == "0.900"
    assert rows.agreed(scored("mcc", {})) == "90.0 %"
    assert rows.agreed(scored("pearson", {}, agreement=None)) == "–"


def test_rows_with_steps():
    table = [row_with(name="a"), row_with(name="b", steps=5), row_with(name="c", convergence_steps=3)]
    assert [each.name for each in rows.with_steps(table)] == ["b", "c"]
