import pytest

from understudy.core.task import Task
from understudy.report.verdict import (
    find_confusions,
    find_gains,
    find_gaps,
    give_verdict,
    judge,
    name_gaps,
    overlap,
)
from understudy.report.wording import wording

from .sample import document, make_report, make_report_of, row_with

WORDS = wording(Task(("a", "b")))


def row_of(report, name):
    return next(row for row in report["rows"] if row["name"] == name)


@pytest.fixture
def report():
    return make_report()


def test_the_headline_is_one_a_boss_understands(report):
    expected = (
        "bilstm.v1 keeps 97 % of the teacher's accuracy at 1/33 of the size and answers 85 times faster."
    )
    assert give_verdict(document(report)).headline == expected


def test_the_details_judge_teacher_twin_baseline_and_speed(report):
    text = "\n".join(give_verdict(document(report)).details)
    assert "2.7 points below the teacher's, which is not clearly worse" in text
    assert (
        "Distillation added 6.1 points over the same architecture trained on labels only, which is clearly"
        in text
    )
    assert "6.9 points above the baseline tfidf + logistic regression, which is clearly better" in text
    assert "cbow.v1 is 7.4 times faster still and scores 87.1 % (85.3–88.8)" in text
    assert f"{report['data']['sizes']['test']} test texts" in text


def test_overlapping_intervals_are_not_clearly_better(report):
    row_of(report, "bilstm.v1 labels only").update(score=0.9, ci95=[0.88, 0.92])
    text = "\n".join(give_verdict(document(report)).details)
    assert "Distillation added 0.7 points" in text
    assert "labels only, which is not clearly better (the 95 % intervals overlap)" in text


@pytest.mark.parametrize(
    ("score", "interval", "expected"),
    [
        (
            0.95,
            [0.94, 0.96],
            "cost 4.3 points against the same architecture trained on labels only, which is clearly",
        ),
        (
            0.907,
            [0.89, 0.92],
            "added nothing over the same architecture trained on labels only, which is not clearly",
        ),
    ],
)
def test_distillation_that_does_not_help_is_said_not_to(report, score, interval, expected):
    row_of(report, "bilstm.v1 labels only").update(score=score, ci95=interval)
    assert f"Distillation {expected}" in "\n".join(give_verdict(document(report)).details)


def test_without_intervals_nothing_is_called_clear(report):
    for row in report["rows"]:
        row["ci95"] = None
    text = "\n".join(give_verdict(document(report)).details)
    assert "clearly" not in text
    assert "without intervals to judge" in text


@pytest.mark.parametrize(
    ("retention", "speedup", "size_bytes", "expected"),
    [
        (
            0.9996,
            85.0,
            2_760_000,
            "keeps 99.9 % of the teacher's accuracy at 1/33 of the size and answers 85 times",
        ),
        (1.012, 85.0, 2_760_000, "reaches 101 % of the teacher's accuracy"),
        (0.9, 0.5, 181_800_000, "at 2.0 times the size and answers 2.0 times slower."),
        (0.9, 1.05, 90_900_000, "at about the same size and answers about as fast."),
        (0.9, 4.4, None, "keeps 90 % of the teacher's accuracy and answers 4.4 times faster."),
        (0.9, None, 2_760_000, "keeps 90 % of the teacher's accuracy at 1/33 of the size."),
        (None, None, None, "bilstm.v1 reaches 90.7 % (88.9–92.4) accuracy."),
    ],
)
def test_the_headline_fits_the_numbers(report, retention, speedup, size_bytes, expected):
    row_of(report, "bilstm.v1").update(retention=retention, speedup=speedup, size_bytes=size_bytes)
    assert expected in give_verdict(document(report)).headline


def test_without_students_it_says_so():
    verdict = give_verdict(document(make_report(n_rows=1)))
    assert verdict.headline == "No student has been evaluated yet."
    assert verdict.details == ()


def test_a_student_alone_gets_a_verdict(report):
    report["rows"] = [row_of(report, "bilstm.v1") | {"retention": None, "speedup": None, "latency_us": None}]
    assert give_verdict(document(report)).headline == "bilstm.v1 reaches 90.7 % (88.9–92.4) accuracy."


def test_a_student_without_latency_still_names_a_faster_one(report):
    row_of(report, "bilstm.v1")["latency_us"] = None
    assert (
        "Where speed counts most: cbow.v1 scores 87.1 % (85.3–88.8)."
        in give_verdict(document(report)).details
    )


