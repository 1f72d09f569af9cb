"""Notebooks as scripts in the percent form of Jupytext, run and printed as pages.

    python -m tools.site.notebooks docs/notebooks/image_to_ratios.py build/notebooks

A cell begins with ``# %%``, one of text with ``# %% [markdown]``. Jupyter (with Jupytext), VS Code and Spyder open such
scripts as notebooks; here they need none of these. Each runs in a process and an empty folder of its own, and one that
fails ends the build.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: longer than this a notebook must not take
LONGEST_S: Final = 1800
#: lines of output that a page shows
MOST_LINES: Final = 40
_REPOSITORY: Final = "https://github.com/napari-atomicity/napari-atomicity/blob/main/docs/notebooks"

#: runs in the process of the notebook: cells come in as JSON, what they said goes out as JSON
_RUNNER: Final = """
import ast, contextlib, io, json, pathlib, re, sys, warnings
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
warnings.simplefilter("ignore")
cells, pictures, stem = json.load(open(sys.argv[1], encoding="utf-8")), pathlib.Path(sys.argv[2]), sys.argv[3]
space, said = {"__name__": "__main__"}, []
for number, cell in enumerate(cells):
    tree, text, shown = ast.parse(cell), io.StringIO(), ""
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(text):
        exec(compile(tree, f"{stem}, cell {number + 1}", "exec"), space)
        value = eval(compile(ast.Expression(last.value), f"{stem}, cell {number + 1}", "eval"), space) if last else None
    if value is not None:
        shown = value._repr_html_() if hasattr(value, "_repr_html_") else ""
        shown = re.sub("<style.*?</style>", "", shown, flags=re.DOTALL)  # the site has its own
        text.write("" if shown else repr(value))
    names = []
    for figure in plt.get_fignums():
        names.append(f"{stem}-{number}-{figure}.png")
        plt.figure(figure).savefig(pictures / names[-1], dpi=110, bbox_inches="tight")
    plt.close("all")
    said.append({"text": text.getvalue(), "html": shown, "pictures": names})
json.dump(said, open(sys.argv[4], "w", encoding="utf-8"))
"""


class FailedError(RuntimeError):
    """A notebook that did not run to its end."""


@dataclass
class NotebookPage:
    """A notebook as a page of Markdown.

    Attributes
    ----------
    text
        Of the page.
    pictures
        That it shows, as files.
    """

    text: str
    pictures: list[Path] = field(default_factory=list)


def page_of(script: Path, folder: Path, run: bool = True) -> NotebookPage:
    """Run a notebook and print it.

    Parameters
    ----------
    script
        In the percent form.
    folder
        For its pictures.
    run
        Else only its text and its code are shown.

    Returns
    -------
    The page.

    Raises
    ------
    FailedError
        Where a cell fails, with what Python said.
    """
    cells = cells_of(script.read_text(encoding="utf-8"))
    code = [text for kind, text in cells if kind == "code"]
    said = iter(_said_by(script, code, folder) if run else [{"text": "", "html": "", "pictures": []} for _ in code])
    page = NotebookPage("")
    for kind, text in cells:
        if kind == "markdown":
            page.text += f"{text}\n\n"
            continue
        page.text += f"```python\n{text}\n```\n\n"
        answer = next(said)
        lines = answer["text"].rstrip().splitlines()
        if lines:
            more = ["…"] if len(lines) > MOST_LINES else []
            page.text += "\n".join(["```text", *lines[:MOST_LINES], *more, "```"]) + "\n\n"
        if answer["html"]:
            page.text += f'<div class="frame">{"".join(answer["html"].splitlines())}</div>\n\n'
        for name in answer["pictures"]:
            page.pictures.append(folder / name)
            page.text += f"![]({name})\n\n"
    page.text += (
        f"This page is a notebook, run when the site was built: [{script.name}]({_REPOSITORY}/{script.name}).\n"
    )
    return page


def cells_of(script: str) -> list[tuple[str, str]]:
    """The cells of a script, each ``markdown`` or ``code`` with its text; what stands above the first is left out.

    Parameters
    ----------
    script
        Its content.
    """
    cells: list[tuple[str, str]] = []
    for part in f"\n{script}".split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            cells.append(("markdown", "\n".join(lines)))
        elif body.strip():
            cells.append(("code", body.strip()))
    return cells


def _said_by(script: Path, code: list[str], folder: Path) -> list[dict[str, object]]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        given, answered = Path(place) / ".cells.json", Path(place) / ".said.json"
        given.write_text(json.dumps(code), encoding="utf-8")
        call = [sys.executable, "-c", _RUNNER, str(given), str(folder.resolve()), script.stem, str(answered)]
        beside = os.pathsep.join(
            path for path in (str(script.resolve().parents[2] / "src"), os.environ.get("PYTHONPATH")) if path
        )
        try:
            done = subprocess.run(
                call,
                cwd=place,
                env={**os.environ, "PYTHONPATH": beside},
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"The notebook {script.name} ran longer than {LONGEST_S} s.") from error
        if done.returncode:
            raise FailedError(f"The notebook {script.name} failed:\n{done.stderr[-2000:]}")
        said: list[dict[str, object]] = json.loads(answered.read_text(encoding="utf-8"))
        return said


if __name__ == "__main__":
    made = page_of(Path(sys.argv[1]), Path(sys.argv[2]))
    (Path(sys.argv[2]) / f"{Path(sys.argv[1]).stem}.md").write_text(made.text, encoding="utf-8")
