"""Write the page of keys from the table of keys.

python docs/make_keys.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_atomicity.ui.shortcuts.table import GUARDED, SHORTCUTS

_HEAD = """# Keys

This page is made from the table of keys (`python docs/make_keys.py`).

The keys act on the selected clusters, many at once, while the clusters, their image, its heat maps or its anchors are
the active layer. With nothing selected the status bar says what to do. Holding a key does it once. Every one of them is
also a button of the *Review* panel and a command of napari's command palette (Ctrl+Shift+P).

| key | what it does | |
|---|---|---|
"""
_FOOT = """
Nothing of napari's own is taken away but two keys on the layer of clusters, which do harm when meant for a label:

{guarded}

Delete, Backspace, P, S, Z, A and the arrows do what they do on every points layer; what they delete or move comes back
with Undo. On the image and the heat maps a key that you chose is left to napari where napari uses it there.

## Other keys

Preferences > Atomicity > Keys. A key is written as `Q`, `6`, `F5` or `Ctrl+Shift+Z`. What is no key, or is taken by
another line of the table, is refused with a sentence, and the key stays as it comes. `K` shows the keys in force.
"""


def main() -> None:
    """Write the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "keys.md"
    keys = {shortcut.name: shortcut.key for shortcut in SHORTCUTS}
    lines = [f"| `{shortcut.key}` | {shortcut.does} | {shortcut.group} |" for shortcut in SHORTCUTS]
    guarded = "\n".join(f"- {sentence.format(**keys)}" for sentence in GUARDED.values())
    target.write_text(_HEAD + "\n".join(lines) + "\n" + _FOOT.format(guarded=guarded), encoding="utf-8")


if __name__ == "__main__":
    main()
