#!/bin/sh
# Runs the framework tests in each framework environment (made on the first run), then the scenarios alone with
# the lowest versions that are traced.
set -eu
cd "$(dirname "$0")/.."
sh scripts/integration_envs.sh
tests() {
    world=$1
    shift
    echo "Framework environment $world:"
    PELLUCID_TEST_WORLD=$world .venv/bin/python scripts/run_tests.py ".venvs/$world/bin/python" -p no:unraisableexception "$@"
}
export PELLUCID_TEST_CAPTURED=docs/integrations/captured.json PELLUCID_TEST_SCORES=docs/integrations/scores.json
for world in a b; do tests $world tests/integrations; done
unset PELLUCID_TEST_CAPTURED PELLUCID_TEST_SCORES
for world in a-low b-low openai-low; do tests $world tests/integrations/test_scenarios.py; done
.venv/bin/python scripts/write_integrations_table.py
