#!/usr/bin/env bash
# Builds what the action runs: dist/bin/stockroom-TARGET, dist/SHA256SUMS and dist/BUILD.
#
#   scripts/build-dist.sh              build (minutes), run it once, write the three
#   scripts/build-dist.sh --check      does dist/ belong to this source tree? (milliseconds, builds nothing)
#   scripts/build-dist.sh --reproduce  build, and compare with what is in dist/ byte by byte
#
# The binary is committed raw. Git compresses what it stores and sends, so a .gz would save no download, but every run
# would have to unpack it into a place that is writable, allows execution and outlives the shell.
set -euo pipefail

target=x86_64-unknown-linux-gnu
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd -- "$root"
binary=dist/bin/stockroom-$target

# One digest over everything that decides the binary's bytes: names and contents, in an order of their own.
source_digest() {
    git ls-files -z --cached --others --exclude-standard -- \
        src models Cargo.toml Cargo.lock rust-toolchain.toml build.rs .cargo scripts/build-dist.sh |
        LC_ALL=C sort -zu |
        while IFS= read -r -d '' file; do
            if [[ -f $file ]]; then sha256sum -- "$file"; fi
        done | sha256sum | cut -d' ' -f1
}

stamp() { sed -n "s/^$1: //p" dist/BUILD; }

check() {
    if [[ ! -f dist/BUILD || ! -f $binary ]]; then
        echo "dist/ holds no binary. Run scripts/build-dist.sh and commit dist/." >&2
        return 1
    fi
    if ! (cd dist && sha256sum --quiet --strict --check SHA256SUMS); then
        echo "dist/bin does not hold what dist/SHA256SUMS says. Run scripts/build-dist.sh and commit dist/." >&2
        return 1
    fi
    local now
    now=$(source_digest)
    if [[ $(stamp source) != "$now" ]]; then
        echo "dist/ was built from other sources ($(stamp source | cut -c1-12)) than these ($(cut -c1-12 <<<"$now"))." \
            "Run scripts/build-dist.sh and commit dist/." >&2
        return 1
    fi
    echo "dist/ belongs to this source tree."
}

build() {
    local cargo_home sysroot version
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    sysroot=$(rustc --print sysroot)
    version=$(cargo pkgid --locked | sed 's/.*[#@]//')

    # No path of this machine may reach the binary: the bytes must not depend on where it was built, or by whom.
    # crt-static: the C library is inside, so it starts on every x86-64 Linux, however old or small.
    # getrandom: the system call itself. In a static program its look-up fails, and then it wants /dev/random.
    local flags=(
        -Ctarget-feature=+crt-static
        '--cfg=getrandom_backend="linux_getrandom"'
        --remap-path-prefix="$root=/stockroom"
        --remap-path-prefix="$cargo_home=/cargo"
        --remap-path-prefix="$sysroot=/rust"
    )
    local IFS=$'\x1f'
    local encoded="${flags[*]}"
    unset IFS

    # The bundled C sources (SQLite, libgit2, ring) put their own paths into messages; the date is the same for every commit.
    # With --target, the flags reach the binary alone and not the build scripts that run here.
    env -u RUSTFLAGS \
        CARGO_ENCODED_RUSTFLAGS="$encoded" \
        CARGO_INCREMENTAL=0 \
        CC_SHELL_ESCAPED_FLAGS=1 \
        CFLAGS_x86_64_unknown_linux_gnu="'-ffile-prefix-map=$root=/stockroom' '-ffile-prefix-map=$cargo_home=/cargo'" \
        SOURCE_DATE_EPOCH=315532800 \
        cargo build --release --locked --bin stockroom --target "$target" --target-dir "$root/target"

    local built=target/$target/release/stockroom
    local said
    said=$("$built" --version </dev/null)
    if [[ $said != *"$version"* ]]; then
        echo "the new binary says '$said' to --version, which does not name $version" >&2
        return 1
    fi
    local path
    for path in "$root/" "$cargo_home/" "$sysroot/"; do
        if grep -qaF -- "$path" "$built"; then
            echo "the new binary holds the path $path of this machine, so it would differ elsewhere" >&2
            return 1
        fi
    done
}

write() {
    mkdir -p dist/bin
    # install replaces the file instead of writing into it: a copy that is running keeps its own.
    install -m 755 "target/$target/release/stockroom" "$binary"
    (cd dist && LC_ALL=C sha256sum bin/stockroom-* >SHA256SUMS)
    {
        echo "version: $(cargo pkgid --locked | sed 's/.*[#@]//')"
        echo "target: $target"
        echo "rustc: $(rustc --version)"
        echo "cc: $(cc --version | head -n 1)"
        echo "source: $(source_digest)"
    } >dist/BUILD
    cat dist/BUILD
    ls -l -- "$binary"
}

case ${1:-} in
    "")
        build
        write
        ;;
    --check) check ;;
    --reproduce)
        build
        if ! cmp -- "target/$target/release/stockroom" "$binary"; then
            echo "this build differs from $binary; dist/BUILD names the compilers it was built with" >&2
            exit 1
        fi
        echo "reproduced: the same bytes."
        ;;
    *)
        echo "usage: scripts/build-dist.sh [--check | --reproduce]" >&2
        exit 2
        ;;
esac
