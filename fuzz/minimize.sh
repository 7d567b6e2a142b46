#!/bin/sh
# Keeps of each target's corpus the few inputs that reach all code that the whole of it reaches, under names that are
# committed. The seeds that were written by hand stay as they are.
#
#     sh fuzz/minimize.sh [TARGET..]
set -eu
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
cargo fuzz build
[ $# -gt 0 ] || set -- $(cargo fuzz list)

few=$(mktemp -d)
trap 'rm -rf "$few"' EXIT
for target in "$@"; do
    corpus=fuzz/corpus/$target
    rm -rf "${few:?}"/*
    # By the code that is reached, not by how often: a hundred inputs instead of thousands.
    cargo fuzz run "$target" "$few" "$corpus" -- -set_cover_merge=1 -use_counters=0 >/dev/null 2>&1
    rm -f "$corpus"/min-*
    for input in "$few"/*; do
        hash=$(basename "$input" | cut -c1-12)
        # One that is among the written ones already needs no second name.
        cp "$input" "$corpus/min-$hash"
        for written in "$corpus"/seed-*; do
            if cmp -s "$written" "$input"; then rm -f "$corpus/min-$hash"; fi
        done
    done
    echo "$target: $(find "$corpus" -name 'min-*' | wc -l) inputs, $(cat "$corpus"/min-* | wc -c) bytes"
done
