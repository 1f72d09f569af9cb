"""Make the short animation of the README and of the hub: the way from an empty window to why.

python docs/make_animation.py [FILE]

On Linux without a screen it starts a virtual one (xvfb-run).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from make_screenshots import PLUGIN, Tour, _on_a_virtual_screen

#: pixels across, and how long a picture stays
WIDTH: Final = 900
STAY_MS: Final = 1600


def main() -> None:
    """Walk the way and write the pictures one after another."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _on_a_virtual_screen()
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images" / "animation.gif"
    import torch  # noqa: F401  (before Qt, for Windows)
    from PIL.Image import Quantize

    with tempfile.TemporaryDirectory() as work:
        os.environ["NAPARI_ATOMICITY_RECOVERY"] = str(Path(work) / "recovery")
        tour = Tour(Path(work))
        pictures = _walked(tour)
        tour.viewer.close()
    # one set of colours for all: a picture then holds only what changed
    palette = _beside(pictures).quantize(256, method=Quantize.MAXCOVERAGE, kmeans=1)
    first, *rest = [picture.quantize(palette=palette, dither=0) for picture in pictures]
    stays = [STAY_MS] * len(rest) + [2 * STAY_MS]
    first.save(target, save_all=True, append_images=rest, duration=stays, loop=0, optimize=True)
    print(f"{target}: {len(pictures)} pictures, {target.stat().st_size / 1e6:.1f} MB")


def _walked(tour: Tour) -> list[Any]:
    """The window after each step."""
    panels = tour.panels
    pictures = [_picture(tour)]
    tour.viewer.open_sample(PLUGIN, "mixed")
    pictures.append(_picture(tour))
    for button in (panels["DetectPanel"].search, panels["CountPanel"].run, panels["AdaptPanel"].run):
        tour.click(button)
        pictures.append(_picture(tour))
    tour.close_in()
    pictures.append(_picture(tour))
    tour.click(panels["ExplainPanel"].all)
    pictures.append(_picture(tour))
    return pictures


def _picture(tour: Tour) -> Any:
    from PIL import Image

    tour.rest()
    picture = Image.fromarray(tour.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
    return picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)


def _beside(pictures: list[Any]) -> Any:
    """All pictures as one, for their common colours."""
    from PIL import Image

    whole = Image.new("RGB", (WIDTH, sum(picture.height for picture in pictures)))
    below = 0
    for picture in pictures:
        whole.paste(picture, (0, below))
        below += picture.height
    return whole


if __name__ == "__main__":
    main()
