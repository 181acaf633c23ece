#!/bin/sh
# Fetches the pinned front-end packages from npm and copies what we serve into helpdesk/static/vendor/.
# To raise a version: change it here, run this script, look at the screens, commit the result.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # folder package@version
    mkdir "$work/$1"
    (cd "$work/$1" && tar xzf "$(npm pack --silent "$2")")
}

fetch tabler     @tabler/core@1.6.1
fetch icons      @tabler/icons@3.51.0
fetch htmx       htmx.org@2.0.11
fetch idiomorph  idiomorph@0.8.0
fetch tinykeys   tinykeys@4.0.0
fetch tom-select tom-select@2.6.2

python3 "$here/vendor.py" "$work"
