#!/bin/sh
# Makes the framework environments from their locks, once: .venvs/a (openai < 3) and .venvs/b (openai >= 3)
# with the highest versions that are traced, a-low, b-low and openai-low with the lowest.
# Usage: integration_envs.sh [a|b|a-low|b-low|openai-low …]
set -eu
cd "$(dirname "$0")/.."
python=$(PYTHON="${PYTHON:-}" sh scripts/find_python.sh)
for name in "${@:-a b a-low b-low openai-low}"; do for world in $name; do
    lock="requirements/integrations/$world.txt"
    stamp=".venvs/$world/$(cksum < "$lock" | cut -d' ' -f1).stamp"
    [ -e "$stamp" ] && continue
    echo "Making the framework environment .venvs/$world (once)…"
    rm -rf ".venvs/$world"
    "$python" -m venv ".venvs/$world"
    pip=".venvs/$world/bin/python -m pip --quiet --disable-pip-version-check"
    $pip install --require-hashes -r "$lock"
    $pip install --no-deps --no-build-isolation --editable .
    touch "$stamp"
done; done
