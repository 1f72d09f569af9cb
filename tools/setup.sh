#!/bin/sh
# Makes .venv with the pinned versions; installs what the system lacks where it may, else says what to install.
set -eu
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

command -v "$python" >/dev/null 2>&1 || { say "No $python here; install Python 3.11 or newer."; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "$("$python" --version) is too old; install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."
    exit 1
}

sh tools/system.sh "$python"

# one that was left half-made, or whose Python is gone, is made anew
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
say "Installing the Python packages into .venv (a few minutes the first time)"
.venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt pip
.venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt --build-constraint constraints.txt \
    --group dev -e '.[all]'
