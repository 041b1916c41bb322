#!/bin/bash
# Make a virtual environment with pip in it: make_venv.sh FOLDER
set -euo pipefail
folder=$1
python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13 python3.10 python3; do
    if command -v "$candidate" >/dev/null; then
      python=$candidate
      break
    fi
  done
fi
[ -n "$python" ] || { echo "No Python 3 was found. Install Python 3.11, or run make with PYTHON=/path/to/python3." >&2; exit 1; }

if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  exec "$python" -m venv "$folder"
fi

# Debian ships venv as a package of its own.
version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ ${#as_root[@]} -gt 0 ]; }; then
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$version"
  exec "$python" -m venv "$folder"
fi
if "$python" -m virtualenv --version >/dev/null 2>&1; then
  exec "$python" -m virtualenv -q "$folder"
fi
echo "$python has no venv module. Run: apt-get install $version" >&2
exit 1
