"""Makes mutants: one predicate, mask, gate or demand taken away each."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 10_000
GUARDS = ("demand", "prove", "_prove", "check", "_check", "expect", "_expect", "take", "_take")


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the ``number``-th that can be made in it."""

    path: str
    number: int
    line: int
    what: str
    lines: range
    """of the statement in which it is"""
    around: range
    """of the function in which that is, or of the whole file"""
    is_inside: bool
    """whether that is inside a function: code that is called, not executed when its file is loaded"""
    tests: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """The hash of the spoiled source."""
        source = ast.unparse(spoiled((ROOT / self.path).read_text("utf-8"), self.number))
        return hashlib.sha256(f"{self.path}\n{source}".encode()).hexdigest()

    @property
    def is_pure(self) -> bool:
        """Say whether it is in a package that knows nothing of Django."""
        return self.path.startswith("apps/semantic/")


class Spoiler(ast.NodeTransformer):
    """Makes the change at one place: the ``wanted``-th that it comes by. Without one it only notes the places."""

    def __init__(self, wanted: int | None = None) -> None:
        self.wanted = wanted
        self.places: list[tuple[int, str, range, range, bool]] = []
        self._statement: ast.stmt | None = None
        self._around = range(MOST_LINES)
        self._is_inside = False

    def _is_wanted(self, node: ast.AST, what: str) -> bool:
        whole = self._statement or node
        lines = range(getattr(whole, "lineno", 0), (getattr(whole, "end_lineno", 0) or 0) + 1)
        self.places.append((getattr(node, "lineno", 0), what, lines, self._around, self._is_inside))
        return len(self.places) - 1 == self.wanted

    def visit(self, node: ast.AST) -> Any:
        """Know the statement that is looked at: an expression of several lines is executed when any of them is."""
        before = self._statement
        if isinstance(node, ast.stmt):
            self._statement = node
        found = super().visit(node)
        self._statement = before
        return found

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Leave types alone."""
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Leave types alone."""
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Leave names of types alone: ``Field = Dimension | Measure``."""
        names = [item for item in ast.walk(node.value) if isinstance(item, ast.Name)]
        is_union = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        if is_union and all(item.id[:1].isupper() and not item.id.isupper() for item in names):
            return node
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave types alone, and know what is inside."""
        node.args = self.visit(node.args)
        before = self._is_inside, self._around
        self._is_inside, self._around = True, range(node.lineno, (node.end_lineno or node.lineno) + 1)
        node.body = [item for old in node.body if (item := self.visit(old)) is not None]
        self._is_inside, self._around = before
        node.decorator_list = [self.visit(item) for item in node.decorator_list]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Drop a demand or a check that stands alone."""
        self.generic_visit(node)
        call = node.value
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func).rpartition(".")[2]
            if name.startswith(GUARDS) and self._is_wanted(node, f"drop {name}(…)"):
                return ast.copy_location(ast.Pass(), node)
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        """Never refuse where a branch raises."""
        self.generic_visit(node)
        refuses = any(isinstance(item, ast.Raise) for item in node.body)
        if refuses and self._is_wanted(node, f"never: {ast.unparse(node.test)[:60]}"):
            node.test = ast.copy_location(ast.Constant(value=False), node.test)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Leave out one condition of an AND, or one reason of an OR."""
        self.generic_visit(node)
        for index in range(len(node.values)):
            if self._is_wanted(node, f"without: {ast.unparse(node.values[index])[:60]}"):
                rest = [value for place, value in enumerate(node.values) if place != index]
                return rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Let all() and any() of a generator hold."""
        self.generic_visit(node)
        if (
            isinstance(node.func, ast.Name)
            and node.func.id in ("all", "holds")
            and self._is_wanted(node, f"{node.func.id} → True")
        ):
            return ast.copy_location(ast.Constant(value=True), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Leave out one side of a union, an intersection or a sum of lists."""
        self.generic_visit(node)
        if isinstance(node.op, ast.BitAnd | ast.BitOr) and self._is_wanted(
            node, f"left side only: {ast.unparse(node)[:60]}"
        ):
            return node.left
        return node


def spoiled(text: str, number: int) -> ast.Module:
    """Return the syntax of a file with one change in it."""
    tree: ast.Module = Spoiler(number).visit(ast.parse(text))
    return ast.fix_missing_locations(tree)


def mutants_of(path: Path, tests: tuple[str, ...]) -> Iterator[Mutant]:
    """Yield every mutant of a file."""
    spoiler = Spoiler()
    spoiler.visit(ast.parse(path.read_text("utf-8")))
    name = path.relative_to(ROOT).as_posix()
    for number, (line, what, lines, around, is_inside) in enumerate(spoiler.places):
        yield Mutant(name, number, line, what, lines, around, is_inside, tests)
