"""Properties of generator, discriminators, layers and losses; saving and loading."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import untrained
from hypothesis import given, settings
from hypothesis import strategies as st

from hifigan_tf.audio import mel_stream
from hifigan_tf.audio.mel import MelSpectrogram, mel_spectrogram
from hifigan_tf.config import AudioConfig, Config, GeneratorConfig
from hifigan_tf.errors import UserError
from hifigan_tf.evaluation import metrics
from hifigan_tf.evaluation.metrics import stft_distance
from hifigan_tf.models.discriminators import (
    MultiPeriodDiscriminator,
    MultiScaleDiscriminator,
    average_pool,
    make_discriminators,
)
from hifigan_tf.models.generator import Generator, load_generator
from hifigan_tf.models.layers import SpectralNormConv1D, WeightNormConv1D, WeightNormConv1DTranspose
from hifigan_tf.resources import CONFIGS
from hifigan_tf.training.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    repetition_loss,
    stft_loss,
)

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]


def small_audio(rate: int = 16000, hop_size: int = 64) -> AudioConfig:
    return AudioConfig(
        sampling_rate=rate,
        num_mels=20,
        n_fft=max(256 + hop_size % 2, hop_size),
        hop_size=hop_size,
        win_size=256,
        fmin=0,
        fmax=None,
    )


@st.composite
def generators(draw):
    """Valid generator configs of every kind, narrow so that they are quick."""
    rates = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    output_padding = draw(st.sampled_from([None, True, False]))
    odd = st.just(0) if output_padding is None else st.integers(0, 1)
    kernels = [rate + 2 * draw(st.integers(0, 4)) + draw(odd) for rate in rates]
    blocks = draw(st.integers(1, 3))
    lookahead = draw(st.none() | st.integers(0, 3))
    return GeneratorConfig(
        resblock=draw(st.sampled_from(["1", "2"])),
        upsample_rates=tuple(rates),
        upsample_kernel_sizes=tuple(kernels),
        upsample_initial_channel=8,
        resblock_kernel_sizes=tuple(draw(st.sampled_from([1, 3, 5, 7, 11])) for _ in range(blocks)),
        resblock_dilation_sizes=tuple(
            tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))) for _ in range(blocks)
        ),
        lookahead_frames=lookahead,
        samples_per_step=draw(st.sampled_from([1, 2, 3, 4, 16, 20])),
        upsample_output_padding=output_padding,
        leaky_slope=draw(st.sampled_from([0.1, 0.2])),
        last_leaky_slope=draw(st.sampled_from([0.01, 0.2])),
        padding="zero" if lookahead is not None else draw(st.sampled_from(["zero", "reflect"])),
        input_mean=draw(st.sampled_from([0.0, -3.0, tuple(range(-20, 0))])),
        input_scale=draw(st.sampled_from([1.0, 2.0])),
    )


@given(config=generators(), batch=st.integers(1, 3), frames=st.integers(1, 9))
@settings(max_examples=12, deadline=None)
def test_every_valid_config_makes_hop_size_samples_of_a_frame(config, batch, frames):
    generator = Generator.of(config, small_audio(hop_size=config.hop_size))
    mel = np.random.default_rng(0).standard_normal((batch, frames, 20), np.float32)
    audio = generator(mel).numpy()
    assert audio.shape == (batch, frames * config.hop_size, 1)
    assert np.abs(audio).max() <= 1
    assert generator.compute_output_shape((batch, frames, 20)) == audio.shape


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_parameters_and_weights_are_those_of_the_paper(name):
    """Table 1 gives 13.92, 0.92 and 1.46 million for the weights without the gains of weight norm."""
    config = Config.load(CONFIGS / f"{name}.json")
    generator = Generator.of(config.generator, config.audio)
    gains = sum(variable.shape[0] for variable in generator.weights if variable.name == "gain")
    folded = generator.count_params() - gains
    assert round(folded / 1e6, 2) == {"v1": 13.93, "v2": 0.93, "v3": 1.46}[name]


def test_full_discriminators_have_the_originals_size():
    mpd, msd = make_discriminators(Config.load(CONFIGS / "v1.json").discriminators)
    assert len(mpd.discriminators) == 5
    assert len(msd.discriminators) == 3
    assert round((mpd.count_params() + msd.count_params()) / 1e6, 1) == 70.7


@pytest.mark.processors
def test_clips_of_a_batch_do_not_touch_each_other(tiny):
    generator = untrained(tiny)
    mel = np.random.default_rng(0).standard_normal((3, 12, 16), np.float32)
    together = generator.predict(mel, verbose=0)
    alone = np.concatenate([generator.predict(mel[i : i + 1], verbose=0) for i in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    for model in make_discriminators(tiny.discriminators):
        # Random singular vectors may be orthogonal: spectral norm would divide by almost zero.
        model(together, training=True)
        both = model(together)
        for index in range(3):
            for output, single in zip(both, model(together[index : index + 1]), strict=True):
                np.testing.assert_allclose(output.logits[index], single.logits[0], atol=1e-5)


@pytest.mark.processors
def test_a_saved_generator_is_the_same_and_knows_its_audio_settings(tiny, tmp_path):
    generator = untrained(tiny)
    mel = np.random.default_rng(0).standard_normal((1, 9, 16), np.float32)
    path = tmp_path / "generator.keras"
    generator.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.audio == tiny.audio
    assert loaded.hyper_parameters == tiny.generator
    for ours, theirs in zip(generator.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # Separately compiled graphs may sum in another order.
    np.testing.assert_allclose(loaded.predict(mel, verbose=0), generator.predict(mel, verbose=0), atol=1e-5)
    # A process that only imports the class, as the documentation says.
    np.save(tmp_path / "mel.npy", mel)
    code = (
        "import sys, numpy, keras\nfrom hifigan_tf import Generator\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))\n"
        "print(model.audio.sampling_rate, isinstance(model, Generator))"
    )
    arguments = [path, tmp_path / "mel.npy", tmp_path / "audio.npy"]
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["8000", "True"]
    np.testing.assert_allclose(np.load(tmp_path / "audio.npy"), generator.predict(mel, verbose=0), atol=1e-5)


def test_unreadable_checkpoints_are_named(tiny, tmp_path):
    good = tmp_path / "good.keras"
    Generator.of(tiny.generator, tiny.audio).save(good)
    contents = good.read_bytes()
    for size in (0, 10, len(contents) // 2, len(contents) - 30):
        cut = tmp_path / f"cut{size}.keras"
        cut.write_bytes(contents[:size])
        with pytest.raises(UserError, match=f"cut{size}.keras cannot be read"):
            load_generator(cut)
    other = tmp_path / "other.keras"
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(other)
    with pytest.raises(UserError, match="holds a Functional, not a Generator"):
        load_generator(other)
    with pytest.raises(UserError, match="does not exist"):
        load_generator(tmp_path / "none.keras")
    with zipfile.ZipFile(good) as archive:
        assert json.loads(archive.read("config.json"))["config"]["audio"]["hop_size"] == 32


def test_generator_refuses_a_hop_size_that_does_not_match(tiny):
    with pytest.raises(UserError, match=r"makes 32 samples of a frame .* hop_size is 64"):
        Generator.of(tiny.generator, small_audio(hop_size=64))


@pytest.mark.parametrize("rate", RATES)
def test_mel_at_every_rate_is_librosas(rate):
    import librosa

    audio_config = AudioConfig(
        sampling_rate=rate, num_mels=40, n_fft=512, hop_size=128, win_size=400, fmin=50, fmax=rate / 2
    )
    audio = np.random.default_rng(rate).standard_normal((2, 128 * 20)).astype(np.float32) * 0.1
    mel = MelSpectrogram.of(audio_config)(audio).numpy()
    assert mel.shape == (2, 20, 40)
    padded = np.pad(audio, [(0, 0), (192, 192)], mode="reflect")
    spectrum = librosa.stft(padded, n_fft=512, hop_length=128, win_length=400, center=False)
    magnitude = np.sqrt(np.abs(spectrum) ** 2 + 1e-9)
    filters = librosa.filters.mel(sr=rate, n_fft=512, n_mels=40, fmin=50, fmax=rate / 2)
    expected = np.log(np.maximum(np.einsum("mf,bft->btm", filters, magnitude), 1e-5))
    np.testing.assert_allclose(mel, expected, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 96, 97, 1000])
def test_mel_of_any_length_has_a_frame_for_every_full_or_partial_hop(samples):
    front_end = MelSpectrogram.of(small_audio())
    mel = mel_spectrogram(np.ones(samples, np.float32) * 0.5, front_end)
    assert mel.shape == (-(-samples // 64), 20)
    assert np.isfinite(mel).all()


def test_mel_of_silence_is_the_floor():
    mel = mel_spectrogram(np.zeros(640, np.float32), MelSpectrogram.of(small_audio()))
    np.testing.assert_allclose(mel, np.log(1e-5), atol=0.5)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "shift", "extra"),
    [
        *((kernel, stride, None, 0) for kernel, stride in ((4, 2), (16, 8), (8, 4), (3, 1), (5, 3), (12, 2), (7, 7))),
        *((kernel, stride, (kernel - stride) // 2 + 1, 0) for kernel, stride in ((10, 5), (6, 3), (4, 3))),
        *((kernel, stride, (kernel - stride) // 2, 1) for kernel, stride in ((16, 5), (6, 3), (4, 3))),
    ],
)
def test_transposed_convolution_is_the_definition(kernel_size, stride, shift, extra):
    """Sample i contributes to i * stride + 0 … kernel_size - 1; then PyTorch's padding is cut off the start."""
    layer = WeightNormConv1DTranspose(3, 2, kernel_size, stride, shift, extra)
    layer.build()
    x = np.random.default_rng(0).standard_normal((1, 5, 3)).astype(np.float32)
    kernel = layer.effective_kernel().numpy()
    full = np.zeros((4 * stride + kernel_size, 2))
    for position in range(5):
        full[position * stride : position * stride + kernel_size] += kernel @ x[0, position]
    shift = (kernel_size - stride) // 2 if shift is None else shift
    expected = full[shift : shift + 5 * stride + extra] + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy()[0], expected, atol=1e-5)


