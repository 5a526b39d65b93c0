#!/bin/sh
# Becomes the stockroom binary for this machine: $STOCKROOM_BIN when that is set, else the one committed beside this
# script, once its SHA-256 is the one in SHA256SUMS. Anything doubtful is refused with exit code 2, never run.
set -eu

refuse() {
    printf 'stockroom: %s\n' "$@" >&2
    exit 2
}

if [ -n "${STOCKROOM_BIN:-}" ]; then
    if [ ! -f "$STOCKROOM_BIN" ] || [ ! -x "$STOCKROOM_BIN" ]; then
        refuse "STOCKROOM_BIN is set to '$STOCKROOM_BIN', which is not a program. Correct it or unset it."
    fi
    exec "$STOCKROOM_BIN" "$@"
fi

dist=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

machine=$(uname -sm)
case $machine in
    "Linux x86_64" | "Linux amd64") target=x86_64-unknown-linux-gnu ;;
    "Linux aarch64" | "Linux arm64") target=aarch64-unknown-linux-gnu ;;
    "Darwin arm64") target=aarch64-apple-darwin ;;
    "Darwin x86_64") target=x86_64-apple-darwin ;;
    *) target= ;;
esac
name=bin/stockroom-$target
binary=$dist/$name

if [ -z "$target" ] || [ ! -e "$binary" ]; then
    set -- "no prebuilt binary for this machine ($machine) in $dist/bin."
    if [ -f "$dist/../Cargo.toml" ]; then
        set -- "$@" "This is a source checkout: run 'cargo build --release --locked' and set STOCKROOM_BIN to target/release/stockroom."
    fi
    refuse "$@" "In a workflow, 'runs-on: ubuntu-latest' has one."
fi

expected=
if [ -r "$dist/SHA256SUMS" ]; then
    while read -r sum file; do
        [ "$file" = "$name" ] && expected=$sum
    done <"$dist/SHA256SUMS"
fi
[ "${#expected}" -eq 64 ] ||
    refuse "$dist/SHA256SUMS names no SHA-256 for $name, so it is not run. Take a whole release of the action."

if command -v sha256sum >/dev/null 2>&1; then
    found=$(sha256sum <"$binary")
elif command -v shasum >/dev/null 2>&1; then
    found=$(shasum -a 256 <"$binary")
else
    refuse "neither sha256sum nor shasum is here to verify $binary with, so it is not run. Install one of them."
fi
found=${found%% *}

[ "$found" = "$expected" ] ||
    refuse "$binary is not the binary that was released and is not run." "Its SHA-256 is $found, SHA256SUMS says $expected. Take the action afresh; if that does not mend it, report it as SECURITY.md says."
[ -x "$binary" ] ||
    refuse "$binary has lost its executable bit. Run: chmod +x '$binary'"

exec "$binary" "$@"
