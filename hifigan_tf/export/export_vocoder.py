"""All steps from a generator to an evaluated vocoder: plan, calibrate, build, evaluate, distil."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hifigan_tf.errors import UserError
from hifigan_tf.export.build import ExportedVocoder, build
from hifigan_tf.export.options import ExportOptions
from hifigan_tf.export.plan import Plan, plan_export
from hifigan_tf.export.quality import Evaluation, Report, compare, evaluate_model, limits_of, speed
from hifigan_tf.export.quantization.calibration import Calibrated, calibrate, load_mels, warn_if_far
from hifigan_tf.export.quantization.distill import Settings, distill
from hifigan_tf.models.generator import Generator
from hifigan_tf.processor import machine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A vocoder, and its quality compared with the float model."""

    exported: ExportedVocoder
    report: Report


@dataclass(frozen=True)
class Export:
    """The result: ``failures`` says why the vocoder must not be written, and is empty if it may.

    ``speeds`` is the speed relative to real time on one thread, by the frames of a chunk.
    """

    exported: ExportedVocoder
    report: Report
    speeds: dict[int, float]
    failures: list[str]


def export_vocoder(
    generator: Generator, options: ExportOptions, clips: dict[str, np.ndarray], progress: Path | None = None
) -> Export:
    """Exports a generator and evaluates the result over ``{name: clip [samples]}``.

    An interrupted distillation resumes from the file ``progress``. Raises ``UserError`` for options that this generator
    does not allow, and calibration data that cannot be used.
    """
    plan = plan_export(generator, options)
    mels = None
    if options.calibration_data:
        mels = load_mels(options.calibration_data, plan.audio, options.mel_format)
    if mels:
        warn_if_far(generator, mels, clips)
    float_reference = evaluate_model(generator, clips)
    calibrated = calibrate(plan, mels)
    candidate = build_and_evaluate(plan, calibrated, float_reference)
    if options.distill_steps:
        settings = Settings(steps=options.distill_steps, seed=options.distill_seed)
        candidate = better_of(candidate, distilled(plan, calibrated, float_reference, settings, progress))
    return finish(plan, candidate)


def build_unjudged(generator: Generator, options: ExportOptions) -> ExportedVocoder:
    """The vocoder alone, calibrated on the demo corpus, without quality and speed in its contract."""
    plan = plan_export(generator, options)
    return build(plan, calibrate(plan))


def build_and_evaluate(plan: Plan, calibrated: Calibrated, float_reference: Evaluation) -> Candidate:
    """Builds the model and compares it with the float one."""
    exported = build(plan, calibrated)
    return Candidate(exported, compare(exported.vocoder(), float_reference))


def distilled(
    plan: Plan, calibrated: Calibrated, float_reference: Evaluation, settings: Settings, progress: Path | None
) -> Candidate | None:
    """The model after distillation, or None if it diverged. ``progress`` remains only after an interruption."""
    try:
        candidate = build_and_evaluate(plan, distill(plan, calibrated, settings, progress), float_reference)
    except UserError as error:
        log.warning("%s: the model from before is kept", error)
        candidate = None
    if progress:
        progress.unlink(missing_ok=True)
    return candidate


def better_of(before: Candidate, after: Candidate | None) -> Candidate:
    """The one that loses less, by PESQ and by spectrum."""
    if after is None:
        return before
    changes = before.report.summary(), after.report.summary()
    if after.report.better_than(before.report):
        log.info("distillation: %s before, %s after", *changes)
        return after
    log.warning("distillation made it no better (%s before, %s after): the model from before is kept", *changes)
    return before


def finish(plan: Plan, candidate: Candidate) -> Export:
    """Measures the speed, and writes quality and speed into the contract."""
    exported, report = candidate.exported, candidate.report
    if plan.options.window_frames:
        vocoders = {plan.options.window_frames: exported.vocoder()}
    else:
        vocoders = {chunk: exported.vocoder(chunk) for chunk in plan.chunks}
    speeds = {frames: speed(vocoder) for frames, vocoder in vocoders.items()}
    contract = replace(
        exported.contract,
        quality=report.to_dict(),
        speed={
            "x_realtime_1_thread": {str(frames): round(rate, 2) for frames, rate in speeds.items()},
            "processor": machine(),
        },
    )
    return Export(replace(exported, contract=contract), report, speeds, report.failures(limits_of(plan)))
