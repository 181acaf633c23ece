#!/bin/sh
# Make a virtual environment with the first Python of 3.11 or later; say in one sentence what is missing.
set -eu
venv=$1

for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "${python:-}" ]; then
    echo "Python 3.11 or later is needed and was not found; install it, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

rm -rf "$venv"
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    exec "$python" -m venv "$venv"
fi
# Debian keeps ensurepip in a package of its own; a pip of the system can fill the environment instead.
if "$python" -m pip --version >/dev/null 2>&1 && "$python" -m venv --without-pip "$venv" 2>/dev/null &&
    "$python" -m pip --quiet --python "$venv/bin/python" install pip; then
    exit 0
fi
rm -rf "$venv"
echo "$python cannot make virtual environments; install its venv module (Debian, Ubuntu: apt install python3-venv)." >&2
exit 1
