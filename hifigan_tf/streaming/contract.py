"""The contract: metadata of a ``.tflite`` file of this project, and how it is packed into the file.

It is a JSON in a zip archive appended to the model, the way TFLite packs associated files: runtimes ignore it, and
any zip reader opens the whole file (``unzip -p model.tflite contract.json``).
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from hifigan_tf.config import AudioConfig, check_replicated_frames
from hifigan_tf.errors import UserError
from hifigan_tf.files import ZIP_DAMAGE
from hifigan_tf.streaming.windows import Margins

MEMBER = "contract.json"
# Incremented when a reader of older contracts would misread a newer one. Format 2 is for mels other than the paper's:
# keys of ``audio`` that a reader of format 1 does not know, and ends mirrored by different numbers of samples; and for
# windows whose margins differ.
FORMATS = (1, 2)

# Names of tensors in every signature; states are listed in the contract.
MEL, VALID, AUDIO, UNUSED = "mel", "valid", "audio", "unused"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Fields of all kinds of models: settings and range of the mel, measured quality, and ``versions``.

    These are of the packages that made it, and of the oldest runtime for its mode, ``least_runtime``.

    A value of the mel is ``(log - mel_mean) / mel_scale``, with ``log`` of base ``log_base`` of a magnitude of at least
    ``log_floor``. ``audio`` holds ``mel_mean`` and ``mel_scale``, numbers or one for each band, and the other keys of
    ``AudioConfig``; those about the mel that it does not hold are the paper's. ``model_sha256`` is the hash of the file
    without its contract, empty in earlier exports.
    """

    command: ClassVar[str]  # the command line that exports this kind

    kind: str = ""  # of the model: every subclass has its own
    audio: dict
    log_base: str = "e"
    log_floor: float
    quality: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    model_sha256: str = ""
    format: int = FORMATS[0]

    @property
    def audio_config(self) -> AudioConfig:
        return AudioConfig(**self.audio)

    def check(self) -> None:
        """Raises ``UserError`` for settings that no model has."""
        self.audio_config  # noqa: B018 - checks itself

    def dumps(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class MelContract(Contract):
    """Everything a program needs to run a mel front end.

    The signature ``analyze`` maps ``block_samples`` samples to ``block_frames`` frames. The caller pads the last hop
    of an utterance with silence, or with ``mel_centred`` mirrors as many samples more at its end; pads a short
    utterance to ``min_samples``; mirrors ``mirrored_samples`` at either end, where they differ the pair of before and
    after; pads the last block with zeros, and drops the surplus frames (``MelStream``).
    """

    command: ClassVar[str] = "hifigan-tf export --mel-frontend"

    kind: str = "mel_frontend"
    audio_layout: str = "[1, block_samples], -1 to 1"
    mel_layout: str = "[1, block_frames, num_mels]"
    inputs: dict = field(default_factory=lambda: {"audio": AUDIO})
    outputs: dict = field(default_factory=lambda: {"mel": MEL})
    analyze: str
    block_frames: int
    block_samples: int
    mirrored_samples: int | tuple[int, int]
    min_samples: int

    @property
    def mirrored(self) -> tuple[int, int]:
        """The samples mirrored before the first and after the last."""
        return _pair(self.mirrored_samples)


@dataclass(frozen=True, kw_only=True)
class VocoderContract(Contract):
    """Everything a program needs to run a vocoder.

    ``generator`` are the hyper-parameters; ``layers`` are the formats of its layers' weights (none in earlier
    exports). Signatures are given by name. A stateful model has ``stream``, ``{frames of a chunk:
    signature}``; ``edge``, the smallest chunk with the input ``valid``, int32 [2], the first frame of the utterance and
    the one after its last, counted from the start of the chunk; and ``initial_state``, whose input ``unused`` exists
    because Java refuses a signature without inputs. The edge is for chunks that begin before frame ``edge_frames`` or
    extend past the end. ``states`` gives names and shapes: each is an input and an output, zero at the start. Audio is
    delayed by ``delay_samples``.

    A stateless model has ``window`` and ``window_edge`` (with ``valid``, for an utterance shorter than the
    window) of ``window_frames``; ``margin_frames`` at either end of its output, where they differ the pair of left and
    right, are invalid unless the utterance ends there. Without a ``window_edge`` a short utterance is padded with
    silence, frames in which every band is at its floor. Where ``quantization`` names a tensor, it holds integers of
    ``dtype``, which stand for ``(integer - zero_point) * scale``.
    """

    command: ClassVar[str] = "hifigan-tf export"

    kind: str = "vocoder"
    mode: str
    layers: dict = field(default_factory=dict)
    generator: dict
    fingerprint: str
    mel_layout: str = "[1, frames, num_mels]"
    audio_layout: str = "[1, frames * hop_size], -1 to 1"
    inputs: dict = field(default_factory=lambda: {"mel": MEL, "valid": VALID, "unused": UNUSED})
    outputs: dict = field(default_factory=lambda: {"audio": AUDIO})
    stateful: bool
    chunk_frames: tuple[int, ...] = ()
    delay_samples: int = 0
    delay_ms: float = 0.0
    edge_frames: int = 0
    states: dict = field(default_factory=dict)
    initial_state: str | None = None
    stream: dict = field(default_factory=dict)
    edge: str | None = None
    window: str | None = None
    window_edge: str | None = None
    quantization: dict = field(default_factory=dict)
    window_frames: int = 0
    margin_frames: int | tuple[int, int] = 0
    speed: dict = field(default_factory=dict)

    def check(self) -> None:
        super().check()
        check_replicated_frames(self.replicated_frames)

    @property
    def replicated_frames(self) -> int:
        """How often the library that the model comes from repeats the first and the last frame."""
        return self.generator.get("replicated_frames", 0)

    @property
    def margins(self) -> Margins:
        """The margins of a window, on the left and on the right."""
        return Margins(*_pair(self.margin_frames))


def mel_fields(audio: AudioConfig) -> dict:
    """The fields of a contract that describe the mel; those of the paper's mel are of format 1."""
    values = audio.to_dict()
    return {
        "audio": values,
        "log_base": "10" if audio.mel_log == "log10" else "e",
        "log_floor": audio.mel_floor,
        "format": FORMATS[any(key.startswith("mel_") for key in values)],
    }


def number_or_pair(first: int, second: int) -> int | tuple[int, int]:
    """One number where both are equal."""
    return first if first == second else (first, second)


def _pair(both: int | tuple[int, int]) -> tuple[int, int]:
    """What ``number_or_pair`` made one of."""
    return (both, both) if isinstance(both, int) else (both[0], both[1])


Kind = TypeVar("Kind", bound=Contract)


def pack(model: bytes, contract: Contract) -> bytes:
    """The model with its contract at the end, replacing any that it had. The contract gets the model's hash."""
    model, buffer = unpack(model), io.BytesIO()
    contract = dataclasses.replace(contract, model_sha256=hashlib.sha256(model).hexdigest())
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date, so that the same model and contract give the same bytes.
        archive.writestr(zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0)), contract.dumps())
    return buffer.getvalue()


