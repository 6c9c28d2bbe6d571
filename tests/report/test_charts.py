import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from understudy.report import charts as pictures
from understudy.report.record import ReportRow
from understudy.report.rows import rank

from .sample import document, make_report, make_report_of, row_with


def draw_all(report):
    rows, labels = rank(document(report).rows), report["task"]["labels"]
    return {
        "cost": pictures.quality_against_latency(document(report)),
        "confusion": pictures.confusion_matrix(rows[0], labels),
        "training": pictures.training_curves(rows),
        "calibration": pictures.calibration_curve(rows),
        "per_label": pictures.per_label(rows[:3]),
    }


def texts(svg):
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(scope="module")
def drawn():
    return draw_all(make_report())


def test_the_same_numbers_give_the_same_bytes():
    assert draw_all(make_report(5, 3)) == draw_all(make_report(5, 3))


def test_ids_are_unique_over_all_pictures_and_references_resolve(drawn):
    page = "".join(drawn.values())
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page)) <= set(ids)


def test_each_is_one_inline_element_that_needs_nothing_else(drawn):
    for svg in drawn.values():
        assert svg.startswith("<svg ")
        assert svg.endswith("</svg>")
        assert 'role="img" aria-label="' in svg
        assert ET.fromstring(svg).get("width") is None
        for foreign in ("<?xml", "<!DOCTYPE", "<metadata", "<style", "DejaVu", "data:", "<image", "2026"):
            assert foreign not in svg


def test_colours_are_variables_that_a_dark_page_can_change(drawn):
    for svg in drawn.values():
        assert not re.findall(r"(?:fill|stroke): (#\w+)", svg)
    assert "var(--teacher, #d55e00)" in drawn["cost"]


def test_matplotlib_is_left_as_it_was(drawn):
    before = dict(mpl.rcParams)
    pictures.quality_against_latency(document(make_report(n_rows=2)))
    assert dict(mpl.rcParams) == before


def test_every_row_is_named_with_its_size(drawn):
    named = texts(drawn["cost"])
    assert "bilstm.v1 · 2.76 MB" in named
    assert "minilm-l6 fine-tuned · 90.9 MB" in named
    assert "majority ↓ 14.0 %" in named  # far below the others: on the edge, with its score
    assert "10 µs" in named
    assert "1 ms" in named


def test_a_confusion_matrix_counts_only_where_there_is_room():
    def numbers(n):
        report = document(make_report(n, 1))
        found = texts(pictures.confusion_matrix(report.rows[0], report.task.labels))
        return [text for text in found if text.isdigit()]

    small = make_report(3, 1)["rows"][0]["confusion"]
    assert sorted(numbers(3)) == sorted(str(n) for row in small for n in row if n)
    assert numbers(15)
    assert not numbers(16)


def test_of_many_labels_the_most_confused_are_shown():
    report = make_report(150, 1)
    row, labels = report["rows"][0], report["task"]["labels"]
    row["confusion"] = [[60 if i == j else 0 for j in range(150)] for i in range(150)]
    row["confusion"][140][141] = 30
    named = texts(pictures.confusion_matrix(ReportRow.from_dict(row), labels))
    assert "label 140" in named
    assert "label 141" in named
    assert sum(text in labels for text in named) == 2 * pictures.MOST_LABELS


def test_labels_stand_in_the_order_of_loss():
    rows = [
        row_with(name="t", role="teacher", per_label_f1={"a": 0.9, "b": 0.9, "c": 0.5}),
        row_with(name="s", role="student", per_label_f1={"a": 0.8, "b": 0.3, "c": 0.9}),
    ]
    assert [text for text in texts(pictures.per_label(rows)) if text in "abc"] == [
        "b",
        "a",
        "c",
    ]
    assert [text for text in texts(pictures.per_label(rows[1:])) if text in "abc"] == [
        "b",
        "a",
        "c",
    ]


def test_nothing_to_draw_gives_nothing():
    report = make_report(n_rows=1)
    row = report["rows"][0]
    row.update(latency_us=None, confusion=None, calibration=None, per_label_f1=None, curve=[])
    assert set(draw_all(report).values()) == {""}


@pytest.mark.parametrize(("n_labels", "n_rows"), [(2, 1), (30, 3), (150, 12)])
def test_any_size_draws(n_labels, n_rows):
    for name, svg in draw_all(make_report(n_labels, n_rows)).items():
        if svg:
            ET.fromstring(svg)
        else:
            assert (name, n_rows) == ("training", 1)


def test_odd_names_are_shown_as_they_are():
    odd = ['$a_b$ <i> & "q"', "早餐 🍞", "tab\tnew\nline", 'id="x" : #1b1f24', "x" * 300]
    report = make_report(5, 3)
    report["task"]["labels"] = odd
    for row in report["rows"]:
        row["per_label_f1"] = dict(zip(odd, row["per_label_f1"].values(), strict=True))
        row["name"] += " $x^2$ <script>"
    drawn = draw_all(report)
    named = texts(drawn["per_label"])
    assert odd[0] in named
    assert odd[1] in named
    assert "tab new line" in named
    assert odd[3] in named
    assert "<script>" not in "".join(drawn.values())
    assert "cbow.v1 $x^2$ <script> · 331 KB" in texts(drawn["cost"])


def test_rows_without_interval_size_or_spread_are_drawn():
    report = make_report(n_rows=2)
    for row in report["rows"]:
        row.update(ci95=None, size_bytes=None, score=0.5, latency_us={"p50": 10.0}, pareto=False)
    assert "cbow.v1 · –" in texts(pictures.quality_against_latency(document(report)))


def test_correlations_are_not_percentages():
    report = make_report(n_rows=3)
    report["task"]["metric"] = "mcc"
    for row in report["rows"]:
        row["metric"] = "mcc"
    svg = pictures.quality_against_latency(document(report))
    assert not any(text.endswith("%") for text in texts(svg))
    assert "minilm-l6 fine-tuned: 0.934" in svg


def test_pictures_of_tagging_show_kinds_of_span_and_sentences():
    drawn = draw_all(make_report_of("tagging"))
    assert {"GUEST", "ROOM", "DAY"} <= set(texts(drawn["per_label"]))
    assert "p50 latency of one sentence (faster to the left)" in texts(drawn["cost"])


def test_a_report_on_values_has_fewer_pictures():
    drawn = draw_all(make_report_of("regression"))
    assert {name for name, svg in drawn.items() if svg} == {"cost", "training"}
    assert not any(text.endswith("%") for text in texts(drawn["cost"]))
