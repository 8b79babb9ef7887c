#!/usr/bin/env bash
# What the tests drive that no Python package ships: curl, and a browser. Installed only where
# they are missing.
set -euo pipefail
missing=()
command -v curl >/dev/null || missing+=(curl)
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
    else
        echo "The tests need: ${missing[*]}. Install it with your package manager." >&2
        exit 1
    fi
fi
