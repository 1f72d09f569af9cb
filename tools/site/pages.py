"""Pages of reference that are made from the program: command line, table of clusters, functions by room."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGE: Final = "napari_atomicity"
#: rooms that other programs have nothing to look for in: the window, what only the command line itself calls
WITHIN: Final = ("ui", "cli", "weights")
_ITEM: Final = re.compile(r"^(\s*)([-*+]|\d+\.)\s")
_ORIGINS: Final = {
    "identity": "which cluster it is",
    "position": "where it is",
    "measured": "measured on the image",
    "predicted": "from the model",
    "person": "entered by a person, never by a computation",
    "linked": "how it is linked to clusters of other frames; files hold it where there are tracks",
}


_FUNCTIONS: Final = """# Functions, by room

What other programs may call, printed from the docstrings. Most need `read`, `analyse` and `Settings` alone, which the
package itself offers:

```python
import napari_atomicity as atomicity

state = atomicity.analyse(atomicity.read("micrograph.dm4"), atomicity.Settings(deposited=(19, 55)))
state.table.rows        # one row a cluster
```

[Architecture](../house.md) tells how the rooms lie.

"""
_COMMANDS: Final = """# Command line

Made from the parser of the program. Exit code 0: done; 2: bad input, said in one line on stderr; 1: a fault of ours,
with a log; 130: stopped by Ctrl-C.

"""
_TABLE: Final = """# The table of clusters

One row a cluster; the same columns in memory, in napari's layers, in CSV and in Parquet. Other programs may rely on
them: columns are added, none is renamed or removed without a way for old files.

| column | holds | unit | comes from | as long as nothing is known |
|---|---|---|---|---|
{rows}

Pixel centres are at whole numbers, y is the row. `id` is never reused within an image. `diameter_nm` is that of a
circle with the cluster's area at half its height; `intensity` is the signal above the local support, integrated.
`flag` is one of {flags}: `border` is cut by the edge of the image; `outside` stands alone, but looks
like none of the sizes and is labelled `other`. Those that are `ok` or `outside` enter the shares, and those that a
person labelled. `source` says which state of the model gave the label: `base` as shipped, `adapted` tuned to this
image.
"""
#: stands for one column a class
_PROBABILITIES: Final = (
    "| `p_19` … `p_70`, `p_other` | number | | probability of each class of the model, and of none | |"
)


def reference(top: Path) -> dict[str, str]:
    """All made pages, by their name within the site.

    Parameters
    ----------
    top
        Of the repository.
    """
    rooms = dict(_rooms(top / "src" / PACKAGE))
    listing = "\n".join(f"- [{name}]({name}.md): {_about(path)}" for name, path in rooms.items())
    made = {"cli.md": command_line(), "table.md": table(), "api/index.md": f"{_FUNCTIONS}{listing}\n"}
    for name, path in rooms.items():
        modules = "\n\n".join(f"::: {module}" for module in _modules(path))
        made[f"api/{name}.md"] = f"# {name}\n\n{_about(path)}\n\n{modules}\n"
    return made


def lists_apart(markdown: str) -> str:
    """An empty line before each list that follows a paragraph: GitHub needs none, Python's Markdown does."""
    lines: list[str] = []
    fenced = False
    for line in markdown.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        before = lines[-1] if lines else ""
        begins = _ITEM.match(line) and before.strip() and not _ITEM.match(before) and not before.startswith((" ", "#"))
        if begins and not fenced:
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def command_line() -> str:
    """Every command with its options, from the parser itself."""
    from napari_atomicity.cli.options import parser

    text = _COMMANDS
    whole = parser()
    for name, command in _commands(whole):
        depth = "##" if name.count(" ") == 1 else "###"
        head = f"{depth} {name.partition(' ')[2]}\n\n{command.description}"
        text += f"{head}\n\n```text\n{_usage(command)}\n```\n\n{_options(command)}\n"
    return text


def table() -> str:
    """The columns of the table of clusters, from the list that the program itself works with."""
    from napari_atomicity.clusters.columns import COLUMNS, FLAGS

    rows = []
    for column in COLUMNS:
        if column.name == "label":
            rows.append(_PROBABILITIES)
        kind = {"i": "whole number", "f": "number"}.get(column.dtype.kind, "text")
        neutral = "empty" if column.neutral in ("",) or column.neutral != column.neutral else f"`{column.neutral}`"
        rows.append(f"| `{column.name}` | {kind} | {column.unit} | {_ORIGINS[column.origin]} | {neutral} |")
    return _TABLE.format(rows="\n".join(rows), flags=", ".join(f"`{flag}`" for flag in FLAGS))


def _commands(whole: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in dict.fromkeys(action.choices.values()):
                yield command.prog, command
                yield from _commands(command)


def _usage(command: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(command.prog, width=78)
    formatter.add_usage(command.usage, command._actions, command._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()


def _options(command: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(command.prog, width=10_000)
    rows = []
    for action in command._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        called = formatter._format_action_invocation(action).replace("|", "\\|")
        said = formatter._expand_help(action).replace("|", "\\|") if action.help else ""
        rows.append(f"| `{called}` | {said}{' (required)' if action.required and action.option_strings else ''} |")
    return "| option | |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""


def _rooms(package: Path) -> Iterator[tuple[str, Path]]:
    """Packages and files of the top level, with where they are described."""
    for path in sorted(package.iterdir()):
        if path.name.startswith("_") or path.stem in WITHIN:
            continue
        if path.suffix == ".py" or (path / "__init__.py").exists():
            yield path.stem, path


def _modules(room: Path) -> Iterator[str]:
    """The public modules of a room by their full names, its first page left out where it only hands on."""
    top = room.parents[[parent.name for parent in room.parents].index(PACKAGE) + 1]
    for path in sorted(room.rglob("*.py")) if room.is_dir() else [room]:
        place = path.relative_to(top).with_suffix("")
        if not any(part.startswith("_") for part in place.parts):
            yield ".".join(place.parts)


def _about(room: Path) -> str:
    described = room / "__init__.py" if room.is_dir() else room
    docstring = ast.get_docstring(ast.parse(described.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")
