#!/usr/bin/env bash
# Kills some thousand syncs, each at another call or moment, and prints what came of them. Arguments go to the test runner.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$root"

table=$(mktemp)
trap 'rm -f -- "$table"' EXIT
export STOCKROOM_SWEEP=long STOCKROOM_SWEEP_TABLE=$table

status=0
if command -v cargo-nextest >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast --test it kill_sweep "$@" || status=$?
else
    cargo test --locked --no-fail-fast --test it kill_sweep -- "$@" || status=$?
fi

# A line of the table: class, continuation, situation, outcome, events that came twice under their id, the kills.
awk -F '\t' '
    { class = $1 "\t" $2; classes[class]; count[class, $4]++; twice[class] += $5; all[$4]++; doubles += $5; lines++ }
    function row(name, same, wrong, before, twice) {
        printf "%-10s %-8s %9d %7d %13d %13d\n", substr(name, 1, index(name "\t", "\t") - 1),
            substr(name, index(name "\t", "\t") + 1), same, wrong, before, twice
    }
    END {
        printf "%-10s %-8s %9s %7s %13s %13s\n", "killed at", "then", "same end", "WRONG", "ended before", "events twice"
        n = asorted(classes, order)
        for (i = 1; i <= n; i++) {
            c = order[i]
            row(c, count[c, "same-end"], count[c, "WRONG"], count[c, "ended-before"], twice[c])
        }
        row("all\t", all["same-end"], all["WRONG"], all["ended-before"], doubles)
    }
    function asorted(from, to,    key, n, i, held) {
        for (key in from) to[++n] = key
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && to[j] < to[j - 1]; j--) { held = to[j]; to[j] = to[j - 1]; to[j - 1] = held }
        return n
    }
' "$table"
exit "$status"
