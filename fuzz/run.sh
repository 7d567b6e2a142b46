#!/bin/sh
# Builds the fuzz targets and runs each for so many seconds (20 unless said otherwise). Fails if one of them crashes; what
# made it crash is then in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-20}

command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# The instrumentation counts as unstable; this makes the stable toolchain accept it.
export RUSTC_BOOTSTRAP=1
cargo fuzz build

failed=
for target in $(cargo fuzz list); do
    echo "== $target, $seconds s"
    # From the committed seeds into a corpus that is kept from run to run, and not committed.
    cargo fuzz run "$target" -- -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "crashed:$failed" >&2
    exit 1
fi
