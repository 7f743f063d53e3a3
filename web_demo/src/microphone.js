import { Floats } from "./floats.js";
import { UserError } from "./user_error.js";
import { wavFile } from "./wav.js";

export const MOST_SECONDS = 120;

const REASONS = {
  NotAllowedError: "The microphone is not allowed: allow it for this page in the browser's settings, and try again.",
  NotFoundError: "No microphone was found: connect one, and try again.",
  NotReadableError: "The microphone cannot be read, perhaps because another program uses it: close that, and try again.",
};

/** A recording that is being made, in every sample of the microphone's own rate. */
export class MicrophoneRecording {
  #samples = new Floats();
  #stream;
  #context;

  /**
   * Asks for the microphone and begins.
   *
   * @param {(seconds: number, level: number) => void} onLevel several times a second
   * @param {() => void} onFull when the longest time is reached
   */
  static async start(onLevel, onFull) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new UserError("Browsers give pages the microphone over https and on localhost only: serve this one so.");
    }
    if (typeof AudioWorkletNode === "undefined") {
      throw new UserError("This browser has no AudioWorklet, and cannot record here: drop a recording instead.");
    }
    const recording = new MicrophoneRecording();
    try {
      // What browsers do for calls would change the voice.
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      recording.#stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new UserError(REASONS[error.name] ?? `The microphone cannot be opened (${error.message}).`);
    }
    const context = new AudioContext();
    recording.#context = context;
    await context.audioWorklet.addModule(new URL("capture_worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture");
    capture.port.onmessage = ({ data }) => {
      recording.#samples.append(data);
      const seconds = recording.#samples.length / context.sampleRate;
      onLevel(seconds, data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
      if (seconds >= MOST_SECONDS) {
        onFull();
      }
    };
    context.createMediaStreamSource(recording.#stream).connect(capture).connect(context.destination);
    await context.resume();
    return recording;
  }

  /** Ends the recording. @returns {Promise<File>} */
  async finish() {
    this.#stream.getTracks().forEach((track) => track.stop());
    const { sampleRate } = this.#context;
    await this.#context.close();
    if (this.#samples.length === 0) {
      throw new UserError("Nothing was recorded: try again, and speak before you stop.");
    }
    return wavFile(this.#samples.view().slice(), sampleRate, "recording.wav");
  }
}
