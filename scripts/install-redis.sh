#!/bin/sh
# Makes sure that the tests find a Redis server to spawn. Does nothing when there is one.
set -eu

if [ -n "${CACHE_TEST_REDIS_SERVER:-}" ]; then
    exit 0
fi

found() {
    command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1
}

fail() {
    cat >&2 <<EOF
install-redis: $1
The tests spawn a Redis server of their own, and need its binary. Any of these will do:
  - install the package \`redis-server\`, \`redis\` or \`valkey\` of your system, so that
    \`redis-server\` or \`valkey-server\` is on PATH;
  - set CACHE_TEST_REDIS_SERVER to the path of such a binary.
EOF
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        fail "installing a package takes root, and there is no \`sudo\`"
    fi
}

found && exit 0

echo "install-redis: no redis-server on PATH, installing one" >&2
if command -v apt-get >/dev/null 2>&1; then
    as_root apt-get update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server ||
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends valkey-server ||
        fail "\`apt-get\` could install neither \`redis-server\` nor \`valkey-server\`"
elif command -v apk >/dev/null 2>&1; then
    as_root apk add --no-cache redis || as_root apk add --no-cache valkey ||
        fail "\`apk\` could install neither \`redis\` nor \`valkey\`"
elif command -v dnf >/dev/null 2>&1; then
    as_root dnf install -y redis || as_root dnf install -y valkey ||
        fail "\`dnf\` could install neither \`redis\` nor \`valkey\`"
elif command -v brew >/dev/null 2>&1; then
    brew install redis || fail "\`brew install redis\` failed"
else
    fail "found none of apt-get, apk, dnf and brew"
fi

found || fail "the package is installed, but \`redis-server\` is not on PATH"
