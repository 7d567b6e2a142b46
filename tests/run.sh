#!/bin/sh
# All tests. Installs the Debian packages that they need when they are missing and it may; otherwise names them and fails.
set -eu
cd "$(dirname "$0")/.."

missing=
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v chromedriver >/dev/null 2>&1 || missing="$missing chromium-driver"
[ -x "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | head -n 1)" ] || missing="$missing postgresql"
command -v pgbouncer >/dev/null 2>&1 || missing="$missing pgbouncer"
[ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v ps >/dev/null 2>&1 || missing="$missing procps"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing:$missing"
        apt-get update -qq
        # shellcheck disable=SC2086 # one word a package
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "the tests need these packages:$missing" >&2
        echo "install them, for instance with: sudo apt-get install$missing" >&2
        exit 1
    fi
fi

# The default build needs no C compiler, and no async runtime.
CC=/bin/false cargo build --quiet
# The stores on other machines need no C compiler either.
CC=/bin/false cargo build --quiet --no-default-features --features postgres
CC=/bin/false cargo build --quiet --no-default-features --features mysql
CC=/bin/false cargo build --quiet --no-default-features --features redis
# Nor do their encrypted connections, by themselves: the application chooses the cryptography.
CC=/bin/false cargo build --quiet --no-default-features --features postgres-tls,mysql-tls,redis-tls
unwanted=$(cargo tree --edges normal,build --prefix none --format '{p}' | grep -E '^(tokio|async-std|smol|ring|openssl-sys) ' || true)
if [ -n "$unwanted" ]; then
    echo "the default build must not depend on: $unwanted" >&2
    exit 1
fi

# The shop is driven by the tests as a process of its own.
cargo build --quiet --example shop
cargo test --all-features "$@"
# Once more where the page is not mapped, as on btrfs and in overlays. Not where only some tests were asked for.
if [ $# = 0 ]; then
    CLOAKROOM_PAGE_BY_CALLS=1 cargo test --all-features --test file_store --test processes
fi