@pytest.mark.parametrize(
    ("interval", "expected"), [([0.1, 0.2], False), ([0.1, 0.5], True), ([0.55, 0.6], True), (None, None)]
)
def test_overlap(interval, expected):
    assert overlap(row_with(ci95=[0.5, 0.6]), row_with(ci95=interval)) is expected


def test_gaps_begin_with_the_biggest_loss():
    teacher = row_with(per_label_f1={"a": 0.9, "b": 0.8, "c": 0.5, "only teacher": 1.0})
    student = row_with(per_label_f1={"a": 0.85, "b": 0.6, "c": 0.7})
    gaps = find_gaps(teacher, student)
    assert [gap.label for gap in gaps] == ["b", "a", "c"]
    assert name_gaps(gaps, WORDS) == (
        "Against the teacher, the student loses most F1 on b (20.0 points), a (5.0 points). "
        "It is better than the teacher on 1 of 3 labels."
    )


def test_gaps_may_be_absent_or_small():
    assert find_gaps(None, row_with(per_label_f1={"a": 1.0})) == []
    assert "There is no F1 by label" in name_gaps([], WORDS)
    same = row_with(per_label_f1={"a": 0.9})
    assert name_gaps(find_gaps(same, same), WORDS).startswith("On no label")


def test_confusions_are_the_most_frequent_wrong_answers():
    row = row_with(confusion=[[5, 5, 0], [1, 9, 0], [0, 5, 15]])
    found = find_confusions(row, ["a", "b", "c"])
    assert [(c.gold, c.answer, c.count, c.share) for c in found] == [
        ("a", "b", 5, 0.5), ("c", "b", 5, 0.25), ("b", "a", 1, 0.1)
    ]  # fmt: skip
    assert find_confusions(row, ["a", "b", "c"], limit=1) == found[:1]
    assert find_confusions(row_with(confusion=None), ["a"]) == []


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ([0.01, 0.1], "clearly better"),
        ([-0.1, -0.01], "clearly worse"),
        ([-0.01, 0.1], "within noise"),
        ([0.0, 0.1], "within noise"),
    ],
)
def test_a_paired_comparison_is_judged_by_whether_its_interval_leaves_out_zero(interval, expected):
    assert judge({"interval": interval}) == expected


def test_the_verdict_prefers_the_paired_comparison_to_two_intervals():
    text = "\n".join(give_verdict(document(make_report_of("tagging"))).details)
    assert (
        "Distillation added 6.1 points over the same architecture trained on labels only, which is clearly "
        "better (the 95 % interval of the difference is +3.1 to +9.2)." in text
    )
    assert "baseline tfidf + logistic regression, which is clearly better (the 95 % interval of the" in text
    assert "test sentences that no training step has seen" in text


def test_a_gain_within_noise_is_said_to_be_and_a_comparison_with_another_row_is_left_aside():
    report = make_report_of("regression")
    report["rows"] = [row for row in report["rows"] if row["name"].startswith(("cbow", "tfidf"))]
    student = row_of(report, "cbow.v1")
    text = "\n".join(give_verdict(document(report)).details)
    expected = "labels only, which is within noise (the 95 % interval of the difference is −0.004 to +0.102)"
    assert expected in text
    student["against_undistilled"]["name"] = "another"
    assert "labels only, which is clearly better (the 95 % intervals do not overlap)" in "\n".join(
        give_verdict(document(report)).details
    )


def test_the_teacher_may_be_compared_in_pairs_too():
    report = make_report_of("pair")
    compared = {"name": "minilm-l6 fine-tuned", "difference": -0.03, "share_not_better": 1.0}
    row_of(report, "bilstm.v1")["against_teacher"] = compared | {"interval": [-0.04, -0.01]}
    assert (
        "the teacher's, which is clearly worse (the 95 % interval of the difference is −0.040 to −0.010)"
        in give_verdict(document(report)).details[0]
    )


def test_gains_of_every_student_are_found():
    gains = find_gains(document(make_report_of("multilabel")).rows)
    assert [(g.student, g.role) for g in gains[:2]] == [("cbow.v1", "undistilled"), ("cbow.v1", "baseline")]
    assert len(gains) == 6
    assert (gains[0].difference, gains[0].interval, gains[0].verdict) == (
        "+4.9 points", "−0.4 to +10.2", "within noise"
    )  # fmt: skip
    assert find_gains(document(make_report()).rows) == []


def test_gaps_are_named_by_what_f1_is_counted_by():
    spans = wording(document(make_report_of("tagging")).task)
    assert name_gaps([], spans) == "There is no F1 by kind of span of a teacher and a student to compare."