def unpack(model: bytes) -> bytes:
    """The model alone, without a contract."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            return model[: min((entry.header_offset for entry in archive.infolist()), default=len(model))]
    except ZIP_DAMAGE:
        return model


def read(model: bytes, name: str) -> VocoderContract:
    """The contract in a vocoder's bytes. Raises ``UserError`` as ``read_kind`` does."""
    return read_kind(model, name, VocoderContract)


def read_kind(model: bytes, name: str, kind: type[Kind]) -> Kind:
    """The contract in the bytes of a model of this kind.

    Raises ``UserError``, naming ``name``, when there is no readable one, the model is of another kind, or its bytes are
    not those that were exported: native code may not survive a damaged one.
    """
    again = f"export it again with {kind.command}"
    if model[4:8] != b"TFL3":
        raise UserError(f"{name} is no TFLite model: {again}")
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            values = json.loads(archive.read(MEMBER))
    except (KeyError, *ZIP_DAMAGE):
        raise UserError(f"{name} carries no contract (another project's model, or cut short): {again}") from None
    except ValueError as error:
        raise UserError(f"{name} carries a contract that is no JSON ({error}): {again}") from None
    try:
        if values["format"] not in FORMATS:
            known = " and ".join(map(str, FORMATS))
            raise UserError(f"{name} has a contract of format {values['format']}, this version reads {known}: {again}")
        found = values.get("kind", VocoderContract.kind)  # the first exports have no such key
        if found != kind.kind:
            raise UserError(f"{name} is a {found}, and a {kind.kind} is needed: export one with {kind.command}")
        values.pop("float_layers", None)  # a key of earlier exports, which have no ``layers``
    except (KeyError, TypeError) as error:
        raise UserError(f"{name} carries a contract that does not fit ({error}): {again}") from None
    try:
        contract = kind(**values)
        contract.check()
    except (TypeError, AttributeError, UserError) as error:
        raise UserError(f"{name} carries a contract that does not fit ({error}): {again}") from None
    if contract.model_sha256 and contract.model_sha256 != hashlib.sha256(unpack(model)).hexdigest():
        raise UserError(f"{name} is damaged, its bytes are not those that were exported: copy it again")
    return contract
