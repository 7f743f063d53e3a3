"""``python android_demo/host/reference.py FOLDER``: models, and their output in Python, for the tests in Java.

    models/    <vocoder>_<mode>.tflite, vocoders that stream: vocoder_…, live_… with low delay, hop_300_… of 24 kHz with
               kernels that differ from their rates by odd numbers; mel front ends; tiny_… of 8 kHz;
               stateless.tflite; bare.tflite (no contract)
    clips/     speech as <clip>.wav, and its mel as <clip>.npy
    mels/      <clip>.f32, the mel by the exported front end in Python; mels_24k/, by that of hop_300_…
    audio/     <vocoder>_<mode>_<chunk>/<clip>.f32, the audio of each mel
    short/     <vocoder>_<mode>_<chunk>/<frames>.f32, from the first frames of the first clip's mel
    scales/    <front end>/<scale>_<number>.npy, mels as Python recognises them for models with its mel
    other_mels/ <front end>/<samples>.f32, the mel of the first samples of the first clip, for mels of other libraries
    resampled/ <rate>.f32, speech of that rate, and <rate>_converted.f32, at the vocoder's rate
    pcm/       floats.f32, and shorts.s16, the same as 16-bit samples

Numbers are little-endian. If HIFIGAN_SHARED has its weights, the generator is a trained V3 and the speech is real;
otherwise it is a small untrained one, with the speech of the demo.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

import keras
import numpy as np
import soundfile

from hifigan_tf.audio.audio_files import find_audio, load_audio, normalize, resample, to_pcm16
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.audio.mel_recognition import TO_NATURAL, own_scale, recognize
from hifigan_tf.audio.mel_scale import LN10, to_model_mel
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.config import AudioConfig, Config
from hifigan_tf.export import mel_frontend
from hifigan_tf.export.export_vocoder import build_unjudged
from hifigan_tf.export.options import STREAMING, ExportOptions
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS, DEMO_CONFIG, VOICE
from hifigan_tf.streaming import contract, vocode
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.streaming.streaming_vocoder import load_vocoder
from tests.reference_models import SPEECH, tiny, v3, write_floats

VOCODERS = {
    "vocoder": (STREAMING, (4, 16)),
    "live": (("float32", "int8"), (1, 4)),
    "hop_300": (("float32", "int8"), (1, 4)),
}  # {vocoder: its modes, its chunks in frames}
CLIPS = 3
SHORT = (1, 2, 3, 4, 5, 11, 12, 15, 16, 17, 29, 40)  # frames: fewer and more than a chunk, and than edge_frames
RATES = (8000, 16000, 24000, 44100, 48000, 44101)  # the last has no simple ratio to any other
TINY_CHUNKS = (16,)
# Fewer and more than is mirrored, and whole and broken hops.
OTHER_LENGTHS = (1, 255, 256, 257, 512, 513, 514, 1024, 4097, 20000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    keras.utils.set_random_seed(1)
    generator = v3(untrained=DEMO_CONFIG)
    generators = {"vocoder": generator, "live": load_generator(VOICE), "hop_300": hop_300()}
    models = write_models(folder / "models", generators)
    clips = write_clips(folder / "clips", find_audio(SPEECH)[:CLIPS], generator.audio)
    write_mels(folder / "mels", models["mel_frontend"], clips)
    write_mels(folder / "mels_24k", models["mel_frontend_24k"], clips)
    write_audio(folder, models, [(name, mel) for name, _, mel in clips])
    others = other_settings(generator.audio, clips[0][2])
    for name, audio in {"mel_frontend": generator.audio, **others}.items():
        write_scales(folder / "scales" / name, [mel for _, _, mel in clips], audio)
    write_other_mels(folder, others, clips[0][1])
    write_resampled(folder / "resampled", clips[0][1], generator.audio.sampling_rate)
    write_pcm(folder / "pcm")


def hop_300() -> Generator:
    """A small untrained generator of 24 kHz."""
    config = Config.load(CONFIGS / "v1_24k.json").replace(upsample_initial_channel=32)
    return Generator.of(config.generator, config.audio)


def write_models(folder: Path, generators: dict[str, Generator]) -> dict[str, bytes]:
    """Every model as a ``.tflite``; their bytes by name."""
    small = tiny()
    models = {
        f"{name}_{mode}": build_unjudged(generators[name], ExportOptions(mode=mode, chunk_frames=chunks)).packed()
        for name, (modes, chunks) in VOCODERS.items()
        for mode in modes
    }
    models["mel_frontend"] = mel_frontend.build(generators["vocoder"].audio).packed()
    models["mel_frontend_24k"] = mel_frontend.build(generators["hop_300"].audio).packed()
    models["tiny_vocoder"] = build_unjudged(small, ExportOptions(chunk_frames=TINY_CHUNKS)).packed()
    models["tiny_mel_frontend"] = mel_frontend.build(small.audio).packed()
    models["stateless"] = build_unjudged(small, ExportOptions(stateless=True, frames=64)).packed()
    models["bare"] = contract.unpack(models["tiny_vocoder"])
    folder.mkdir(parents=True)
    for name, model in models.items():
        (folder / f"{name}.tflite").write_bytes(model)
    return models


def write_clips(folder: Path, speech: list[Path], audio) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The clips and their mels as files; ``(name, samples, mel)`` of each."""
    front_end, clips = MelSpectrogram.of(audio), []
    folder.mkdir()
    for path in speech:
        samples = load_audio(path, audio.sampling_rate)
        mel = mel_spectrogram(normalize(samples), front_end)
        soundfile.write(folder / f"{path.stem}.wav", samples, audio.sampling_rate, subtype="FLOAT")
        np.save(folder / f"{path.stem}.npy", mel)
        clips.append((path.stem, samples, mel))
    return clips


