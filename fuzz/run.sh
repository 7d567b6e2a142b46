#!/bin/sh
# Builds the fuzz targets and runs each, or those named, for so many seconds (20 unless said otherwise). Fails if one of
# them crashes; what made it crash is then in fuzz/artifacts. With a second word "record", a line for each goes into
# docs/reliability.jsonl.
#
#     sh fuzz/run.sh [SECONDS [record|- [TARGET..]]]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-20}
record=${2:--}
shift $(($# < 2 ? $# : 2))

command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# The instrumentation counts as unstable; this makes the stable toolchain accept it.
export RUSTC_BOOTSTRAP=1
cargo fuzz build
[ $# -gt 0 ] || set -- $(cargo fuzz list)

# Says in $spent how many seconds of processor time all that was run so far has taken.
count_time() {
    times >"$said"
    spent=$(awk -F'[ms ]' 'NR == 2 { print int($1 * 60 + $2 + $4 * 60 + $5) }' "$said")
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=
for target in "$@"; do
    echo "== $target, $seconds s"
    crashes=0
    count_time
    before=$spent
    # From the committed seeds into a corpus that is kept from run to run, and not committed. No target has a reason to ask
    # for 256 MiB at once; what the sanitizer itself takes grows for hours.
    cargo fuzz run "$target" -- -max_total_time="$seconds" -timeout=20 -malloc_limit_mb=256 -rss_limit_mb=8192 -verbosity=1 \
        -print_final_stats=1 \
        2>"$said" || crashes=1
    if [ "$crashes" != 0 ]; then
        failed="$failed $target"
        cat "$said" >&2
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$said")
    seed=$(sed -n 's/^INFO: Seed: *//p' "$said")
    count_time
    took=$((spent - before))
    echo "$target: ${runs:-0} runs, $crashes crashes, $took s of processor time"
    if [ "$record" = record ]; then
        printf '{"campaign":"fuzz %s","command":"cargo fuzz run %s, %s s of processor time","seed":%s,"commit":"%s","runs":%s,"failures":%s}\n' \
            "$target" "$target" "$took" "${seed:-0}" "$(git rev-parse --short=12 HEAD)" "${runs:-0}" "$crashes" \
            >>docs/reliability.jsonl
    fi
done
if [ -n "$failed" ]; then
    echo "crashed:$failed" >&2
    exit 1
fi
