"""Runs a model in the environment of one runtime; ``runtimes.py`` starts it there. Needs NumPy and the runtime alone.

    python runtime_probe.py MODEL CONTRACT INPUT OUTPUT

INPUT is a ``.npy``, for a vocoder a mel ``[frames, num_mels]``, for a mel front end a block of samples. OUTPUT becomes
a JSON of its ``output``, and of ``seconds``, the processor time of each call. TFLite Micro has no signatures: there the
first graph alone is run.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np


class Signatures:
    """The signatures of a model in TFLite, LiteRT, or TensorFlow's own interpreter."""

    def __init__(self, model: str, interpreter):
        self.interpreter = interpreter(model_path=model, num_threads=1)
        self.interpreter.allocate_tensors()
        self.runners: dict = {}

    def run(self, signature: str, inputs: dict) -> dict:
        if signature not in self.runners:
            self.runners[signature] = self.interpreter.get_signature_runner(signature)
        return {name: np.array(value) for name, value in self.runners[signature](**inputs).items()}


class FirstGraph:
    """The first graph of a model in TFLite Micro, whose tensors are told apart by their shapes."""

    def __init__(self, model: str, runtime):
        self.interpreter = runtime.Interpreter.from_file(model)

    def run(self, signature: str, inputs: dict) -> dict:
        names = {value.shape: name for name, value in inputs.items()}
        for index in range(len(inputs)):
            shape = tuple(self.interpreter.get_input_details(index)["shape"])
            self.interpreter.set_input(inputs[names[shape]], index)
        self.interpreter.invoke()
        outputs = [self.interpreter.get_output(index) for index in range(2 if "state" in inputs else 1)]
        return {names.get(value.shape, "mel" if "audio" in inputs else "audio"): value for value in outputs}


def load(model: str):
    """The model in the runtime that is installed here."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            try:
                from tflite_micro import runtime
            except ImportError:
                import tensorflow

                Interpreter = tensorflow.lite.Interpreter
            else:
                return FirstGraph(model, runtime)
    return Signatures(model, Interpreter)


def outputs(model, contract: dict, mel: np.ndarray) -> tuple:
    """The output of an input by the contract's steps, flat, and seconds of each call."""
    seconds = []

    def run(signature, inputs):
        begin = time.process_time()
        result = model.run(signature, inputs)
        seconds.append(time.process_time() - begin)
        return result

    if contract["kind"] == "mel_frontend":
        return [run(contract["analyze"], {"audio": mel[None]})["mel"].ravel() for _ in range(3)][-1], seconds
    if not contract["stateful"]:
        frames = contract["window_frames"]
        window = mel[None, :frames]
        if "mel" in contract["quantization"]:
            how = contract["quantization"]["mel"]
            levels = np.round(window / how["scale"]) + how["zero_point"]
            limits = np.iinfo(how["dtype"])
            window = np.clip(levels, limits.min, limits.max).astype(how["dtype"])
        audio = [run(contract["window"], {"mel": window})["audio"].ravel() for _ in range(3)][-1]
        return audio, seconds
    frames, hop, fed, audio = min(contract["chunk_frames"]), contract["audio"]["hop_size"], 0, []
    states = {name: np.zeros(shape, np.float32) for name, shape in contract["states"].items()}
    while fed * hop < len(mel) * hop + contract["delay_samples"]:
        chunk = np.zeros([1, frames, mel.shape[1]], np.float32)
        chunk[0, : len(mel[fed : fed + frames])] = mel[fed : fed + frames]
        inputs = {"mel": chunk, **states}
        middle = contract["edge_frames"] <= fed and fed + frames <= len(mel)
        if middle and not isinstance(model, FirstGraph):
            signature = contract["stream"][str(frames)]
        else:
            signature, inputs["valid"] = contract["edge"], np.array([-fed, len(mel) - fed], np.int32)
        result = run(signature, inputs)
        audio.append(result["audio"].ravel())
        states = {name: result[name] for name in states}
        fed += frames
    return np.concatenate(audio)[contract["delay_samples"] :][: len(mel) * hop], seconds


def main() -> None:
    model, contract, mel, output = sys.argv[1:]
    values = json.loads(Path(contract).read_text(encoding="utf-8"))
    found, seconds = outputs(load(model), values, np.load(mel))
    Path(output).write_text(json.dumps({"output": found.tolist(), "seconds": seconds}), encoding="utf-8")


if __name__ == "__main__":
    main()
