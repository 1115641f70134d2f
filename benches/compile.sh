#!/usr/bin/env bash
# What an annotation costs the compiler: benches/compile.sh [N]
#
# Writes crates with N async functions, plain or annotated, and measures the CPU time of a dev build of each
# crate alone, with its dependencies already built. Three interleaved rounds, medians.
#
# Two differences are printed. "Over plain" is to a crate without any annotation; it has the price of linking
# the library in it. "Further function" is to a crate with one annotated function and N - 1 plain ones.
set -euo pipefail
cd "$(dirname "$0")"

N=${1:-100}
ROUNDS=3
root=$(cd .. && pwd)
work=${CARGO_TARGET_DIR:-$PWD/target}/compile
export CARGO_TARGET_DIR=$work/target
mkdir -p "$work"

ours='cache-core = { path = "'$root'/cache-core" }'
cached='cached = { version = "4.1", features = ["async"] }'

# The attribute of function $2 in a crate of kind $1.
attribute() {
    case $1 in
        plain) ;;
        ours) echo "#[cache_core::cache_result(key = \"item$2:{id}:{name}\", ttl = 3600)]" ;;
        cached) echo "#[cached::macros::cached]" ;;
        cached-bounded) echo "#[cached::macros::concurrent_cached(max_size = 1000, ttl_secs = 3600)]" ;;
    esac
}

# write NAME KIND ANNOTATED DEPENDENCY: a crate of which the first ANNOTATED functions have the attribute.
write() {
    mkdir -p "$work/$1/src"
    cat >"$work/$1/Cargo.toml" <<EOF
[package]
name = "compile-$1"
version = "0.0.0"
edition = "2024"

[dependencies]
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["rt", "macros"] }
$4

[workspace]
EOF
    {
        echo '#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]'
        echo 'pub struct Item { pub id: u64, pub name: String, pub score: f64 }'
        for ((i = 1; i <= N; i++)); do
            if ((i <= $3)); then attribute "$2" "$i"; fi
            echo "pub async fn item_$i(id: u64, name: String) -> Item { Item { id: id + $i, name, score: 0.5 } }"
        done
        echo '#[tokio::main(flavor = "current_thread")]'
        echo 'async fn main() {'
        echo '    let mut sum = 0;'
        for ((i = 1; i <= N; i++)); do echo "    sum += item_$i($i, String::new()).await.id;"; done
        echo '    println!("{sum}");'
        echo '}'
    } >"$work/$1/src/main.rs"
}

# CPU seconds of a build of crate $1 alone.
build() {
    local TIMEFORMAT='%U %S' log=$work/log
    (cd "$work/$1" && cargo clean -q -p "compile-$1")
    { time (cd "$work/$1" && cargo build -q >"$log" 2>&1) || { cat "$log" >&2; exit 1; }; } 2>&1 |
        awk '{ print $1 + $2 }'
}

median() { tr ' ' '\n' | grep . | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

write plain plain 0 ""
crates=(plain)
kinds=()
add() { # KIND DEPENDENCY
    write "$1-1" "$1" 1 "$2"
    write "$1-all" "$1" "$N" "$2"
    crates+=("$1-1" "$1-all")
    kinds+=("$1")
}
add ours "$ours"
add cached "$cached"
add cached-bounded "$cached"

declare -A seconds size
for crate in "${crates[@]}"; do
    (cd "$work/$crate" && cargo build -q 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
    size[$crate]=$(($(stat -c %s "$CARGO_TARGET_DIR/debug/compile-$crate") / 1024))
done
for ((round = 0; round < ROUNDS; round++)); do
    for ((step = 0; step < ${#crates[@]}; step++)); do
        crate=${crates[$(((round + step) % ${#crates[@]}))]}
        seconds[$crate]+=" $(build "$crate")"
    done
done

# per FROM TO UNIT FUNCTIONS: the difference for each function.
per() { awk -v from="$1" -v to="$2" -v unit="$3" -v count="$4" 'BEGIN { printf "%.1f", (to - from) * unit / count }'; }

echo "#### Compile time: $N functions, dev build of their crate, dependencies built"
echo
echo "| attribute | CPU s | over plain, ms per function | further function, ms | over plain, KiB per function | further function, KiB |"
echo "|---|--:|--:|--:|--:|--:|"
plain=$(median <<<"${seconds[plain]}")
echo "| none | $plain | | | | |"
for kind in "${kinds[@]}"; do
    one=$(median <<<"${seconds[$kind-1]}")
    all=$(median <<<"${seconds[$kind-all]}")
    echo "| $kind | $all | $(per "$plain" "$all" 1000 "$N") | $(per "$one" "$all" 1000 $((N - 1)))" \
        "| $(per "${size[plain]}" "${size[$kind-all]}" 1 "$N") | $(per "${size[$kind-1]}" "${size[$kind-all]}" 1 $((N - 1))) |"
done