def test_a_student_below_its_teacher_is_judged_by_pairs_though_the_intervals_overlap():
    report = make_report_of("classification")
    student, teacher = row_of(report, "bilstm.v1"), row_of(report, "minilm-l6 fine-tuned")
    student.update(score=0.85, ci95=[0.82, 0.88])
    teacher.update(score=0.892, ci95=[0.865, 0.919])
    compared = {"name": teacher["name"], "difference": -0.042, "share_not_better": 1.0}
    student["against_teacher"] = compared | {"interval": [-0.061, -0.022]}
    said = (
        "4.2 points below the teacher's, which is clearly worse (the 95 % interval of the difference is −6.1"
    )
    assert said in give_verdict(document(report)).details[0]
    student["against_teacher"] = compared | {"interval": [-0.09, 0.006]}
    assert "which is within noise" in give_verdict(document(report)).details[0]


def test_a_useless_teacher_is_called_the_problem(report):
    teacher = row_of(report, "minilm-l6 fine-tuned")
    teacher.update(score=0.35, ci95=[0.3, 0.4])
    row_of(report, "bilstm.v1").update(retention=2.59)
    verdict = give_verdict(document(report))
    assert verdict.headline == (
        "The teacher is the problem: its 35.0 % accuracy is clearly below the baseline tfidf + logistic "
        "regression (83.8 %) and its own student bilstm.v1 (90.7 %). Fine-tune it longer, or choose another "
        "teacher, before you judge a student."
    )
    assert verdict.details[0].startswith("bilstm.v1 reaches 259 % of the teacher's accuracy")


def test_a_teacher_no_better_than_the_baseline_is_mentioned(report):
    row_of(report, "minilm-l6 fine-tuned").update(score=0.83, ci95=[0.75, 0.9])
    row_of(report, "bilstm.v1")["against_teacher"] = None
    row_of(report, "bilstm.v1")["ci95"] = [0.88, 0.92]
    verdict = give_verdict(document(report))
    assert verdict.headline.startswith("bilstm.v1 keeps")
    assert verdict.details[0] == (
        "The teacher scores 83.0 %, no more than the baseline tfidf + logistic regression (83.8 %): it has "
        "little to teach."
    )


def test_a_student_within_noise_above_its_teacher_accuses_nobody(report):
    row_of(report, "bilstm.v1").update(score=0.94, ci95=[0.92, 0.96], retention=1.006)
    verdict = give_verdict(document(report))
    assert verdict.headline.startswith("bilstm.v1 reaches 101 % of the teacher's accuracy")
    assert "problem" not in " ".join(verdict.details)


def test_a_baseline_clearly_above_the_best_student_is_the_headline(report):
    student = row_of(report, "bilstm.v1")
    paired = {"name": "tfidf + logistic regression", "difference": -0.02, "share_not_better": 1.0}
    student["against_baseline"] = {**paired, "interval": [-0.03, -0.01]}
    verdict = give_verdict(document(report))
    assert verdict.headline == (
        "The baseline tfidf + logistic regression serves better here: its 83.8 % accuracy is clearly above "
        "the 90.7 % of bilstm.v1, the best student on dev."
    )
    assert verdict.details[0].startswith("bilstm.v1 keeps 97 %")
    student["against_baseline"]["interval"] = [-0.03, 0.01]
    assert give_verdict(document(report)).headline.startswith("bilstm.v1 keeps")


def test_a_baseline_is_compared_by_intervals_where_there_are_no_pairs(report):
    baseline = row_of(report, "tfidf + logistic regression")
    baseline.update(score=0.95, ci95=[0.94, 0.96])
    row_of(report, "minilm-l6 fine-tuned").update(score=0.96, ci95=[0.95, 0.97])
    assert give_verdict(document(report)).headline.startswith("The baseline tfidf")
    baseline.update(ci95=[0.90, 0.97])
    assert give_verdict(document(report)).headline.startswith("bilstm.v1 keeps")


def test_an_untaught_student_says_why_it_is_recommended(report):
    row_of(report, "bilstm.v1")["dev"] = 0.81
    row_of(report, "bilstm.v1 labels only").update(dev=0.99, against_baseline=None)
    verdict = give_verdict(document(report))
    assert verdict.headline.startswith("bilstm.v1 labels only ")
    text = " ".join(verdict.details)
    assert "It learnt from labels only: taught, it was worse on dev (81.0 % against 99.0 %)." in text
    assert "Distillation" not in text
