"""No test asks logits for equality to the bit, unless a comment says why they must be equal.

A matrix product of another shape, in another batch or at another address in memory may add its terms in
another order, and which order depends on the processor: such floats agree to a tolerance, not to the bit.
A comparison that is exact by construction says so: ``# exact: no matrix product, ...``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
EXACT = {"assert_array_equal", "array_equal", "equal"}
"""Functions that compare arrays to the bit."""

PRODUCTS = {"logits", "logits_of", "predict_proba", "module", "twin"}
"""What is called this answers with floats that went through a matrix product."""

ROUNDED = {"argmax", "decisions", "answers", "predict", "len", "fit", "isfinite", "state_dict"}
"""What is called this answers with something else than those floats."""

MARK = "# exact:"


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_product(node: ast.AST, products: set[str]) -> bool:
    """Whether an expression holds floats of a matrix product: a call of `PRODUCTS`, or its result's name."""
    if isinstance(node, ast.Call) and called(node) in ROUNDED:
        return False
    if isinstance(node, ast.Attribute) and node.attr in {"shape", "dtype", "task", "config", "encoder"}:
        return False
    if isinstance(node, ast.Call) and called(node) in PRODUCTS:
        return True
    if isinstance(node, ast.Name) and node.id in products:
        return True
    return any(is_product(child, products) for child in ast.iter_child_nodes(node))


def results(function: ast.AST) -> set[str]:
    """Names that a function gives to results of matrix products."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and is_product(node.value, found):
            found |= {name.id for target in node.targets for name in ast.walk(target) if hasattr(name, "id")}
    return found


def exact_comparisons(function: ast.AST, products: set[str]) -> Iterator[ast.expr]:
    """Where floats of matrix products on both sides, or of one and something computed, must be equal."""
    negated = {
        id(node.operand)
        for node in ast.walk(function)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and called(node) in EXACT and id(node) not in negated:
            is_literal = any(isinstance(argument, ast.List) for argument in node.args)  # of numbers by hand
            if is_product(node, products) and not is_literal:
                yield node
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            sides = (node.left, *node.comparators)
            if all(is_product(side, products) for side in sides):
                yield node


def unexplained(source: str) -> list[int]:
    """Lines on which logits are compared to the bit without a reason, on that line or the one above."""
    lines, found = source.splitlines(), []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in exact_comparisons(function, results(function)):
            if not any(MARK in line for line in lines[node.lineno - 2 : node.end_lineno]):
                found.append(node.lineno)
    return sorted(set(found))


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_logits_are_compared_with_a_tolerance(path):
    assert unexplained(path.read_text(encoding="utf-8")) == []


def test_the_check_finds_what_it_is_for():
    source = (
        "def test_a():\n"
        "    one, other = student.logits(['a']), student.logits(['b', 'a'])\n"
        "    np.testing.assert_array_equal(one[0], other[1])\n"
        "    # exact: the same call\n"
        "    np.testing.assert_array_equal(one, one)\n"
        "    assert (one == other).all()\n"
        "    assert not torch.equal(one, other)\n"
        "    assert (one.argmax() == other.argmax()).all()\n"
    )
    assert unexplained(source) == [3, 6]
