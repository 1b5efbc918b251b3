"""Marks in the package's own code that say what has run: a byte is set wherever a block of statements goes on.

    marks = mark()            # before the package is first imported
    ...
    marks.new()               # whether anything ran for the first time since the last question

A tracing function costs seventeen times what is traced; a byte that is set costs next to nothing. What is marked is the
package's sources as they are imported, in the form that runs as Python: every statement, and the way past every `if`
and out of every loop, so that a mark is a line or a branch.

Rules that hold here:

* Nothing but marks is added: values, order, docstrings and the names that a class body makes stay as they are.
* No bytecode is kept: neither are marked modules cached, nor are cached ones taken.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

#: The name of the marks in a module. A name like this is not mangled in a class.
NAME = "__ran__"
#: How many marks there is room for.
ROOM = 1 << 16


class Marks:
    """What has run."""

    def __init__(self) -> None:
        self.ran = bytearray(ROOM)
        self.count = 0
        self._known = 0

    def next(self) -> int:
        """Return a mark that is not taken."""
        self.count += 1
        if self.count >= ROOM:
            raise OverflowError(f"more than {ROOM} marks")
        return self.count

    def new(self) -> bool:
        """Say whether anything ran for the first time since the last question."""
        ran = int.from_bytes(self.ran, "little")
        fresh = ran | self._known != self._known
        self._known |= ran
        return fresh


class _Marker(ast.NodeTransformer):
    """Puts a mark before every statement, and on the way past what has no other side."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def _mark(self, place: ast.AST) -> ast.stmt:
        made = ast.parse(f"{NAME}[{self._marks.next()}] = 1").body[0]
        for node in ast.walk(made):
            ast.copy_location(node, place)
        return made

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for index, statement in enumerate(statements):
            first = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if not (future or (first and index == 0)):
                marked.append(self._mark(statement))
            marked.append(statement)
        return marked

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(node, name, self._block(block))
        if isinstance(node, (ast.If, ast.For, ast.While)) and not node.orelse:
            node.orelse = [self._mark(node)]
        return node


class _Loader(SourceFileLoader):
    marks: Marks

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree: Any = _Marker(self.marks).visit(ast.parse(self.get_data(path), path))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[NAME] = self.marks.ran
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def __init__(self, package: str, loader: type[_Loader]) -> None:
        self._package = package
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] != self._package:
            return None
        for entry in sys.path if path is None else path:
            found = FileFinder(entry, (self._loader, [".py"])).find_spec(fullname)
            if found is not None and found.loader is not None:
                return found
        return None


def mark(package: str = "safepickle") -> Marks:
    """Have *package* marked when it is imported; it is the form that runs as Python, whatever is installed.

    :raises RuntimeError: if the package was imported before.
    """
    if package in sys.modules:
        raise RuntimeError("the package was imported before it could be marked")
    marks = Marks()
    loader = type("_Loader", (_Loader,), {"marks": marks})
    sys.meta_path.insert(0, _Finder(package, loader))
    return marks
