#!/bin/sh
# Runs the adapters' tests in each evaluator's environment (made on the first run).
# Warnings are left out: they are the foreign libraries' own.
# Usage: test_evaluators.sh [ragas|trulens|giskard|deepeval|autoevals|phoenix …]
set -eu
cd "$(dirname "$0")/.."
for name in "${@:-ragas trulens giskard deepeval autoevals phoenix}"; do for one in $name; do
    if ! python=$(sh scripts/evaluator_envs.sh "$one"); then
        [ "$one" = giskard ] || exit 1
        echo "Evaluator giskard is left out: 1 environment skipped."
        continue
    fi
    echo "Evaluator $one:"
    .venv/bin/python scripts/run_tests.py "$python" -W ignore "tests/evaluators/test_evaluator_$one.py"
done; done
