"""What an expression asks for, read from its syntax tree."""

import math

import promql_parser as promql

COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
SETS = {"and", "or", "unless"}


def parts(expr):
    """What has to have figures: the expression itself, or, where it compares, what it compares.

    The sides of `and` and `or` stay together where neither compares, so that labels which do not fit
    are noticed.
    """
    tree = expr if isinstance(expr, promql.Expr) else promql.parse(expr)
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if isinstance(tree, promql.BinaryExpr) and (str(tree.op) in COMPARISONS or str(tree.op) in SETS and compares(tree)):
        return parts(tree.lhs) + parts(tree.rhs)
    if isinstance(tree, promql.Call) and tree.func.name == "absent":
        return [part for argument in tree.args for part in parts(argument)]
    return [] if isinstance(tree, promql.NumberLiteral) or is_number(tree) else [str(tree)]


def compares(tree):
    if isinstance(tree, promql.ParenExpr):
        return compares(tree.expr)
    if isinstance(tree, promql.Call):
        return tree.func.name == "absent"
    if not isinstance(tree, promql.BinaryExpr):
        return False
    return str(tree.op) in COMPARISONS or compares(tree.lhs) or compares(tree.rhs)


def is_number(tree):
    """Arithmetic of numbers only, such as 14.4 * 0.01."""
    return isinstance(tree, promql.BinaryExpr) and not selectors(tree)


def selectors(expr):
    """Every choice of series in it, without ranges and offsets."""
    tree = expr if isinstance(expr, promql.Expr) else promql.parse(expr)
    if isinstance(tree, promql.MatrixSelector):
        return selectors(tree.vector_selector)
    if isinstance(tree, promql.VectorSelector):
        return [str(tree)]
    below = [getattr(tree, side) for side in ("lhs", "rhs", "expr", "param") if getattr(tree, side, None) is not None]
    below += getattr(tree, "args", None) or []
    return [selector for branch in below for selector in selectors(branch)]


def faults(prometheus, expr):
    """Why the expression shows nothing; empty if each of its parts has a figure."""
    out = [f"no series: {selector}" for selector in selectors(expr) if not prometheus.ask(selector)]
    for part in parts(expr):
        samples = prometheus.ask(part)
        if not samples:
            out.append(f"no result: {part}")
        elif all(math.isnan(value) for _, value in samples):
            out.append(f"no figure in {len(samples)} results: {part}")
    return out
