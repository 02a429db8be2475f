#!/bin/sh
# Renews the hashed requirements files from pyproject.toml. Names no registry, so that any mirror serves.
set -eu
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check uv
compile() {
    "$tools/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-package pellucid --custom-compile-command "make lock" "$@"
}
compile --extra all --group dev --group reference -o requirements/dev.txt pyproject.toml
compile --extra demo --group build -c requirements/dev.txt -o requirements/demo.txt pyproject.toml
compile_world() {
    # The frameworks' own pre-releases of instrumentation are the only ones there are.
    "$tools/venv/bin/uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-package pellucid --custom-compile-command "make lock" --extra demo --group build "$@"
}
for world in a b; do
    compile_world -o "requirements/integrations/$world.txt" \
        pyproject.toml "requirements/integrations/$world.in" requirements/integrations/test.in
done
for world in a-low b-low openai-low; do
    # The lowest that the .in file allows, and beside it what Pellucid and the tests have anywhere.
    "$tools/venv/bin/uv" pip compile --quiet --python-version 3.11 --resolution lowest-direct \
        --no-emit-index-url -o "$tools/$world.txt" "requirements/integrations/$world.in"
    compile_world --no-annotate -c "$tools/$world.txt" -o "requirements/integrations/$world.txt" \
        pyproject.toml "requirements/integrations/$world.in" requirements/integrations/test.in
done
