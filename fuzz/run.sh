#!/bin/sh
# Builds the fuzz targets and runs each for so many seconds (20 unless said otherwise). Fails if one of them crashes; what
# made it crash is then in fuzz/artifacts. With a second word "record", a line for each goes into docs/reliability.jsonl.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-20}
record=${2:-}

command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# The instrumentation counts as unstable; this makes the stable toolchain accept it.
export RUSTC_BOOTSTRAP=1
cargo fuzz build

said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=
for target in $(cargo fuzz list); do
    echo "== $target, $seconds s"
    crashes=0
    # From the committed seeds into a corpus that is kept from run to run, and not committed.
    cargo fuzz run "$target" -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=1 -print_final_stats=1 \
        2>"$said" || crashes=1
    if [ "$crashes" != 0 ]; then
        failed="$failed $target"
        cat "$said" >&2
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$said")
    echo "$target: ${runs:-0} runs, $crashes crashes"
    if [ "$record" = record ]; then
        seed=$(sed -n 's/^INFO: Seed: *//p' "$said")
        printf '{"campaign":"fuzz %s","command":"cargo fuzz run %s, %s s","seed":%s,"commit":"%s","runs":%s,"failures":%s}\n' \
            "$target" "$target" "$seconds" "${seed:-0}" "$(git rev-parse --short=12 HEAD)" "${runs:-0}" "$crashes" \
            >>docs/reliability.jsonl
    fi
done
if [ -n "$failed" ]; then
    echo "crashed:$failed" >&2
    exit 1
fi
