#!/bin/sh
# The core suite with the oldest versions that pyproject.toml allows: everything but the window and what takes long.
# Needs uv; makes .venv-oldest.   sh tools/oldest.sh [pytest arguments]
# TORCH=2.13.0 takes that PyTorch instead of the oldest one, where only it is at hand.
set -eu
command -v uv >/dev/null 2>&1 || { echo "There is no uv here: python -m pip install uv" >&2; exit 1; }
place=${OLDEST:-.venv-oldest}
[ -x "$place/bin/python" ] || uv venv -q --python 3.11 "$place"
# what is asked for directly goes down to its bound, what that brings along is what pip would take;
# the tests' own tools stay as they are pinned
kept=$(mktemp) && trap 'rm -f "$kept"' EXIT
if [ -n "${TORCH:-}" ]; then echo "torch==$TORCH" >"$kept"; else export UV_TORCH_BACKEND=cpu; fi
uv pip install -q --python "$place/bin/python" --resolution lowest-direct --override "$kept" -e .
grep -E '^(pytest|pytest-timeout|hypothesis|iniconfig|pluggy|sortedcontainers|execnet|pytest-xdist|pytest-xvfb|pyvirtualdisplay)==' constraints.txt |
    uv pip install -q --python "$place/bin/python" -r - pyyaml
uv pip list --python "$place/bin/python" | grep -iE '^(numpy|scipy|pandas|torch|scikit-image|tifffile|pydantic|npe2) '
[ $# -gt 0 ] || set -- tests/counting tests/detection tests/document tests/io tests/insight tests/project tests/repeats \
    tests/test_cli.py tests/test_clusters.py tests/test_micrograph.py tests/test_pipeline.py tests/test_report.py \
    --ignore tests/document/test_edits.py --ignore tests/io/test_napari_hooks.py # these need napari
OMP_NUM_THREADS=1 "$place/bin/python" -m pytest -q -p no:cacheprovider "$@"