def test_spectral_norm_converges_to_one_and_moves_only_in_training():
    layer = SpectralNormConv1D(6, 10, 5)
    layer.build()
    x = np.ones((1, 20, 6), np.float32)
    before = layer.u.numpy().copy()
    layer(x)
    np.testing.assert_array_equal(layer.u.numpy(), before)
    for _ in range(200):
        layer(x, training=True)
    singular = np.linalg.svd(layer.effective_kernel().numpy().reshape(-1, 10), compute_uv=False)
    assert singular[0] == pytest.approx(1, abs=1e-3)


def test_weight_norm_starts_as_the_kernel_and_keeps_pruned_filters_finite():
    layer = WeightNormConv1D(4, 3, 3)
    layer.build()
    np.testing.assert_allclose(layer.effective_kernel(), layer.kernel, rtol=1e-6)
    limit = 1 / np.sqrt(12)
    assert np.abs(layer.kernel.numpy()).max() <= limit
    assert np.abs(layer.bias.numpy()).max() <= limit
    weight = np.random.default_rng(0).standard_normal((3, 4, 3)).astype(np.float32)
    weight[:, :, 1] = 0
    layer.assign(weight, np.zeros(3, np.float32))
    np.testing.assert_allclose(layer.effective_kernel(), weight, atol=1e-6)


