#!/bin/sh
# All tests. Installs a Redis server first if there is none; the tests spawn it themselves, on free ports.
set -eu
cd "$(dirname "$0")/.."

sh scripts/install-redis.sh

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --all-features --profile ci
    # nextest leaves out the examples in the documentation.
    cargo test --doc -p cache-core --all-features
else
    cargo test --workspace --all-features
fi
