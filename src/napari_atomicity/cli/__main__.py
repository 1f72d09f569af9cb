"""`python -m napari_atomicity.cli` is the command line."""

import sys

from napari_atomicity.cli import main

if __name__ == "__main__":
    sys.exit(main())
