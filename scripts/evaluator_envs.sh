#!/bin/sh
# Makes the evaluators' environments .venvs/NAME from their locks, once, and prints each one's Python.
# Usage: evaluator_envs.sh [ragas|trulens|giskard|deepeval|autoevals|phoenix …]
set -eu
cd "$(dirname "$0")/.."
environments="${EVALUATOR_ENVS:-.venvs}"
new_python() { # Giskard needs a 3.12 that can take unhashable members of a Union: from the path, else pyenv.
    pyenv=$(command -v pyenv || true)
    root="${PYENV_ROOT:-${pyenv%/*/pyenv}}"
    for candidate in python3.13 python3.12 "${root:-$HOME/.pyenv}"/versions/3.1[23].*/bin/python; do
        if command -v "$candidate" >/dev/null 2>&1 \
            && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12, 4))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "The giskard environment needs Python 3.13 (or 3.12.4), and none was found." >&2
    exit 1
}
for name in "${@:-ragas trulens giskard deepeval autoevals phoenix}"; do for one in $name; do
    lock="requirements/evaluators/$one.txt"
    stamp="$environments/$one/$(cksum < "$lock" | cut -d' ' -f1).stamp"
    if [ ! -e "$stamp" ]; then
        if [ "$one" = giskard ]; then python=$(new_python); else
            python=$(PYTHON="${PYTHON:-}" sh scripts/find_python.sh)
        fi
        echo "Making the evaluator environment $environments/$one (once)…" >&2
        rm -rf "${environments:?}/$one"
        "$python" -m venv "$environments/$one"
        pip="$environments/$one/bin/python -m pip --quiet --disable-pip-version-check"
        $pip install --require-hashes -r "$lock"
        $pip install --no-deps --no-build-isolation --editable .
        touch "$stamp"
    fi
    echo "$environments/$one/bin/python"
done; done
