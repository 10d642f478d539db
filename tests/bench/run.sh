#!/usr/bin/env bash
# run.sh: every benchmark, beside its peers. PYFLINK names a Python that has apache-flink==2.3.0 and
# XdbSearchIP (845 MB, so it is not installed by itself); without it only Tidemill's figures come.
set -euo pipefail
cd "$(dirname "$0")/../.."
.venv/bin/python tests/bench/kernel.py tidemill python3
.venv/bin/python tests/bench/cdn.py ${PYFLINK:+--pyflink "$PYFLINK"}
.venv/bin/python tests/bench/functions.py ${PYFLINK:+--pyflink "$PYFLINK"}
.venv/bin/python tests/bench/nexmark.py --format json --generator ${PYFLINK:+--pyflink "$PYFLINK"}
.venv/bin/python tests/bench/nexmark.py --format csv ${PYFLINK:+--pyflink "$PYFLINK"}
.venv/bin/python tests/bench/batch.py
cargo run --release --locked --quiet -p tidemill-tests --example group_by
cargo run --release --locked --quiet -p tidemill-tests --example checkpoint
cargo bench --locked --quiet --manifest-path tests/benches/Cargo.toml --target-dir target
