#!/usr/bin/env bash
# tests/make_reference.sh PYTHON SCRIPT FOLDER: the output of Python that the tests in Java or in the browser compare with.
# The SCRIPT makes the FOLDER again when the code, a config, a voice, a recording or the source of the weights has changed.
set -euo pipefail
python=$1 script=$2 reference=$3
root=$(cd "$(dirname "$0")/.." && pwd)
made_from="${HIFIGAN_SHARED-no trained weights}"
if [ "$(cat "$reference/made_from" 2>/dev/null)" != "$made_from" ] ||
  [ -n "$(find "$script" "$root"/tests/{make_reference.sh,reference_models.py} "$root"/{hifigan_tf,configs} \
    -type f ! -name '*.pyc' -newer "$reference/made_from")" ]; then
  echo "models and their output in Python: a minute"
  rm -rf "$reference"
  "$python" "$script" "$reference" >/dev/null
  echo "$made_from" >"$reference/made_from"
fi
