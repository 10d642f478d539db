#!/usr/bin/env bash
# check.sh: every check and test, in the order in which a failure costs least. Warnings are errors.
# `install/setup.sh test` comes first. SKIP_RUST=1 leaves out what cargo runs.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv-test/bin
export PATH="$bin:$PATH" PYTHONDONTWRITEBYTECODE=1

step() { printf '\n\033[1m── %s\033[0m\n' "$*" >&2; }

step "format"
cargo fmt --all --check
ruff format --check
step "lint: Python"
ruff check
mypy
if [ -z "${SKIP_RUST:-}" ]; then
  step "one version of Arrow"
  cargo tree --locked --quiet --invert arrow-array --depth 0
  step "test: Rust"
  cargo test --locked --workspace --quiet
  step "lint: Rust"
  cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
  step "documentation: Rust"
  RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --no-deps --quiet
fi
step "test: Python"
FAIL_ON_SKIP=1 python -m pytest tests/python
step "test: notebooks"
python -m pytest --nbval --nbval-cell-timeout 900 -p no:cacheprovider notebooks
