#!/usr/bin/env bash
# `make android-test`: the app's core on this computer, compared with Python. The argument is this project's Python.
#
# Needs Maven and a JDK of 11 or newer. Skips only if Maven Central is unreachable.
set -euo pipefail
python=$(cd "$(dirname "${1:?give the project\'s Python}")" && pwd)/$(basename "$1")
cd "$(dirname "$0")"
build=$(cd .. && pwd)/build
log=$build/android-test.log
mkdir -p "$build"

command -v mvn >/dev/null || { echo "android-test: mvn is missing: install maven and a JDK (Debian: maven)" >&2; exit 2; }

# Runs Maven with output to the log; if it fails, shows the error, and skips if that is the network.
maven() {
  mvn --batch-mode --no-transfer-progress "$@" >"$log" 2>&1 && return
  if unreachable=$(grep -m 1 -oE '(Could not transfer|Failure to transfer) (artifact|metadata) \S+' "$log"); then
    echo "android-test skipped: Maven Central is out of reach ($unreachable; the whole log: $log)"
    exit 0
  fi
  grep -E '^\[ERROR\]|^(java|dev|org)\.' "$log" | head -n 60 >&2
  echo "android-test: failed, the whole log: $log" >&2
  exit 1
}

maven test-compile

reference=$build/reference
../../tests/make_reference.sh "$python" reference.py "$reference"

rm -f "$build/host/figures.txt" "$build/host/jacoco.exec"
library=$("$python" -c 'import ai_edge_litert, pathlib; print(pathlib.Path(ai_edge_litert.__file__).parent / "libLiteRt.so")')
maven test -Dreference="$reference" -Dlitert.library="$library"

sort "$build/host/figures.txt"
awk -F, 'NR > 1 { lines += $8 + $9; covered += $9; classes++
                  if ($9 / ($8 + $9) < least || !least) { least = $9 / ($8 + $9); of = $3 } }
         END { printf "coverage   %d classes, %.1f %% of lines; the least %.1f %%, %s\n",
               classes, 100 * covered / lines, 100 * least, of }' "$build/host/site/jacoco/jacoco.csv"
grep -E 'Tests run: [0-9]+, Failures: 0, Errors: 0' "$log" | tail -n 1 | sed -E 's/.*Tests run: ([0-9]+).*/tests      \1, all passed/'
