"""``python web_demo/test/reference.py FOLDER``: a site's models, and their output in Python, for the test of the page.

    models/    what the page serves: models.json, V3 as vocoder_float32, …_float16 and …_int8, the voice of low delay as
               live_int8, the mel front end, tiny_… of 8 kHz, and a recording
    files/     what is opened and dropped: models with and without faults, and recordings
    sample.f32 the recording, its peak at 0.95
    audio/     <vocoder>.f32, its audio by each vocoder of the site, and <vocoder>_nudged.f32, of a mel changed by 1e-6
    lengths/   <front end>/<samples>.f32, the mel of the first samples, and <samples>_audio.f32, by <front end>_vocoder

Numbers are little-endian. If HIFIGAN_SHARED has its weights, V3 is trained and the speech is real; otherwise it is
untrained, with the speech of the demo.
"""

import argparse
import dataclasses
import io
import json
import os
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

import keras
import numpy as np
import soundfile

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize
from hifigan_tf.audio.mel_stream import MelStream, mel_spectrogram
from hifigan_tf.export import mel_frontend
from hifigan_tf.export.export_vocoder import build_unjudged
from hifigan_tf.export.options import ExportOptions
from hifigan_tf.models.generator import load_generator
from hifigan_tf.resources import CONFIGS, VOICE
from hifigan_tf.streaming import contract, vocode
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from tests.reference_models import SPEECH, tiny, v3, write_floats

NUDGE = 1e-6  # the size of a rounding in a mel: how much such a change alone changes the samples
SECONDS = 4  # of the recording that is compared
# Fewer and more than is mirrored, whole and broken hops, and more than a block.
LENGTHS = (1, 63, 64, 97, 128, 129, 255, 256, 1000, 8000)
SERVED = {
    "V3 int8": "vocoder_int8",
    "V3 float32": "vocoder_float32",
    "V3 float16": "vocoder_float16",
    "Live voice int8": "live_int8",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    keras.utils.set_random_seed(1)
    generator = v3(untrained=CONFIGS / "v3.json")
    modes = ("float32", "float16", "int8")
    models = {
        **{f"vocoder_{mode}": build_unjudged(generator, ExportOptions(mode=mode)).packed() for mode in modes},
        "live_int8": build_unjudged(load_generator(VOICE), ExportOptions(mode="int8", chunk_frames=(1, 4))).packed(),
        "mel_frontend": mel_frontend.build(generator.audio).packed(),
    }
    rate = generator.audio.sampling_rate
    samples = load_audio(find_audio(SPEECH)[0], rate)[: SECONDS * rate]
    write_site(folder / "models", models, samples, rate)
    write_output(folder, models, samples)
    write_files(folder / "files", samples, rate)
    write_lengths(folder, normalize(samples))


def write_site(folder: Path, models: dict[str, bytes], samples: np.ndarray, sampling_rate: int) -> None:
    folder.mkdir(parents=True)
    for name, model in models.items():
        (folder / f"{name}.tflite").write_bytes(model)
    soundfile.write(folder / "sample.wav", samples, sampling_rate, subtype="FLOAT")
    served = [
        {"name": name, "file": f"{file}.tflite", "front_end": "mel_frontend.tflite"} for name, file in SERVED.items()
    ]
    (folder / "models.json").write_text(json.dumps({"models": served, "sample": "sample.wav"}), encoding="utf-8")


def write_output(folder: Path, models: dict[str, bytes], samples: np.ndarray) -> None:
    stream = MelStream(TfliteMelSpectrogram(models["mel_frontend"]))
    mel = np.concatenate([stream.push(normalize(samples)), stream.flush()])
    write_floats(folder / "sample.f32", normalize(samples))
    nudged = mel + np.float32(NUDGE) * np.random.default_rng(1).standard_normal(mel.shape, np.float32)
    for name in SERVED.values():
        write_floats(folder / "audio" / f"{name}.f32", vocode(models[name], mel))
        write_floats(folder / "audio" / f"{name}_nudged.f32", vocode(models[name], nudged))


def write_files(folder: Path, samples: np.ndarray, sampling_rate: int) -> None:
    """Models that are opened together with others or alone, some with a fault, and recordings."""
    folder.mkdir()
    small = tiny()
    other = tiny(mel_log="log10", mel_floor=1e-10, mel_centred=True, mel_mean=-2.0, mel_scale=1.5)  # of format 2
    good = build_unjudged(small, ExportOptions(chunk_frames=(4,))).packed()
    values = contract.read(good, "tiny")
    bare = contract.unpack(good)
    damaged = bytearray(good)
    damaged[len(bare) // 2] ^= 1
    files = {
        "tiny_vocoder.tflite": good,
        "tiny.tflite": mel_frontend.build(small.audio).packed(),
        "base10_vocoder.tflite": build_unjudged(other, ExportOptions(chunk_frames=(4, 16))).packed(),
        "base10.tflite": mel_frontend.build(other.audio).packed(),
        "bare.tflite": bare,
        "bare.json": values.dumps().encode(),
        "without_hash.tflite": repacked(bare, values, model_sha256=""),
        "newer.tflite": repacked(bare, values, format=3),
        "older.tflite": repacked(bare, values, format=0),
        "damaged.tflite": bytes(damaged),
        "stateless.tflite": build_unjudged(small, ExportOptions(stateless=True, frames=64)).packed(),
        "text.tflite": b"no model at all",
        "text.wav": b"no recording at all",
        "empty.wav": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    soundfile.write(folder / "long.flac", np.tile(samples, 60 // SECONDS), sampling_rate)
    soundfile.write(folder / "stereo_48k.wav", np.zeros([48000, 2]) + np.sin(np.arange(48000) / 20)[:, None] / 2, 48000)
    soundfile.write(folder / "silent.wav", np.zeros(22050), 22050)
    for name, value in {"nan.wav": np.nan, "infinite.wav": np.inf}.items():
        soundfile.write(folder / name, np.append(np.zeros(1000), value), 22050, subtype="FLOAT")
    soundfile.write(folder / "short.wav", samples[8000:8300], sampling_rate)
    soundfile.write(folder / "hour.flac", np.zeros(3600 * 8000, np.float32), 8000)


def write_lengths(folder: Path, samples: np.ndarray) -> None:
    for name in ("tiny", "base10"):
        front_end = TfliteMelSpectrogram(folder / "files" / f"{name}.tflite")
        for length in LENGTHS:
            mel = mel_spectrogram(samples[:length], front_end)
            write_floats(folder / "lengths" / name / f"{length}.f32", mel)
            audio = vocode(folder / "files" / f"{name}_vocoder.tflite", mel, check_mel=False)
            write_floats(folder / "lengths" / name / f"{length}_audio.f32", audio)


def repacked(model: bytes, values: contract.VocoderContract, **changes) -> bytes:
    """A model with a contract that ``pack`` would not write."""
    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(contract.MEMBER, dataclasses.replace(values, **changes).dumps())
    return buffer.getvalue()


if __name__ == "__main__":
    main()
