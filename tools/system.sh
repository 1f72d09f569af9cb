#!/bin/sh
# System packages that napari's window and a virtual display need on Debian and its relatives, and what a
# virtual environment needs: installed where that is allowed, else named.
set -eu
python=${1:-python3}

system="xvfb xauth libgl1 libegl1 libgl1-mesa-dri libglx-mesa0 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xfixes0
    libxcb-xinerama0 libfontconfig1 libglib2.0-0 fonts-dejavu-core"
missing=
if command -v dpkg-query >/dev/null 2>&1; then
    for package in $system; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *' installed') ;;
            *) missing="$missing $package" ;;
        esac
    done
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing system packages:$missing" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >/dev/null
        # shellcheck disable=SC2086
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "Missing system packages, for an administrator to install: apt-get install$missing" >&2
        case $missing in *python3-venv*) exit 1 ;; esac
    fi
fi
