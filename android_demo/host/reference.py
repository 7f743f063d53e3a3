"""``python android_demo/host/reference.py FOLDER``: models, and their output in Python, for the tests in Java.

    models/    <vocoder>_<mode>.tflite, vocoders that stream: vocoder_…, live_… with low delay, hop_300_… of 24 kHz with
               kernels that differ from their rates by odd numbers; mel front ends; tiny_… of 8 kHz;
               stateless.tflite; bare.tflite (no contract)
    clips/     speech as <clip>.wav, and its mel as <clip>.npy
    mels/      <clip>.f32, the mel by the exported front end in Python; mels_24k/, by that of hop_300_…
    audio/     <vocoder>_<mode>_<chunk>/<clip>.f32, the audio of each mel
    short/     <vocoder>_<mode>_<chunk>/<frames>.f32, from the first frames of the first clip's mel
    scales/    <scale>_<number>.npy, mels as Python recognises them
    resampled/ <rate>.f32, speech of that rate, and <rate>_converted.f32, at the vocoder's rate
    pcm/       floats.f32, and shorts.s16, the same as 16-bit samples

Numbers are little-endian. If HIFIGAN_SHARED has its weights, the generator is a trained V3 and the speech is real;
otherwise it is a small untrained one, with the speech of the demo.
"""

import argparse
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
from hifigan_tf.audio.mel_formats import TO_NATURAL, recognize
from hifigan_tf.audio.mel_stream import MelStream
from hifigan_tf.config import Config
from hifigan_tf.export import mel_frontend
from hifigan_tf.export.build import build
from hifigan_tf.export.options import STREAMING, ExportOptions
from hifigan_tf.export.plan import plan_export
from hifigan_tf.export.quantization.calibration import calibrate
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.resources import CONFIGS, DEMO_CONFIG, DEMO_HELD_OUT, VOICE
from hifigan_tf.streaming import contract, vocode
from hifigan_tf.streaming.mel_frontend import TfliteMelSpectrogram
from hifigan_tf.streaming.streaming_vocoder import load_vocoder

VOCODERS = {
    "vocoder": (STREAMING, (4, 16)),
    "live": (("float32", "int8"), (1, 4)),
    "hop_300": (("float32", "int8"), (1, 4)),
}  # {vocoder: its modes, its chunks in frames}
CLIPS = 3
SHORT = (1, 2, 3, 4, 5, 11, 12, 15, 16, 17, 29, 40)  # frames: fewer and more than a chunk, and than edge_frames
RATES = (8000, 16000, 24000, 44100, 48000, 44101)  # the last has no simple ratio to any other
TINY_CHUNKS = (16,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    keras.utils.set_random_seed(1)
    generator, speech = trained() if "HIFIGAN_SHARED" in os.environ else untrained()
    generators = {"vocoder": generator, "live": load_generator(VOICE), "hop_300": hop_300()}
    models = write_models(folder / "models", generators)
    clips = write_clips(folder / "clips", speech[:CLIPS], generator.audio)
    write_mels(folder / "mels", models["mel_frontend"], clips)
    write_mels(folder / "mels_24k", models["mel_frontend_24k"], clips)
    write_audio(folder, models, [(name, mel) for name, _, mel in clips])
    write_scales(folder / "scales", [mel for _, _, mel in clips])
    write_resampled(folder / "resampled", clips[0][1], generator.audio.sampling_rate)
    write_pcm(folder / "pcm")


def trained() -> tuple[Generator, list[Path]]:
    """A V3 with real weights, and real speech."""
    import tempfile

    from hifigan_tf import import_checkpoint as import_torch

    shared = Path(os.environ["HIFIGAN_SHARED"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v3.keras"
        weights, config = shared / "weights" / "g_lj_v3.pt", CONFIGS / "v3.json"
        import_torch.main([str(weights), "--config", str(config), "--output", str(path)])
        generator = load_generator(path)
    return generator, find_audio(shared / "speech")


def untrained() -> tuple[Generator, list[Path]]:
    """The demo's small generator before training, and the demo's speech."""
    config = Config.load(DEMO_CONFIG)
    return Generator.of(config.generator, config.audio), find_audio(DEMO_HELD_OUT)


def hop_300() -> Generator:
    """A small untrained generator of 24 kHz."""
    config = Config.load(CONFIGS / "v1_24k.json").replace(upsample_initial_channel=32)
    return Generator.of(config.generator, config.audio)


def tiny() -> Generator:
    """A generator that makes an hour of audio at 8 kHz in seconds."""
    config = Config.load(DEMO_CONFIG).replace(
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        upsample_initial_channel=8,
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 2]],
        segment_size=1024,
        num_mels=16,
        n_fft=256,
        hop_size=64,
        win_size=256,
        sampling_rate=8000,
        fmax=4000,
    )
    return Generator.of(config.generator, config.audio)


def exported(generator: Generator, options: ExportOptions) -> bytes:
    plan = plan_export(generator, options)
    return build(plan, calibrate(plan)).packed()


def write_models(folder: Path, generators: dict[str, Generator]) -> dict[str, bytes]:
    """Every model as a ``.tflite``; their bytes by name."""
    small = tiny()
    models = {
        f"{name}_{mode}": exported(generators[name], ExportOptions(mode=mode, chunk_frames=chunks))
        for name, (modes, chunks) in VOCODERS.items()
        for mode in modes
    }
    models["mel_frontend"] = mel_frontend.build(generators["vocoder"].audio).packed()
    models["mel_frontend_24k"] = mel_frontend.build(generators["hop_300"].audio).packed()
    models["tiny_vocoder"] = exported(small, ExportOptions(chunk_frames=TINY_CHUNKS))
    models["tiny_mel_frontend"] = mel_frontend.build(small.audio).packed()
    models["stateless"] = exported(small, ExportOptions(stateless=True, frames=64))
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


def write_scales(folder: Path, mels: list[np.ndarray]) -> None:
    """Mels on every scale, loud and quiet, long and short, named by the scale that Python recognises."""
    natural = [*mels, mels[0][:20], np.maximum(mels[0] - 4, np.float32(np.log(1e-5)))]
    foreign = {
        "log10": lambda mel: mel / np.log(10),
        "db": lambda mel: mel * (20 / np.log(10)),
        "linear": np.exp,
        "normalized": lambda mel: (mel + 11.6) / 12,
        "centred": lambda mel: (mel - mel.mean()) / mel.std(),
        "loud": lambda mel: mel + 6,
    }
    variants = [*natural, *(convert(mel) for mel in natural for convert in foreign.values())]
    assert {*TO_NATURAL, "normalized", "unknown"} == {recognize(mel) for mel in variants}
    folder.mkdir()
    for number, mel in enumerate(variants):
        np.save(folder / f"{recognize(mel)}_{number}.npy", mel.astype(np.float32))


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


def write_floats(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.ascontiguousarray(array, "<f4").tobytes())


if __name__ == "__main__":
    main()
