#!/usr/bin/env bash
# What the tests drive that no Python package ships: curl, a browser, PostgreSQL. Installed only
# where they are missing.
set -euo pipefail
missing=()
command -v curl >/dev/null || missing+=(curl)
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing+=(chromium)
if ! command -v initdb >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    missing+=(postgresql)
fi
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # The tests start a server of their own: the package is not to start one beside it.
        if [[ " ${missing[*]} " == *" postgresql "* && ! -e /etc/postgresql-common ]]; then
            mkdir -p /etc/postgresql-common
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        fi
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Options::=--force-confold "${missing[@]}"
    else
        echo "The tests need: ${missing[*]}. Install it with your package manager." >&2
        exit 1
    fi
fi
