#!/bin/sh
# Resolve pyproject.toml afresh in a throw-away virtual environment and pin what came out in constraints.txt.
set -eu
cd "$(dirname "$0")/.."
. tools/find_python.sh
find_python

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT INT TERM
echo "Resolving the newest versions that pyproject.toml allows (about a minute) ..."
"$PYTHON" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --editable ".[dev,local,nats,kafka,rabbitmq]"
{
    echo "# Versions that the tests ran with. Made by \`make constraints\`; do not edit."
    "$place/venv/bin/python" -m pip freeze --exclude-editable --disable-pip-version-check
} > "$place/constraints.txt"
if grep -n ' @ \|://' "$place/constraints.txt"; then
    fail "the lines above name an address instead of a version; constraints.txt was left as it was."
fi
mv "$place/constraints.txt" constraints.txt
echo "constraints.txt pins $(grep -c == constraints.txt) packages. Run make check and make test before you commit it."
