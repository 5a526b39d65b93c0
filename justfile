# The same scripts under shorter names; none of them needs just.

# Format check, lints, licences, linters of the action, all tests.
test *ARGS:
    scripts/test.sh {{ARGS}}

# The tools that the tests use, into .tools/.
tools:
    scripts/install-tools.sh

# shellcheck, zizmor, actionlint and check-jsonschema, or the one named.
lint *LINTER:
    scripts/lint.sh {{LINTER}}

# Kills some thousand syncs and prints what came of them.
kill-sweep *ARGS:
    scripts/kill-sweep.sh {{ARGS}}

# The binary that the action runs.
dist *ARGS:
    scripts/build-dist.sh {{ARGS}}

# What a fresh machine runs.
ci:
    .ci/run
