import pytest

from understudy.report.markdown import escape, grid, render_markdown

from .sample import TASKS, document, make_report, make_report_of


def test_it_tells_the_whole_story():
    text = render_markdown(document(make_report()))
    assert text.startswith("# concierge\n\n**bilstm.v1 keeps 97 % of the teacher's accuracy")
    for part in (
        "| bilstm.v1 | student | 90.7 % (88.9–92.4) |",
        "| train | ",
        "dropped 2: train texts also in test",
        "stratified by label",
        "one text at a time, tokenisation included",
        "1 thread on Example CPU @ 2.50GHz",
        "| finetune | 5 min 12 s |",
        "| data | unchanged, skipped |",
        "## How to read it",
        "## Limits",
    ):
        assert part in text
    assert "torch" not in text  # a version that is null is left out


def test_tables_keep_their_columns_whatever_the_names():
    report = make_report()
    report["rows"][0]["name"] = "a|b\nc `d` <script>alert(1)</script>"
    report["data"]["dropped"] = {"<b>|": 3}
    text = render_markdown(document(report))
    assert "<script>" not in text
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert rows[0].replace("\\|", "").count("|") == 14


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a|b", "a\\|b"), ("*x*_y_", "\\*x\\*\\_y\\_"), ("a & <b>", "a &amp; &lt;b&gt;"), ("a\nb", "a b")],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_grid_aligns_numbers_to_the_right():
    assert grid(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_without_stages_it_says_so():
    assert "No stage was recorded." in render_markdown(document(make_report() | {"stages": []}))


@pytest.mark.parametrize(("n_labels", "n_rows"), [(2, 1), (150, 12)])
def test_any_size_renders(n_labels, n_rows):
    assert f"{n_labels} labels" in render_markdown(document(make_report(n_labels, n_rows)))


def test_threads_and_memory_are_named_as_they_are():
    report = make_report()
    report["rows"][0]["threads"] = 4
    report["machine"]["memory_gib"] = None
    text = render_markdown(document(report))
    assert "with 1 or 4 threads on" in text
    assert "Memory: unknown" in text
    for row in report["rows"]:
        row["threads"] = None
    report["machine"]["threads"] = 2
    assert "with 2 threads on" in render_markdown(document(report))


ITEMS = dict.fromkeys(TASKS, "text") | {
    "pair": "pair", "regression": "pair", "tagging": "sentence", "words": "sentence"
}  # fmt: skip


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_tells_its_story(kind):
    text = render_markdown(document(make_report_of(kind)))
    assert "## What distillation adds" in text
    assert "| cbow.v1 | undistilled | cbow.v1 labels only | +" in text
    assert "| within noise |" in text
    assert "| bilstm.v1 | 1,200 | " in text
    assert ("## Where it loses" in text) == (kind not in ("regression", "bins"))
    assert "None" not in text
    for item in ("text", "pair", "sentence"):
        assert (f"answer one {item} at a time" in text) == (item == ITEMS[kind])


def test_all_metrics_of_a_kind_stand_in_the_table():
    header = "| Name | Role | Span F1 (95 %) | Macro F1 | Accuracy | Retention |"
    assert header in render_markdown(document(make_report_of("tagging")))
    text = render_markdown(document(make_report_of("regression")))
    assert "| Pearson correlation (95 %) | Spearman correlation | Retention |" in text
    assert "| bilstm.v1 | student | 0.907 (0.889–0.924) | 0.877 | 97.1 % | 0.927 |" in text
    assert "+0.061 (+0.031 to +0.092) | clearly better |" in text


def test_without_comparisons_and_steps_their_sections_are_left_out():
    text = render_markdown(document(make_report()))
    assert "What distillation adds" not in text
    assert "## Training" not in text


def test_what_was_decided_about_graphs_stands_under_cost():
    report = make_report()
    assert "int8" not in render_markdown(document(report))
    report["rows"][2]["quantisation"] = "int8, which is <faster>"
    text = render_markdown(document(report))
    assert "- cnn.v1: int8, which is &lt;faster&gt;." in text[text.index("## Cost") : text.index("## Stages")]


def test_what_a_call_alone_costs_is_said_where_it_was_measured():
    report = make_report()
    assert "does nothing" not in render_markdown(document(report))
    for row, cost in zip(report["rows"], (0.05, 0.04, 0.06), strict=False):
        row["call_us"] = cost
    assert "A call that does nothing takes 0.05 µs of it." in render_markdown(document(report))
