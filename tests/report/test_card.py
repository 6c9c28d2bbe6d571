import pytest
import yaml

from understudy.core.task import Task
from understudy.report.card import CardFacts, render_card
from understudy.report.record import ReportRow

from .sample import make_report, make_report_of


@pytest.fixture
def facts():
    return facts_of(make_report())


def facts_of(report):
    by_name = {row["name"]: row for row in report["rows"]}
    return {
        "student": "cbow.v1",
        "task": report["task"],
        "teacher": "minilm-l6 fine-tuned",
        "data": report["data"],
        "row": by_name["cbow.v1"],
        "teacher_row": by_name["minilm-l6 fine-tuned"],
        "undistilled_row": by_name["cbow.v1 labels only"],
        "machine": report["machine"],
        "parameters": 80_610,
        "vocabulary_size": 5_000,
        "understudy_version": "0.1.0",
    }


def card_of(facts):
    rows = {key: facts[key] and ReportRow.from_dict(facts[key]) for key in facts if key.endswith("row")}
    return render_card(CardFacts(**{**facts, **rows, "task": Task.from_dict(facts["task"])}))


def front_matter(card):
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def test_the_front_matter_is_what_hubs_read(facts):
    about = front_matter(card_of(facts))
    assert about["library_name"] == "understudy"
    assert about["license"] == "other"
    assert about["pipeline_tag"] == "text-classification"
    assert "knowledge-distillation" in about["tags"]
    result = about["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.871}]


def test_the_card_tells_of_rows_that_were_left_out(facts):
    assert "Pruning" not in card_of(facts)
    assert "- Pruning: 30 of 99 rows\\_.\n" in card_of(facts | {"pruning": "30 of 99 rows_"})


def test_a_given_license_stands(facts):
    assert front_matter(card_of(facts | {"license": "mit"}))["license"] == "mit"


def test_the_card_says_what_it_is_and_how_to_use_it(facts):
    card = card_of(facts)
    for part in (
        "# cbow.v1: concierge",
        "distilled from the teacher **minilm-l6 fine-tuned**",
        "80.6 k parameters, a vocabulary of 5,000",
        "understudy.load(",
        "understudy predict ",
        "breakfast, late checkout, lost key",
        "| this student | 87.1 % (85.3–88.8) | 86.1 % (84.1–88.1) | 0.841 | 93.3 % | 89.1 % |",
        "| teacher | 93.4 % (91.6–95.1) |",
        "| the same, trained on labels only | 82.2 % (80.4–83.9) |",
        "| Latency, p50 | 11.8 µs |",
        "tokenisation included, 1 thread on Example CPU",
        "dropped 2: train texts also in test",
        "Quantisation: not stated here",
    ):
        assert part in card
    assert "not evaluated yet" not in card.lower()
    assert "not clearly" not in card


def test_hubs_are_told_whose_answers_the_score_is_measured_by(facts):
    metric = front_matter(card_of(facts))["model-index"][0]["results"][0]["metrics"][0]
    assert "name" not in metric
    facts["data"]["labels_from"] = "the teacher"
    metric = front_matter(card_of(facts))["model-index"][0]["results"][0]["metrics"][0]
    assert metric["name"].endswith("by the teacher's answers, not gold labels")


def test_overlap_with_the_undistilled_model_is_admitted(facts):
    facts["undistilled_row"]["ci95"] = [0.8, 0.88]
    assert "not clearly different" in card_of(facts)


def test_without_numbers_it_says_not_evaluated_yet(facts):
    card = card_of(facts | {"row": None, "teacher_row": None, "undistilled_row": None, "machine": None})
    assert "Not evaluated yet." in card
    assert "Size and latency: not evaluated yet." in card
    assert "model-index" not in card
    assert "None" not in card


def test_a_row_without_latency_and_machine_still_reads(facts):
    facts["row"].update(latency_us=None, threads=None, throughput_per_s=None)
    card = card_of(facts | {"machine": None, "teacher_row": None, "undistilled_row": None})
    assert "| Latency, p50 | – |" in card
    assert "tokenisation included.\n" in card


def test_names_cannot_break_the_card(facts):
    facts["data"]["name"] = "x\n---\nlicense: mit: [<script>"
    facts["task"]["labels"] = ["<script>", "a|b"]
    card = card_of(facts)
    assert front_matter(card)["license"] == "other"
    assert "<script>" not in card.split("---\n", 2)[2]


def test_very_many_labels_are_counted(facts):
    facts["task"]["labels"] = [f"label {i}" for i in range(300)]
    assert "300 labels, listed in the folder." in card_of(facts)


def test_a_stated_quantisation_is_repeated(facts):
    assert "Quantisation: weights as int8." in card_of(facts | {"quantisation": "weights as int8"})


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (
            "pair",
            ["A small classifier of pairs of texts", '("one text", "and another")', "| Pairs per second |"],
        ),
        ("multilabel", ["gives a text any number of labels", "| Micro F1 (95 %) | Macro F1 |", "## Labels"]),
        (
            "regression",
            ["gives a pair a value", "## Values\n\nRegression from 0 to 5.", "| 0.871 (0.853–0.888) |"],
        ),
        ("bins", ["Regression from 0 to 2 in 5 bins.", 'student.predict(["a text']),
        (
            "tagging",
            ["A small tagger of words", "## Tags\n\nO, B-GUEST", "test sentences", "One sentence at a"],
        ),
        ("words", ["(tagging with 3 tags)", "a word that fits none is still given one"]),
    ],
)
def test_the_card_of_every_kind(kind, parts):
    card = card_of(facts_of(make_report_of(kind)))
    for part in parts:
        assert part in card, part
    assert "None" not in card
    wanted = "token-classification" if kind in ("tagging", "words") else "text-classification"
    assert front_matter(card)["pipeline_tag"] == wanted


def test_the_card_says_whether_distillation_helped_as_the_paired_comparison_does():
    card = card_of(facts_of(make_report_of("classification")))
    assert "Distillation changed its score by +4.9 points (−0.4 to +10.2), which is within noise." in card
