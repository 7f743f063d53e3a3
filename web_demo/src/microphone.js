import { openContext } from "./audio_context.js";
import { Floats } from "./floats.js";
import { UserError } from "./user_error.js";
import { wavFile } from "./wav.js";

export const MOST_SECONDS = 120;
const MOST_WAIT = 500; // ms for the last samples, should the sound have broken down

const REASONS = {
  NotAllowedError: "The microphone is not allowed: allow it for this page in the browser's settings, and try again.",
  NotFoundError: "No microphone was found: connect one, and try again.",
  NotReadableError: "The microphone cannot be read, perhaps because another program uses it: close that, and try again.",
};

/** A recording that is being made, in every sample of the microphone's own rate. */
export class MicrophoneRecording {
  #samples = new Floats();
  #stream;
  #context = null;
  #capture = null;
  #onLast = null; // once the recording ends

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
    try {
      await recording.#begin(onLevel, onFull);
    } catch (error) {
      await recording.close();
      throw error;
    }
    return recording;
  }

  async #begin(onLevel, onFull) {
    this.#context = await openContext({}, "capture_worklet.js");
    this.#capture = new AudioWorkletNode(this.#context, "capture");
    this.#capture.port.onmessage = ({ data: { samples, last } }) => {
      this.#samples.append(samples);
      if (last) {
        this.#onLast();
      } else if (!this.#onLast) {
        const seconds = this.#samples.length / this.#context.sampleRate;
        onLevel(seconds, samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
        if (seconds >= MOST_SECONDS) {
          onFull();
        }
      }
    };
    const source = this.#context.createMediaStreamSource(this.#stream);
    source.connect(this.#capture).connect(this.#context.destination);
    await this.#context.resume();
  }

  /** Ends the recording. @returns {Promise<File>} */
  async finish() {
    const last = new Promise((resolve) => (this.#onLast = resolve));
    this.#capture.port.postMessage("end");
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, MOST_WAIT))]);
    await this.close();
    if (this.#samples.length === 0) {
      throw new UserError("Nothing was recorded: try again, and speak before you stop.");
    }
    return wavFile(this.#samples.view().slice(), this.#context.sampleRate, "recording.wav");
  }

  /** Gives the microphone back; what was recorded is lost, if it was not finished. */
  async close() {
    this.#stream.getTracks().forEach((track) => track.stop());
    if (this.#capture) {
      this.#capture.port.onmessage = null;
    }
    await this.#context?.close();
  }
}
