"""The pages of the site that are made from the program, and notebooks that are run."""

from __future__ import annotations

import re

import pytest
from tools.site import notebooks, pages


def test_every_command_of_the_parser_has_its_place_and_its_options():
    from napari_atomicity.cli.options import parser

    page = pages.command_line()
    for word in re.findall(r"^    (\w+) ", parser().format_help(), flags=re.MULTILINE):
        assert f"\n## {word}\n" in page
    assert "\n### models export\n" in page
    assert "| `--pixel-size NM` | nm per pixel, instead of what the file says |" in page
    assert "NAME\\|PATH" in page  # a bar would end the cell
    assert "2 %" in page and "%%" not in page


def test_the_page_of_the_table_names_every_column():
    from napari_atomicity.clusters.columns import COLUMNS

    page = pages.table()
    assert all(f"`{column.name}`" in page for column in COLUMNS)
    assert page.index("`p_19`") < page.index("`label`")


def test_every_room_has_a_page_and_stands_in_the_navigation(repository):
    made = pages.reference(repository)
    navigation = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    assert "api/pipeline.md" in made and "api/ui.md" not in made
    for name in made:
        assert f" {name}\n" in navigation, f"{name} is missing in mkdocs.yml"


def test_lists_get_the_empty_line_that_they_need_and_code_does_not():
    assert pages.lists_apart("so:\n- one\n- two\n\nend") == "so:\n\n- one\n- two\n\nend"
    assert pages.lists_apart("```\na\n- b\n```") == "```\na\n- b\n```"


def test_a_notebook_shows_what_it_says_and_draws(tmp_path):
    (tmp_path / "docs" / "notebooks").mkdir(parents=True)
    script = tmp_path / "docs" / "notebooks" / "small.py"
    script.write_text(
        "# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\nprint('said')\n1 + 1\n\n"
        "# %%\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nNone\n",
        encoding="utf-8",
    )
    page = notebooks.page_of(script, tmp_path / "made")
    assert page.text.startswith("# Title\n\nWords.")
    assert "```text\nsaid\n2\n```" in page.text
    assert [picture.is_file() for picture in page.pictures] == [True]


def test_a_notebook_that_fails_ends_the_build_and_says_where(tmp_path):
    (tmp_path / "docs" / "notebooks").mkdir(parents=True)
    script = tmp_path / "docs" / "notebooks" / "broken.py"
    script.write_text("# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(notebooks.FailedError, match=r"broken\.py failed(.|\n)*ZeroDivisionError"):
        notebooks.page_of(script, tmp_path / "made")


def test_the_three_notebooks_are_cells(repository):
    scripts = sorted((repository / "docs" / "notebooks").glob("*.py"))
    assert len(scripts) >= 3
    for script in scripts:
        cells = notebooks.cells_of(script.read_text(encoding="utf-8"))
        assert cells[0][0] == "markdown" and cells[0][1].startswith("# ")
        for kind, text in cells:
            if kind == "code":
                compile(text, script.name, "exec")
