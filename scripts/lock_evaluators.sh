#!/bin/sh
# Renews requirements/evaluators/*.txt, the locks of the evaluators' environments. Names no registry.
# Usage: lock_evaluators.sh [ragas|trulens|giskard|deepeval|autoevals|phoenix …]
set -eu
cd "$(dirname "$0")/.."
if [ -z "${UV:-}" ]; then
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    .venv/bin/python -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check uv
    UV="$tools/venv/bin/uv"
fi
for name in "${@:-ragas trulens giskard deepeval autoevals phoenix}"; do for one in $name; do
    python=3.11
    [ "$one" = giskard ] && python=3.12
    "$UV" pip compile --quiet --universal --python-version "$python" --generate-hashes --no-emit-index-url \
        --no-emit-package pellucid --custom-compile-command "scripts/lock_evaluators.sh" \
        --extra evals --group build -o "requirements/evaluators/$one.txt" pyproject.toml \
        "requirements/evaluators/$one.in" requirements/evaluators/test.in
done; done
