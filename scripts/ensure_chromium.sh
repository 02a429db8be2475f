#!/bin/sh
# Makes sure that browser tests have a Chromium: an installed one, else Debian's where we may install it.
# Never fails: without a browser those tests are skipped and counted.
set -u
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian's chromium for the browser tests…"
    export DEBIAN_FRONTEND=noninteractive
    for again in 1 2 3; do
        if { apt-get update -qq && apt-get install -y -qq --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 chromium; } >/dev/null 2>&1; then
            exit 0
        fi
        sleep $((again * 5))
    done
fi
echo "No Chromium is installed and none could be added: the browser tests (tests/browser) are left out and counted as skipped."
echo "To run them too, install it: apt-get install chromium"
exit 0
