#!/bin/sh
# Runs the framework tests in each framework environment (made on the first run).
set -eu
cd "$(dirname "$0")/.."
sh scripts/integration_envs.sh a b
for world in a b; do
    echo "Framework environment $world:"
    PELLUCID_TEST_WORLD=$world PELLUCID_TEST_CAPTURED=docs/integrations/captured.json ".venvs/$world/bin/python" -m pytest -q -p no:cacheprovider -p no:unraisableexception tests/integrations
done
.venv/bin/python scripts/write_integrations_table.py
