"""A SavedModel with the signatures and the contract of a ``.tflite``, and a way to stream with it."""

import shutil
from pathlib import Path

import tensorflow as tf

from hifigan_tf.errors import UserError
from hifigan_tf.files import atomic_folder
from hifigan_tf.streaming.contract import MEMBER, VocoderContract


class SavedModelInterpreter:
    """The part of the interpreter's interface that ``ContractVocoder`` calls, over a SavedModel."""

    def __init__(self, folder: Path):
        self.signatures = tf.saved_model.load(str(folder)).signatures

    def get_signature_runner(self, name: str):
        function = self.signatures[name]

        def run(**inputs):
            outputs = function(**{key: tf.constant(value) for key, value in inputs.items()})
            return {key: value.numpy() for key, value in outputs.items()}

        return run


def publish(folder: Path, contract: VocoderContract, target: Path) -> None:
    """Moves a finished SavedModel to ``target``, the contract in its ``assets.extra``, in one step.

    Raises ``UserError`` when ``target`` is there and no SavedModel.
    """
    if target.exists() and not (target / "saved_model.pb").is_file():
        raise UserError(f"{target} exists already and is no SavedModel: choose another --output")
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / MEMBER).write_text(contract.dumps(), encoding="utf-8")
    with atomic_folder(target) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
