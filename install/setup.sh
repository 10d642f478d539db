#!/usr/bin/env bash
# setup.sh demo|test|bench: makes a virtual environment and installs Tidemill into it.
#
#   demo   .venv        release wheel, JupyterLab, the IP database of the demo; the kernelspec
#   test   .venv-test   debug build (shares its objects with `cargo test`), test tools; the kernelspec
#   bench  .venv        adds the peers that the benchmarks compare with
#
# Needs Rust (cargo) and CPython >= 3.10. PYTHON chooses the interpreter, CARGO_TARGET_DIR the
# folder of compiled objects. Calling it again does only what has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?usage: setup.sh demo|test|bench}
python=${PYTHON:-python3}
case $kind in
  test) venv=.venv-test ;;
  demo | bench) venv=.venv ;;
  *) echo "setup.sh: unknown kind '$kind'; known: demo, test, bench" >&2; exit 2 ;;
esac

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

command -v cargo >/dev/null || { echo "setup.sh: cargo not found; install Rust first (https://rustup.rs)" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "setup.sh: $python is older than Python 3.10; set PYTHON" >&2; exit 1; }

if [ ! -x "$venv/bin/python" ]; then
  say "creating $venv"
  "$python" -m venv "$venv"
fi

# The packages are installed anew only when a requirements file or the constraints change.
stamp="$venv/.requirements-$kind"
wanted=$(cat install/requirements/"$kind".txt install/constraints.txt | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "installing Python packages"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement install/requirements/"$kind".txt --constraint install/constraints.txt
  printf '%s\n' "$wanted" > "$stamp"
fi

case $kind in
  demo)
    say "building the wheel (release; the first time takes 10 to 20 minutes)"
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    "$venv/bin/maturin" build --release --locked --quiet --interpreter "$venv/bin/python" --out "$wheels"
    # The version stays the same, so pip would leave an older build; then what it needs.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheels"/*.whl
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint install/constraints.txt "$wheels"/*.whl
    ;;
  test)
    say "building the extension (debug)"
    VIRTUAL_ENV="$PWD/$venv" "$venv/bin/maturin" develop --locked --quiet
    ;;
  bench) exit 0 ;;
esac
"$venv/bin/tidemill" install --sys-prefix
