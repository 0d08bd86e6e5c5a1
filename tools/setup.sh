#!/bin/sh
# Make .venv in the checkout and install Partita with the extras named in $1, as pinned in constraints.txt.
# Does nothing when that was done already for this pyproject.toml, these constraints and this place.
set -eu
cd "$(dirname "$0")/.."
. tools/find_python.sh

extras=$1
case $extras in *dev*) size="700 MB" ;; *) size="270 MB" ;; esac
venv=.venv
log=$venv/setup.log
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX 2>/dev/null || true

# The place counts too: scripts in a virtual environment hold its path, so a moved checkout needs a new one.
fingerprint() {
    { pwd; cat pyproject.toml constraints.txt; } | cksum
}

# Which installation of Python this is, virtual environments and names of links aside.
installation() {
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2>/dev/null
}

# Whether .venv runs, stands where it was made, and was made with the interpreter that was asked for, if one was.
usable() {
    [ -x $venv/bin/python ] && fits $venv/bin/python && head -n 1 $venv/bin/pip 2>/dev/null | grep -qF "$(pwd)/$venv" || return 1
    [ -z "${PYTHON:-}" ] || [ "$(installation "$PYTHON")" = "$(installation $venv/bin/python)" ]
}

done_for() {
    [ "$(cat "$venv/.set-up-$1" 2>/dev/null)" = "$(fingerprint)" ]
}

begun=$(date +%s)
if usable; then
    # What `make test` installs holds all that `make run` needs.
    if done_for "dev,local" || done_for "$extras"; then exit 0; fi
    echo "Bringing .venv up to date ..."
else
    find_python
    echo "Setting up .venv with $("$PYTHON" --version) (once; under a minute on a fast network, $size on disk) ..."
    "$PYTHON" -m venv --clear $venv || fail "$PYTHON could not make a virtual environment in $(pwd)/$venv."
fi

rm -f $venv/.set-up-*
echo "  installing partita[$extras] as pinned in constraints.txt"
# Quiet but for the large downloads, which are what one waits for. All that pip says is in the log.
{
    $venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --retries 2 \
        --constraint constraints.txt --editable ".[$extras]" 2>&1 && echo "pip: done"
} | tee $log | sed -n 's/^ *Downloading \([A-Za-z0-9_.]*\)-[^ ]* (\([0-9][0-9]*\.[0-9] MB\)).*/  downloading \1, \2/p'

if [ "$(tail -n 1 $log)" != "pip: done" ]; then
    if grep -qE 'NewConnectionError|NameResolutionError|Name or service not known|Temporary failure in name|ConnectTimeout|ProxyError|Network is unreachable' $log; then
        fail "the package index could not be reached. Is the network up?" "All that pip said: $log"
    fi
    grep -E '^ *(ERROR|error):' $log | head -n 5 >&2 || true
    fail "pip could not install what Partita needs." "All that pip said: $log"
fi
fingerprint > "$venv/.set-up-$extras"
echo "  set up in $(($(date +%s) - begun)) s"
