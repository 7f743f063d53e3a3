#!/usr/bin/env bash
# Compares the app's models on emulated ARM kernels with the same models here, on speech:
#
#   android_demo/verify_arm64.sh [MODELS [SPEECH]]
#
# MODELS is the output of `make android-assets FLOAT32=1`; SPEECH is a folder of recordings, by default that of
# HIFIGAN_SHARED or of the demo. Takes about three minutes on two cores, and 150 MB of downloads the first time. Exit
# code 1 if a model differs too much, 2 if it cannot run. It uses the wheel of LiteRT for Linux on arm64, not the library
# in the app.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../.venv/bin/python}
models=${1:-$here/app/src/main/assets/models}
speech=${2:-${HIFIGAN_SHARED:+$HIFIGAN_SHARED/speech}}
speech=${speech:-$here/../hifigan_tf/demo_corpus/held_out}
folder=$here/build/arm64

fail() {
  echo "error: $1" >&2
  exit 2
}
[ -f "$models/vocoder_float32.tflite" ] ||
  fail "$models has no vocoder_float32.tflite: make android-assets FLOAT32=1 makes it"
[ "$(uname -m)" = x86_64 ] || fail "this is $(uname -m): the emulator fetched is for x86_64"
grep -q '^ID=debian' /etc/os-release ||
  fail "this is no Debian: the emulator and the Python for ARM are packages of Debian"
command -v "$python" >/dev/null || fail "$python is not there: make test makes it, or set PYTHON"

wheels=$("$python" -c 'from importlib.metadata import version as v
print(*(f"{name}=={v(name)}" for name in ("numpy", "ai-edge-litert")))')
wanted="$wheels $(sha256sum <"$here/tools/fetch_arm64.sh")"
if [ "$(cat "$folder/fetched" 2>/dev/null)" != "$wanted" ]; then
  echo "fetching an emulator, and Python for ARM, into $folder" >&2
  # shellcheck disable=SC2086 # a word for each package
  "$here/tools/fetch_arm64.sh" "$folder" "$python" $wheels || fail "Debian's packages or PyPI are out of reach"
  echo "$wanted" >"$folder/fetched"
fi
exec "$python" "$here/tools/verify_arm64.py" --models "$models" --speech "$speech" --arm64 "$folder"