@pytest.mark.parametrize("samples", [1024, 1025, 1031, 2000])
def test_discriminators_take_any_length(samples):
    audio = np.random.default_rng(0).standard_normal((2, samples, 1)).astype(np.float32)
    for period, output in zip((2, 7), MultiPeriodDiscriminator((2, 7), 128)(audio), strict=True):
        rows = -(-samples // period)
        for stride in (3, 3, 3, 3):
            rows = (rows - 1) // stride + 1
        assert output.logits.shape == (2, rows * period)
        assert len(output.features) == 6
    for output in MultiScaleDiscriminator(3, 128)(audio):
        assert output.logits.shape[0] == 2
        assert len(output.features) == 8


def test_average_pool_counts_its_padding():
    pooled = average_pool(np.arange(1, 7, dtype=np.float32)[None, :, None])[0, :, 0]
    np.testing.assert_allclose(pooled, [(1 + 2) / 4, (1 + 2 + 3 + 4) / 4, (3 + 4 + 5 + 6) / 4, (5 + 6) / 4])


@pytest.mark.parametrize(
    ("name", "periods", "scales"), [("no_mpd", 0, 3), ("no_msd", 5, 0), ("periods_2_4_8_16_32", 5, 3)]
)
def test_ablations_leave_out_what_their_names_say(name, periods, scales):
    config = Config.load(CONFIGS / "ablations" / f"{name}.json").replace(discriminator_channels=128)
    models = {model.name: model for model in make_discriminators(config.discriminators)}
    assert len(models["mpd"].discriminators if "mpd" in models else ()) == periods
    assert len(models["msd"].discriminators if "msd" in models else ()) == scales


def test_the_mel_of_a_long_recording_is_made_in_pieces(monkeypatch):
    front_end, audio = MelSpectrogram.of(small_audio()), np.random.default_rng(0).normal(0, 0.1, 64 * 250 + 7)
    whole = mel_spectrogram(audio, front_end)
    monkeypatch.setattr(mel_stream, "MOST_FRAMES", 100)
    pieces = mel_spectrogram(audio, front_end)
    assert pieces.shape == whole.shape == (251, 20)
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_the_stft_loss_is_the_stft_distance(monkeypatch):
    """By FFT in the graph and by librosa in NumPy; over a batch, spectral convergence uses the norm over all clips."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(0, [[0.1], [0.02]], (2, 8000)).astype(np.float32), rng.normal(0, 0.1, (2, 8000))
    for index in range(2):
        one = slice(index, index + 1)
        loss = float(stft_loss(real[one], generated[one].astype(np.float32)))
        assert loss == pytest.approx(stft_distance(real[index], generated[index]), rel=1e-4)
    assert float(stft_loss(real, real)) < 1e-4
    # Computed in pieces, there are a few more frames, at their ends.
    long = [rng.normal(0, 0.1, 60_000).astype(np.float32) for _ in range(2)]
    whole = stft_distance(*long)
    monkeypatch.setattr(metrics, "STFT_PIECE", 20_000)
    pieces = stft_distance(*long)
    assert pieces == pytest.approx(whole, rel=5e-3)
    assert pieces != whole
    # Twice as loud: a convergence of 1, and ln 2 between the logarithms.
    assert float(stft_loss(real, 2 * real)) == pytest.approx(1 + np.log(2), rel=1e-4)


@pytest.mark.processors
def test_the_repetition_loss_is_the_metric():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 8192)).astype(np.float32)
    buzz = np.tile(noise[:, :256], 32)
    loss = float(repetition_loss(noise, buzz, 256))
    expected = np.mean([metrics.repetition(*pair, 256) for pair in zip(noise, buzz, strict=True)])
    assert loss == pytest.approx(expected, rel=1e-4)
    assert loss > 0.9
    # A gradient descends it, and there is one where all is silent.
    audio = tf.Variable(buzz + 0.1 * rng.standard_normal(buzz.shape).astype(np.float32))
    with tf.GradientTape() as tape:
        before = repetition_loss(noise, audio, 256)
    gradient = tape.gradient(before, audio)
    assert repetition_loss(noise, audio - 1000 * gradient, 256) < before
    silence = tf.Variable(tf.zeros([1, 8192]))
    with tf.GradientTape() as tape:
        loss = repetition_loss(silence, silence, 256)
    assert float(loss) == 0
    assert np.isfinite(tape.gradient(loss, silence)).all()


@pytest.mark.processors
def test_the_stft_loss_has_a_gradient_in_silence():
    silence = tf.zeros([1, 4096])
    with tf.GradientTape() as tape:
        tape.watch(silence)
        loss = stft_loss(silence, silence)
    assert np.isfinite(tape.gradient(loss, silence)).all()
    assert float(loss) == pytest.approx(0, abs=0.02)


def test_losses_at_points_that_can_be_computed_by_hand():
    ones, halves = np.ones((2, 5), np.float32), np.full((2, 3), 0.5, np.float32)
    assert float(discriminator_loss([ones], [ones * 0])) == 0
    assert float(discriminator_loss([ones, halves], [ones, halves])) == pytest.approx(0 + 1 + 0.25 + 0.25)
    assert float(adversarial_loss([ones, halves])) == pytest.approx(0.25)
    # Every map has the same weight, whatever its size.
    maps = [[np.zeros((1, 4, 2), np.float32), np.zeros((1, 100), np.float32)]]
    others = [[np.ones((1, 4, 2), np.float32), -3 * np.ones((1, 100), np.float32)]]
    assert float(feature_matching_loss(maps, others)) == pytest.approx(4)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(tiny, precision):
    full = Generator.of(tiny.generator, tiny.audio)
    mixed = Generator.of(tiny.generator, tiny.audio, dtype=precision)
    mixed.set_weights(full.get_weights())
    mel = np.random.default_rng(0).standard_normal((1, 20, 16), np.float32)
    assert mixed.conv_pre.compute_dtype == precision.removeprefix("mixed_")
    audio = mixed(mel).numpy()
    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, full(mel).numpy(), atol=0.02)


def test_a_loaded_generator_exports_as_keras_models_do(tiny_checkpoint, tiny_generator, tmp_path):
    import tensorflow as tf

    keras.models.load_model(tiny_checkpoint).export(tmp_path / "exported")
    exported = tf.saved_model.load(tmp_path / "exported")
    for batch, frames in ((1, 9), (3, 20)):
        mel = np.random.default_rng(0).normal(-5, 2, (batch, frames, 16)).astype(np.float32)
        np.testing.assert_allclose(exported.serve(mel), tiny_generator(mel), atol=1e-6)
