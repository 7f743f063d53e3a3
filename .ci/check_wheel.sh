#!/usr/bin/env bash
# The wheel, installed with no extras into an empty environment of the newest Python that is there: it vocodes, by its
# voice too, streams and makes mels without TensorFlow, from outside the checkout, and its audio is that of the
# checkout's own environment.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python=$(make --silent current-python)
python=${python:-.venv/bin/python}
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/dist" .
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "$work"/dist/hifigan_tf-*.whl
"$work/venv/bin/pip" check

# A model of version 0.1 and a recording at its rate, from the tests and the demo corpus.
cp tests/data/version_0_1_0/vocoder_float32.tflite "$work/vocoder.tflite"
.venv/bin/python - "$work" <<'PYTHON'
import sys
from pathlib import Path

from hifigan_tf.audio.audio_files import find_audio, load_audio, write_wav
from hifigan_tf.extract_mel import audio_of
from hifigan_tf.resources import DEMO_HELD_OUT

work = Path(sys.argv[1])
rate = audio_of(work / "vocoder.tflite").sampling_rate
write_wav(work / "speech.wav", load_audio(find_audio(DEMO_HELD_OUT)[0], rate), rate)
PYTHON
.venv/bin/hifigan-tf vocode --checkpoint "$work/vocoder.tflite" --output-dir "$work/expected" "$work/speech.wav"

cd "$work"
PATH=$work/venv/bin:$PATH
hifigan-tf vocode --output-dir by_the_voice speech.wav
hifigan-tf vocode --checkpoint vocoder.tflite speech.wav
hifigan-tf extract-mel --checkpoint vocoder.tflite --output-dir mels speech.wav
hifigan-tf vocode --checkpoint vocoder.tflite --output-dir from_mel mels/speech.npy
python -c "import numpy, sys; sys.stdout.buffer.write(numpy.load('mels/speech.npy'))" \
  | hifigan-tf stream --checkpoint vocoder.tflite --quiet > streamed.pcm
if hifigan-tf export --int8 2> refused; then exit 1; fi
cat refused
test "$(wc -l < refused)" = 1 && grep -qF 'pip install "hifigan_tf[export]"' refused
python - "$checkout" <<'PYTHON'
import importlib.util
import sys
from pathlib import Path

import numpy as np
import soundfile

import hifigan_tf
from hifigan_tf import resources

assert Path(sys.argv[1]) not in Path(hifigan_tf.__file__).parents, hifigan_tf.__file__
heavy = [name for name in ("tensorflow", "keras", "librosa", "matplotlib") if importlib.util.find_spec(name)]
assert not heavy, heavy
package = Path(hifigan_tf.__file__).parent
for source, installed in (("configs", resources.CONFIGS), ("hifigan_tf", package)):
    for path in (Path(sys.argv[1]) / source).rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            there = installed / path.relative_to(Path(sys.argv[1]) / source)
            assert there.read_bytes() == path.read_bytes(), there
ours, expected, from_mel = (soundfile.read(f"{name}/speech.wav")[0] for name in ("vocoded", "expected", "from_mel"))
assert len(ours) == len(expected) and np.abs(expected).max() > 0.01, np.abs(expected).max()
difference = np.abs(ours - expected).max()
assert difference <= 1e-3, difference
spoken, rate = soundfile.read("by_the_voice/speech.wav")
assert rate == 22050 and np.abs(spoken).max() > 0.1, (rate, np.abs(spoken).max())
streamed = np.fromfile("streamed.pcm", "<i2") / 32768
assert np.array_equal(streamed, from_mel)
print(f"Python {sys.version.split()[0]}: {len(ours)} samples, largest difference {difference:.1e}")
PYTHON
