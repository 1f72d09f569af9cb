"""The small faults that can be put into a source file.

Annotations, decorators, what is raised, progress and sentences are left alone: a fault there is not one of behaviour.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMPARISONS: Final = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
ARITHMETIC: Final = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_LEFT_ALONE: Final = {"Progress", "InputError", "Literal", "TypeVar"}

Span = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """One fault in one file."""

    path: str
    #: the file as it is
    original: str
    #: the file with the fault in it
    source: str
    #: lines whose execution shows that a test comes by
    first_line: int
    last_line: int
    #: name of the constant of the module that the fault is in; tests come by where it is used
    constant: str
    kind: str

    @property
    def key(self) -> str:
        """The same for the same fault in the same file."""
        return hashlib.sha256((self.path + self.source).encode()).hexdigest()[:16]

    @property
    def diff(self) -> str:
        """The fault for people."""
        lines = (self.original.splitlines(), self.source.splitlines())
        return "\n".join(difflib.unified_diff(*lines, self.path, self.path, lineterm="", n=1))

    def means_something_else(self) -> bool:
        """Whether it is Python at all, and not the same program in other letters."""
        try:
            return ast.dump(ast.parse(self.source)) != ast.dump(ast.parse(self.original))
        except SyntaxError:
            return False


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """All faults for one file."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    found: dict[str, Mutant] = {}
    for span, replacement, kind, place in _Walk(text).changes():
        mutant = Mutant(name, text, text[: span[0]] + replacement + text[span[1] :], *place, kind)
        found.setdefault(mutant.key, mutant)
    return list(found.values())


Change = tuple[Span, str, str, tuple[int, int, str]]


class _Walk:
    """Goes through a file; `changes` gives span, replacement, kind and (first line, last line, constant)."""

    def __init__(self, text: str) -> None:
        self._text = text
        lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._lines = lines

    def changes(self) -> Iterator[Change]:
        yield from self._block(ast.parse(self._text).body, None)

    # ------------------------------------------------------------------ statements

    def _block(self, body: list[ast.stmt], function: ast.AST | None) -> Iterator[Change]:
        for statement in body:
            yield from self._statement(statement, function)

    def _statement(self, node: ast.stmt, function: ast.AST | None) -> Iterator[Change]:
        if isinstance(node, ast.FunctionDef):
            # a default is read where the function runs
            place = (node.body[0].lineno, node.body[-1].end_lineno or 0, "")
            for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
                yield from self._expression(default, place)
            yield from self._block(node.body, node)
            return
        if isinstance(node, ast.ClassDef):
            yield from self._block(node.body, node)
            return
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.Assert) or _is_sentence(node):
            return
        place = (node.lineno, _header_end(node), "")
        if not isinstance(function, ast.FunctionDef):
            place = (*place[:2], _assigned(node))
        yield from self._whole(node, place)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr) and child is not getattr(node, "annotation", None):
                yield from self._expression(child, place)
            elif isinstance(child, ast.withitem):
                yield from self._expression(child.context_expr, place)
        for name in ("body", "orelse", "finalbody"):
            yield from self._block(getattr(node, name, []), function)
        for handler in getattr(node, "handlers", []):
            yield from self._block(handler.body, function)

    def _whole(self, node: ast.stmt, place: tuple[int, int, str]) -> Iterator[Change]:
        if isinstance(node, ast.If | ast.While) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield self._span(node.test), f"not ({self._of(node.test)})", "condition", place
        elif isinstance(node, ast.Return) and node.value is not None and _plain(node.value) is not None:
            yield self._span(node.value), "None", "return value", place
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _left_alone(node.value):
            yield self._span(node), "pass", "call left out", place
        elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            yield from self._swap(node.target, node.value, old + "=", (new + "=",), "arithmetic", place)

    # ------------------------------------------------------------------ expressions

    def _expression(self, node: ast.AST, place: tuple[int, int, str]) -> Iterator[Change]:
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _left_alone(node)):
            return
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, right, operator in zip(sides, sides[1:], node.ops, strict=False):
                old, new = COMPARISONS[type(operator)]
                yield from self._swap(left, right, old, new, "comparison", place)
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _of_text(node):
            old, new = ARITHMETIC[type(node.op)]
            yield from self._swap(node.left, node.right, old, (new,), "arithmetic", place)
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from self._swap(left, right, old, (new,), "boolean", place)
        elif isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
                yield self._span(node), f" {self._of(node.operand)}", "sign or not removed", place
        elif isinstance(node, ast.IfExp):
            yield self._span(node.test), f"not ({self._of(node.test)})", "condition", place
        elif isinstance(node, ast.Constant):
            for new in _other(node.value):
                yield self._span(node), new, "constant", place
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            last = node.args[min(len(node.args) - 1, 1)]
            if not isinstance(last, ast.Starred):
                yield self._span(last), f"({self._of(last)}) - 1", "off by one", place
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.comprehension):
                for part in (child.iter, *child.ifs):
                    yield from self._expression(part, place)
                for condition in child.ifs:
                    yield self._span(condition), f"not ({self._of(condition)})", "condition", place
            elif isinstance(child, ast.keyword):
                yield from self._expression(child.value, place)
            elif isinstance(child, ast.expr | ast.slice):
                yield from self._expression(child, place)

    def _swap(
        self, left: ast.AST, right: ast.AST, old: str, new: tuple[str, ...], kind: str, place: tuple[int, int, str]
    ) -> Iterator[Change]:
        start, end = self._span(left)[1], self._span(right)[0]
        at = self._text.find(old, start, end)
        if at >= 0:
            for other in new:
                yield (at, at + len(old)), other, kind, place

    def _span(self, node: ast.AST) -> Span:
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        # columns are counted in bytes
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _of(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._text[start:end]


def _other(value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (str(not value),)
    if isinstance(value, int):
        return (str(value + 1),)
    if isinstance(value, float):
        return (repr(value * 2 if value else 1.0),)
    return ()


def _plain(node: ast.expr) -> object:
    return None if isinstance(node, ast.Constant) and node.value is None else node


def _is_sentence(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str)) for s in sides
    )


def _left_alone(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _LEFT_ALONE


def _header_end(node: ast.stmt) -> int:
    body = getattr(node, "body", None)
    if not body:
        return node.end_lineno or node.lineno
    return max(node.lineno, body[0].lineno - 1)


def _assigned(node: ast.stmt) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def lines_that_use(text: str, constant: str) -> set[int]:
    """Lines of the functions of a file that read a constant of its module, or a field of its classes."""
    lines = set()
    for function in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)):
        for node in (inner for statement in function.body for inner in ast.walk(statement)):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if name == constant:
                lines.add(node.lineno)
    return lines
