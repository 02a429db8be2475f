#!/bin/sh
# Prints the newest Python from 3.11 on that can make virtual environments, or says what is missing.
set -u
found_old=""
found_bare=""
for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3 python; do
    command -v "$name" >/dev/null 2>&1 || continue
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found_old="$name is $version"
        continue
    fi
    if ! "$name" -c 'import ensurepip, venv' 2>/dev/null; then
        found_bare="$version"
        continue
    fi
    command -v "$name"
    exit 0
done
if [ -n "$found_bare" ]; then
    echo "Python $found_bare is here, but it cannot make virtual environments." >&2
    echo "On Debian and Ubuntu, install the missing part with: apt-get install python3-venv" >&2
elif [ -n "$found_old" ]; then
    echo "Pellucid needs Python 3.11 or newer; $found_old." >&2
    echo "Name another one with: make PYTHON=/path/to/python3.11" >&2
else
    echo "Pellucid needs Python 3.11 or newer, and none was found." >&2
    echo "On Debian and Ubuntu, install it with: apt-get install python3 python3-venv" >&2
fi
exit 1
