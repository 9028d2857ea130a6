"""Changes the rules one expression at a time, and says which changes no test of a sentence finds.

    python -m tests.rules.mutants --share 0.1 --seed 1

A child is forked for each mutant: it imports the rules with one module changed, and runs the tests of
`tests/rules` but for the long ones until one fails. All of them take about an hour on two cores. Texts,
annotations and class options are left as they are.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "gateway" / "rules"
#: Sequences, programmes and pages: what takes long, or looks at more than the rules.
LONG: Final = ("must_never_happen", "against_oracle", "kinds", "citations")
#: A mutant that runs longer has an endless loop.
MOST_S: Final = 120
_SWAPS: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{3,}")
#: What is no expression of a rule.
_LEFT: Final = {"annotation", "returns", "decorator_list", "bases", "slice", "msg"}


@dataclass(frozen=True)
class Mutant:
    """A module of the rules with one change. said: what was changed, and into what."""

    module: str
    line: int
    said: str
    source: str


def mutants() -> Iterator[Mutant]:
    """All of them."""
    for file in sorted(RULES.glob("*.py")):
        if file.stem in ("__init__", "guidance", "words"):
            continue
        tree = ast.parse(file.read_text("utf-8"))
        for place, node in enumerate(_nodes(tree)):
            for which, (said, _) in enumerate(_changes(node)):
                changed = deepcopy(tree)
                again = list(_nodes(changed))[place]
                _changes(again)[which][1]()
                line = getattr(node, "lineno", 0)
                yield Mutant(file.stem, line, said, ast.unparse(ast.fix_missing_locations(changed)))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in _LEFT or (name == "keywords" and isinstance(node, ast.ClassDef)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _nodes(child)


def _changes(node: ast.AST) -> list[tuple[str, Callable[[], object]]]:
    """What can be changed in a node: in words, and by a call."""
    was = ast.unparse(node)[:90] if isinstance(node, ast.expr | ast.stmt) else ""
    found: list[tuple[str, Callable[[], object]]] = []

    def swap(holder: Any, name: str, operator: ast.AST) -> None:
        if type(operator) in _SWAPS:
            other = _SWAPS[type(operator)]
            found.append((f"{was}: {other.__name__}", lambda: setattr(holder, name, other())))

    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _SWAPS:
            other = _SWAPS[type(operator)]
            found.append((f"{was}: {other.__name__}", lambda: setattr(node, "ops", [other()])))
        case ast.BoolOp(op=operator, values=values):
            swap(node, "op", operator)
            found.extend(
                (f"{was}: without operand {place + 1}", partial(values.pop, place))
                for place in range(len(values))
            )
        case ast.BinOp(op=operator):
            swap(node, "op", operator)
        case ast.UnaryOp(op=ast.Not()):
            found.append((f"{was}: without not", partial(_twice, node)))
        case ast.Constant(value=bool() as value):
            found.append((f"{was}: {not value}", lambda: setattr(node, "value", not value)))
        case ast.Constant(value=int() as number):
            more = int(number) + 1
            found.append((f"{was}: {more}", lambda: setattr(node, "value", more)))
        case ast.Constant(value=str() as value) if _CODE.fullmatch(value):
            found.append((f"{was}: misspelt", lambda: setattr(node, "value", f"{value}X")))
        case ast.Tuple(elts=elements) if any(isinstance(each, ast.Call) for each in elements):
            found.extend(
                (f"{was}: without item {place + 1}", partial(elements.pop, place))
                for place in range(len(elements))
            )
        case ast.Call(func=ast.Name("replace") | ast.Attribute(attr="update"), keywords=keywords):
            found.extend(
                (f"{was}: without {keyword.arg}", partial(keywords.pop, place))
                for place, keyword in enumerate(keywords)
            )
        case ast.Expr(value=ast.Call()):
            found.append((f"{was}: not done", lambda: setattr(node, "value", ast.Constant(None))))
    return found


def _twice(node: Any) -> None:
    """`not x` becomes `not not x`."""
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"gateway.rules.{mutant.module}"

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Its own module's, and no other's."""
        file = RULES / f"{self._mutant.module}.py"
        return importlib.util.spec_from_file_location(name, file, loader=self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._mutant.source, str(module.__file__), "exec"), module.__dict__)


def survives(mutant: Mutant) -> bool:
    """Whether all tests pass."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status == 0
    signal.alarm(MOST_S)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    sys.meta_path.insert(0, _Changed(mutant))
    tests = [
        str(file)
        for file in sorted((ROOT / "tests" / "rules").glob("test_*.py"))
        if file.stem.removeprefix("test_") not in LONG
    ]
    try:
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    finally:
        os._exit(1)


def main() -> None:
    """Run them, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", help="only of this module, such as sessions")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    unchanged = Mutant("calendar", 0, "", (RULES / "calendar.py").read_text("utf-8"))
    if not survives(unchanged):
        sys.exit("the tests fail without a change: run pytest tests/rules")
    draw = Random(given.seed)
    chosen = [each for each in mutants() if given.module in (None, each.module)]
    chosen = [each for each in chosen if draw.random() < given.share]
    survivors = 0
    with ThreadPoolExecutor(given.workers) as pool:
        for mutant, survived in zip(chosen, pool.map(survives, chosen), strict=True):
            if survived:
                survivors += 1
                print(f"{mutant.module}.py, line {mutant.line}: {mutant.said}", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - survivors} killed, {survivors} survived")


if __name__ == "__main__":
    main()
