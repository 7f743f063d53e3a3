#!/usr/bin/env bash
# `make web-test`: the page in headless Chromium, compared with Python, and the page of the demo. The argument is this
# project's Python.
#
# Needs Node 18, npm and Chromium. Skips only if npm's packages are out of reach.
set -euo pipefail
python=$(cd "$(dirname "${1:?give the project\'s Python}")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
build=$PWD/build
mkdir -p "$build"

for program in node npm "${CHROMIUM:-chromium}"; do
  command -v "$program" >/dev/null ||
    { echo "web-test: $program is missing: install nodejs, npm and chromium (Debian), or name the browser by CHROMIUM=…" >&2; exit 2; }
done

if ! npm ci >"$build/npm.log" 2>&1; then
  if unreachable=$(grep -m 1 -oE 'ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH' "$build/npm.log"); then
    echo "web-test skipped: npm's packages are out of reach ($unreachable; the whole log: $build/npm.log)"
    exit 0
  fi
  tail -n 30 "$build/npm.log" >&2
  echo "web-test: npm ci failed, the whole log: $build/npm.log" >&2
  exit 1
fi

../tests/make_reference.sh "$python" test/reference.py "$build/reference"

PYTHON=$python exec node --test --test-reporter=spec test/page_test.mjs test/speaking_test.mjs
