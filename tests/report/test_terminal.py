import pytest
from rich.console import Console

from understudy.report.terminal import table

from .sample import TASKS, document, make_report, make_report_of


def printed(report, width=110):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table(document(report)))
    return capture.get()


@pytest.mark.parametrize("n_rows", [1, 9, 12])
def test_it_fits_110_columns_without_cutting_a_number(n_rows):
    report = make_report(n_rows=n_rows)
    report["rows"][0]["name"] = "a-teacher-with-a-very-long-name/" * 4
    text = printed(report)
    assert max(map(len, text.splitlines())) <= 110
    assert "93.4 % (91.6–95.1)" in text
    assert text.count("…") == sum(len(row["name"]) > 24 for row in report["rows"])
    assert printed(report, 200).count("93.4 % (91.6–95.1)") == 1


def test_rows_are_ranked_and_the_front_is_marked():
    text = printed(make_report())
    marked = [
        line.startswith(("bilstm.v1  ", "transformer.v1  ")) and "★" in line for line in text.splitlines()
    ]
    assert sum(marked) == 1
    assert text.count("★") == 7  # heading, caption, and five rows
    assert text.index("minilm") < text.index("bilstm.v1 ") < text.index("majority")


def test_markup_in_names_is_plain_text():
    report = make_report(n_rows=1, name="[bold]demo[/bold]")
    report["rows"][0]["name"] = "[red]x[/red]"
    assert "[red]x[/red]" in printed(report)
    assert "[bold]demo[/bold]" in printed(report)


def test_what_was_not_measured_is_a_dash():
    report = make_report(n_rows=2)
    report["rows"][1].update(
        ci95=None,
        retention=None,
        agreement=None,
        parameters=None,
        size_bytes=None,
        latency_us=None,
        speedup=None,
    )
    line = next(line for line in printed(report).splitlines() if line.startswith("cbow.v1"))
    assert line.count("–") == 6


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_fits_and_names_its_metric_and_item(kind):
    text = printed(make_report_of(kind))
    assert max(map(len, text.splitlines())) <= 110
    title = {"pair": "Matthews correlation", "bins": "Spearman correlation", "tagging": "span F1"}
    assert title.get(kind, "") in text.splitlines()[0]
    assert ("one sentence at a time" in text) == (kind in ("tagging", "words"))
    assert ("0.907 (0.889–0.924)" in text) == (kind in ("pair", "regression", "bins"))


def test_scores_by_the_teachers_answers_are_called_so():
    assert "labelled by the teacher" not in printed(make_report())
    report = make_report()
    report["data"]["labels_from"] = "the teacher"
    assert "on the test split, labelled by the teacher" in printed(report)
