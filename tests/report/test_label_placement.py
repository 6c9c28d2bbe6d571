from understudy.report.label_placement import Mark, place_labels
from understudy.report.svg import add_axes, new_figure, style


def overlaps(box, other):
    return min(box.x1, other.x1) > max(box.x0, other.x0) and min(box.y1, other.y1) > max(box.y0, other.y0)


def place(points, path=()):
    with style():
        axes = add_axes(new_figure(10, 5), 0.7, 0.5, 0.2, 0.3)
        axes.set(xlim=(0, 10), ylim=(0, 1))
        marks = [
            Mark(x, y, 3.0, f"model number {i}", (y - 0.01, y + 0.01)) for i, (x, y) in enumerate(points)
        ]
        boxes = place_labels(axes, marks, path)
        return boxes, axes.get_window_extent(), axes.transData.transform(points), axes


def test_a_crowd_of_labels_covers_neither_labels_nor_points():
    points = [(4 + 0.3 * (i % 4), 0.5 + 0.02 * (i // 4)) for i in range(12)]
    boxes, frame, dots, _ = place(points)
    assert not any(overlaps(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(box.contains(x, y) for box in boxes for x, y in dots)
    assert all(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 for box in boxes)


def test_at_the_edge_a_label_stays_inside():
    boxes, frame, _, _ = place([(10, 0.5), (0, 0.9)])
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_a_line_is_left_uncovered():
    level = [(0, 0.5), (10, 0.5)]
    boxes, _, dots, _ = place([(5, 0.5)], level)
    assert not boxes[0].y0 < dots[0][1] < boxes[0].y1


def test_a_label_far_from_its_point_is_tied_to_it():
    crowd = [(5 + 0.01 * i, 0.5) for i in range(10)]
    *_, axes = place(crowd)
    assert axes.lines
