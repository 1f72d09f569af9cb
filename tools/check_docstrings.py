"""Names public functions whose docstring leaves out what a caller must know.

A public function or method with two or more parameters needs a section ``Parameters`` (numpy style) that names all of
them; those of a class stand in the docstring of the class. One that raises ``InputError`` needs a section ``Raises``
that names it. Ruff knows neither rule.

    python tools/check_docstrings.py                                  # everything but ui/
    python tools/check_docstrings.py src/napari_atomicity/counting    # these folders or files
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "napari_atomicity"
ERROR = "InputError"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main(arguments: list[str]) -> int:
    """Print one line for each function that lacks something; 1 where there is any."""
    folders = [Path(argument) for argument in arguments]
    files = [file for folder in folders or [SOURCE] for file in _files(folder)]
    if not folders:
        files = [file for file in files if SOURCE / "ui" not in file.parents]
    complaints = [complaint for file in files for complaint in complaints_about(file)]
    print("\n".join([*complaints, f"{len(complaints)} docstrings to complete in {len(files)} files"]))
    return 1 if complaints else 0


def complaints_about(file: Path) -> Iterator[str]:
    """One line for each public function of a Python file whose docstring lacks something."""
    for name, function, docstring in _public(ast.parse(file.read_text(encoding="utf-8")).body):
        lacking = []
        parameters = _parameters(function)
        undocumented = [parameter for parameter in parameters if parameter not in _names_in(docstring, "Parameters")]
        if len(parameters) >= 2 and undocumented:
            lacking.append(f"Parameters: {', '.join(undocumented)}")
        if _raises(function) and ERROR not in _names_in(docstring, "Raises"):
            lacking.append(f"Raises: {ERROR}")
        if lacking:
            yield f"{file}:{function.lineno}: {name} lacks {'; '.join(lacking)}"


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _public(body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[tuple[str, Function, str]]:
    """Each public function with its full name and the docstring that must describe it."""
    for statement in body:
        name = getattr(statement, "name", "_")
        if isinstance(statement, ast.ClassDef) and not name.startswith("_"):
            yield from _public(statement.body, statement)
        elif isinstance(statement, Function) and owner is not None and name == "__init__":
            described = [ast.get_docstring(node) or "" for node in (owner, statement)]
            yield owner.name, statement, "\n\n".join(described)
        elif isinstance(statement, Function) and not name.startswith("_"):
            yield f"{owner.name}.{name}" if owner else name, statement, ast.get_docstring(statement) or ""


def _parameters(function: Function) -> list[str]:
    given = function.args
    arguments = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [argument.arg for argument in arguments if argument is not None and argument.arg not in ("self", "cls")]


def _raises(function: Function) -> bool:
    """Whether the function raises the error itself; what it calls is not looked at."""
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)]
    return any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == ERROR for each in raised)


def _names_in(docstring: str, section: str) -> set[str]:
    """What a section of a numpy docstring names: the words of the lines that are not indented."""
    _, found, rest = docstring.partition(f"{section}\n{'-' * len(section)}\n")
    body = re.split(r"^.+\n-{3,}$", rest, maxsplit=1, flags=re.MULTILINE)[0] if found else ""
    lines = [line.partition(" : ")[0] for line in body.splitlines() if line and not line.startswith(" ")]
    return {name.strip().lstrip("*") for line in lines for name in line.split(",")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
