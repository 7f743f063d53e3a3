"""The original in eager PyTorch, training step and inference, only for benchmarks: PyTorch is not a requirement.

Modules have the original's names, so that weights by name fit both. Gradients that the original computes but does not
use (of the discriminators' weights in the generator's step) are computed here too.
"""

from collections.abc import Callable

import librosa
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

from benchmarks.original import Original
from hifigan_tf.config import AudioConfig, Config, GeneratorConfig

LEAKY_SLOPE = 0.1


def same_conv(channels, filters, kernel_size, dilation=1) -> nn.Module:
    padding = (kernel_size - 1) * dilation // 2
    return weight_norm(nn.Conv1d(channels, filters, kernel_size, dilation=dilation, padding=padding))


class ResBlock1(nn.Module):
    def __init__(self, channels, kernel_size, dilations):
        super().__init__()
        self.convs1 = nn.ModuleList(same_conv(channels, channels, kernel_size, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(same_conv(channels, channels, kernel_size) for _ in dilations)

    def forward(self, x):
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            y = dilated(functional.leaky_relu(x, LEAKY_SLOPE))
            x = x + plain(functional.leaky_relu(y, LEAKY_SLOPE))
        return x


class ResBlock2(nn.Module):
    def __init__(self, channels, kernel_size, dilations):
        super().__init__()
        self.convs = nn.ModuleList(same_conv(channels, channels, kernel_size, dilation) for dilation in dilations)

    def forward(self, x):
        for conv in self.convs:
            x = x + conv(functional.leaky_relu(x, LEAKY_SLOPE))
        return x


class Generator(nn.Module):
    """Log-mel ``[batch, num_mels, frames]`` to waveform ``[batch, 1, samples]``."""

    def __init__(self, config: GeneratorConfig, num_mels: int):
        super().__init__()
        channels = config.upsample_initial_channel
        self.conv_pre = same_conv(num_mels, channels, 7)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        block = {"1": ResBlock1, "2": ResBlock2}[config.resblock]
        for rate, kernel_size in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            padding = config.upsample_shift(rate, kernel_size), config.upsample_added(rate, kernel_size)
            self.ups.append(weight_norm(nn.ConvTranspose1d(channels, channels // 2, kernel_size, rate, *padding)))
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(block(channels, size, dilations))
        self.kernels = len(config.resblock_kernel_sizes)
        self.conv_post = same_conv(channels, 1, 7)

    def forward(self, mel):
        x = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, LEAKY_SLOPE))
            blocks = self.resblocks[stage * self.kernels : (stage + 1) * self.kernels]
            x = sum(block(x) for block in blocks) / self.kernels
        return torch.tanh(self.conv_post(functional.leaky_relu(x)))


def torch_runner(original: Original, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """``run(mel)``: ``[frames, num_mels]`` to ``[samples]`` in float32, weight norm removed as for inference."""
    torch.set_num_threads(threads)
    generator = Generator(original.config, original.num_mels)
    modules = dict(generator.named_modules())
    for name, (kernel, bias) in original.weights.items():
        remove_parametrizations(modules[name], "weight")
        modules[name].weight.data, modules[name].bias.data = torch.from_numpy(kernel), torch.from_numpy(bias.copy())

    @torch.inference_mode()
    def run(mel):
        return generator(torch.from_numpy(np.ascontiguousarray(mel.T[None])))[0, 0].numpy()

    return run


class SubDiscriminator(nn.Module):
    def judge(self, x):
        """``(logits, feature maps)``, the logit map last."""
        features = []
        for conv in self.convs:
            x = functional.leaky_relu(conv(x), LEAKY_SLOPE)
            features.append(x)
        features.append(self.conv_post(x))
        return features[-1].flatten(1), features


class PeriodDiscriminator(SubDiscriminator):
    """Audio ``[batch, 1, samples]`` as an image of ``period`` columns, by (5, 1) convolutions."""

    def __init__(self, period, width):
        super().__init__()
        self.period = period
        widths = [1, *(width // part for part in (32, 8, 2, 1, 1))]
        layers = zip(widths[:-1], widths[1:], (3, 3, 3, 3, 1), strict=True)
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(channels, filters, (5, 1), (stride, 1), (2, 0)))
            for channels, filters, stride in layers
        )
        self.conv_post = weight_norm(nn.Conv2d(width, 1, (3, 1), 1, (1, 0)))

    def forward(self, audio):
        if remainder := audio.shape[-1] % self.period:
            audio = functional.pad(audio, (0, self.period - remainder), "reflect")
        return self.judge(audio.unflatten(-1, (-1, self.period)))


class ScaleDiscriminator(SubDiscriminator):
    """Audio ``[batch, 1, samples]`` by grouped convolutions with long kernels."""

    def __init__(self, norm, width):
        super().__init__()
        widths = [1, *(width // part for part in (8, 8, 4, 2, 1, 1, 1))]
        sizes, strides, groups = (15, 41, 41, 41, 41, 41, 5), (1, 2, 2, 4, 4, 1, 1), (1, 4, 16, 16, 16, 16, 1)
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(channels, filters, size, stride, size // 2, groups=group))
            for channels, filters, size, stride, group in zip(
                widths[:-1], widths[1:], sizes, strides, groups, strict=True
            )
        )
        self.conv_post = norm(nn.Conv1d(width, 1, 3, 1, 1))

    def forward(self, audio):
        return self.judge(audio)


class MultiPeriodDiscriminator(nn.Module):
    def __init__(self, periods, width):
        super().__init__()
        self.discriminators = nn.ModuleList(PeriodDiscriminator(period, width) for period in periods)

    def forward(self, audio):
        return [discriminator(audio) for discriminator in self.discriminators]


class MultiScaleDiscriminator(nn.Module):
    def __init__(self, scales, width):
        super().__init__()
        norms = [spectral_norm, *[weight_norm] * (scales - 1)][:scales]
        self.discriminators = nn.ModuleList(ScaleDiscriminator(norm, width) for norm in norms)

    def forward(self, audio):
        outputs = []
        for index, discriminator in enumerate(self.discriminators):
            if index > 0:
                audio = functional.avg_pool1d(audio, 4, 2, padding=2)
            outputs.append(discriminator(audio))
        return outputs


class LogMel:
    """Audio ``[batch, samples]`` to log-mel ``[batch, num_mels, frames]`` by ``torch.stft``."""

    def __init__(self, audio: AudioConfig, fmax: float | None):
        self.audio = audio
        self.filters = torch.from_numpy(
            librosa.filters.mel(
                sr=audio.sampling_rate, n_fft=audio.n_fft, n_mels=audio.num_mels, fmin=audio.fmin, fmax=fmax
            )
        )
        self.window = torch.hann_window(audio.win_size)

    def __call__(self, samples):
        config = self.audio
        padding = (config.n_fft - config.hop_size) // 2
        samples = functional.pad(samples[:, None], (padding, padding), "reflect")[:, 0]
        spectrum = torch.stft(
            samples, config.n_fft, config.hop_size, config.win_size, self.window, center=False, return_complex=True
        )
        magnitude = torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-9)
        return torch.log(torch.clamp(self.filters @ magnitude, min=1e-5))


def discriminator_loss(real, generated):
    return sum(((1 - r) ** 2).mean() + (g**2).mean() for (r, _), (g, _) in zip(real, generated, strict=True))


def adversarial_loss(generated):
    return sum(((1 - g) ** 2).mean() for g, _ in generated)


def feature_matching_loss(real, generated):
    pairs = [pair for (_, r), (_, g) in zip(real, generated, strict=True) for pair in zip(r, g, strict=True)]
    return sum((r - g).abs().mean() for r, g in pairs)


class TorchTrainer:
    """The networks, their optimisers and the step."""

    def __init__(self, config: Config):
        torch.manual_seed(config.training.seed)
        self.config = config
        self.generator = Generator(config.generator, config.audio.num_mels)
        width = config.discriminators.discriminator_channels
        self.discriminators = nn.ModuleDict(
            {
                "mpd": MultiPeriodDiscriminator(config.discriminators.mpd_periods, width),
                "msd": MultiScaleDiscriminator(config.discriminators.msd_scales, width),
            }
        )
        self.loss_front_end = LogMel(config.audio, config.audio.fmax_for_loss)
        training = config.training
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.AdamW(
                model.parameters(),
                training.learning_rate,
                betas=(training.adam_b1, training.adam_b2),
                weight_decay=training.weight_decay,
            )
            for model in (self.generator, self.discriminators)
        )

    def judge(self, audio) -> list:
        return [output for model in self.discriminators.values() for output in model(audio)]

    def train_step(self, mel, audio, mark: Callable[[str], None] = lambda part: None) -> dict[str, float]:
        """A step on mel ``[batch, num_mels, frames]`` and audio ``[batch, samples]``; returns the unweighted losses.

        ``mark`` is called at the end of each part, with its name.
        """
        training, real = self.config.training, audio[:, None]
        generated = self.generator(mel)
        mark("generator")

        self.discriminator_optimizer.zero_grad()
        discriminator = discriminator_loss(self.judge(real), self.judge(generated.detach()))
        discriminator.backward()
        mark("discriminators_learning")
        self.discriminator_optimizer.step()
        mark("optimisers")

        self.generator_optimizer.zero_grad()
        mel_error = functional.l1_loss(self.loss_front_end(generated[:, 0]), self.loss_front_end(audio))
        on_real, on_generated = self.judge(real), self.judge(generated)
        adversarial, matching = adversarial_loss(on_generated), feature_matching_loss(on_real, on_generated)
        total = (
            training.lambda_adversarial * adversarial
            + training.lambda_feature_matching * matching
            + training.lambda_mel * mel_error
        )
        # Called when backpropagation has reached the audio; the generator follows.
        generated.register_hook(lambda _: mark("discriminators_judging"))
        total.backward()
        mark("generator")
        self.generator_optimizer.step()
        mark("optimisers")
        return {
            "discriminator": discriminator.item(),
            "adversarial": adversarial.item(),
            "feature_matching": matching.item(),
            "mel": mel_error.item(),
            "generator": total.item(),
        }
