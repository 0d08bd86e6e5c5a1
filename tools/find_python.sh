# Sets PYTHON to an interpreter that can build the virtual environment, or exits saying what is missing.
# Sourced by the other scripts here. PYTHON from outside is taken as the only candidate.

oldest="3.11"

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON is not a program on this machine."
        fits "$PYTHON" || fail "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 | tail -n 1). Partita needs Python $oldest or newer."
    else
        for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
            if fits "$candidate"; then
                PYTHON=$candidate
                break
            fi
        done
        if [ -z "${PYTHON:-}" ]; then
            seen=$(python3 --version 2>/dev/null) || seen="no python3"
            fail "Partita needs Python $oldest or newer, and this machine has $seen." \
                "Install one, or name one: make PYTHON=/path/to/python3.11 ..."
        fi
    fi
    "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1 || fail \
        "$("$PYTHON" --version) came without its venv module." \
        "On Debian and Ubuntu: apt-get install $("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}

fail() {
    printf 'Not set up: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}