def write_mels(folder: Path, model: bytes, clips) -> None:
    front_end = TfliteMelSpectrogram(model)
    for name, samples, _ in clips:
        stream = MelStream(front_end)
        mel = np.concatenate([stream.push(normalize(samples)), stream.flush()])
        write_floats(folder / f"{name}.f32", mel)


def write_audio(folder: Path, models: dict[str, bytes], mels: list[tuple[str, np.ndarray]]) -> None:
    for vocoder, (modes, chunks) in VOCODERS.items():
        for stream in (f"{vocoder}_{mode}" for mode in modes):
            for chunk in chunks:
                model = load_vocoder(models[stream], chunk_frames=chunk)
                for name, mel in mels:
                    write_floats(folder / "audio" / f"{stream}_{chunk}" / f"{name}.f32", vocode(model, mel))
                for frames in SHORT:
                    audio = vocode(model, mels[0][1][:frames])
                    write_floats(folder / "short" / f"{stream}_{chunk}" / f"{frames}.f32", audio)


def other_settings(audio: AudioConfig, mel: np.ndarray) -> dict[str, AudioConfig]:
    """The settings of two mels of other libraries by the names of their front ends; the mean and scale are a mel's."""
    mean, scale = (tuple(map(float, values)) for values in ((mel / LN10).mean(axis=0), (mel / LN10).std(axis=0)))
    base_10 = dataclasses.replace(audio, mel_log="log10", mel_floor=1e-10, mel_centred=True)
    normalized = dataclasses.replace(base_10, mel_mean=mean, mel_scale=scale)
    return {"base10_mel_frontend": base_10, "normalized_mel_frontend": normalized}


def write_other_mels(folder: Path, settings: dict[str, AudioConfig], samples: np.ndarray) -> None:
    for name, audio in settings.items():
        model = mel_frontend.build(audio).packed()
        (folder / "models" / f"{name}.tflite").write_bytes(model)
        front_end = TfliteMelSpectrogram(model)
        for length in OTHER_LENGTHS:
            mel = mel_spectrogram(samples[:length], front_end)
            write_floats(folder / "other_mels" / name / f"{length}.f32", mel)


def write_scales(folder: Path, mels: list[np.ndarray], audio: AudioConfig) -> None:
    """Mels on every scale, loud and quiet, long and short, named by the scale that Python recognises."""
    natural = [*mels, mels[0][:20], np.maximum(mels[0] - 4, np.float32(np.log(1e-5)))]
    foreign = {
        "log10": lambda mel: mel / np.log(10),
        "db": lambda mel: mel * (20 / np.log(10)),
        "linear": np.exp,
        "normalized": lambda mel: (mel + 11.6) / 12,
        "centred": lambda mel: (mel - mel.mean()) / mel.std(),
        "loud": lambda mel: mel + 6,
        "power": lambda mel: np.maximum(2 * mel - 2, np.log(1e-5)),
        "own": lambda mel: to_model_mel(mel, audio),
    }
    own, found = own_scale(audio), set()
    variants = [*natural, *(convert(mel) for mel in natural for convert in foreign.values())]
    folder.mkdir(parents=True)
    for number, mel in enumerate(mel.astype(np.float32) for mel in variants):
        scale = recognize(mel, audio)
        found.add(scale)
        np.save(folder / f"{'own' if scale == own else scale}_{number}.npy", mel)
    assert found >= {own, *TO_NATURAL}, found


def write_resampled(folder: Path, samples: np.ndarray, sampling_rate: int) -> None:
    for rate in RATES:
        speech = resample(samples, sampling_rate, rate)
        write_floats(folder / f"{rate}.f32", speech)
        write_floats(folder / f"{rate}_converted.f32", resample(speech, rate, sampling_rate))


def write_pcm(folder: Path) -> None:
    halves = (np.arange(-40, 40) + 0.5) / 32767  # half-way between two 16-bit numbers
    floats = np.concatenate([halves, np.linspace(-1.2, 1.2, 1001)]).astype(np.float32)
    write_floats(folder / "floats.f32", floats)
    (folder / "shorts.s16").write_bytes(to_pcm16(floats).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
