"""Draw the icon: a cluster of atoms within its ring.

python docs/make_icon.py [FILE]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

SIDE: Final = 256
#: drawn larger, so that edges are smooth
OVER: Final = 4


def main() -> None:
    """Draw it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images" / "icon.png"
    side = SIDE * OVER
    picture = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), radius=side // 6, fill="#14141f")
    _disc(draw, 0, 0, 0.4, outline="#56b4e9", width=side // 28)
    # one atom, six around it, and twelve around those: the 19 of the smallest class
    for ring, atoms in ((0.0, 1), (0.125, 6), (0.25, 12)):
        for i in range(atoms):
            angle = 2 * math.pi * i / atoms + (math.pi / 12 if atoms == 12 else 0)
            light = round(255 - 300 * ring)
            _disc(draw, ring * math.cos(angle), ring * math.sin(angle), 0.055, fill=(255, light, round(0.75 * light)))
    picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(target, optimize=True)


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, **how: object) -> None:
    side = SIDE * OVER
    left, top = ((0.5 + centre - radius) * side for centre in (x, y))
    right, bottom = ((0.5 + centre + radius) * side for centre in (x, y))
    draw.ellipse((left, top, right, bottom), **how)


if __name__ == "__main__":
    main()
