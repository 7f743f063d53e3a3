import { UserError } from "./user_error.js";

const BLOCK = 1 << 16; // samples a message
const MOST_SILENCE = 300; // ms

/** Plays samples while they are still being made. One playback at a time. */
export class Player {
  #context = null;
  #node = null;
  #onPosition = null;

  static get supported() {
    return typeof AudioContext !== "undefined" && typeof AudioWorkletNode !== "undefined";
  }

  /**
   * Begins a playback, after which `append` and `end` have effect. An earlier one ends.
   *
   * @param {number} samplingRate
   * @param {(state: {played: number, waits: number, done: boolean}) => void} onPosition several times a second
   */
  async start(samplingRate, onPosition) {
    this.stop();
    if (!Player.supported) {
      throw new UserError(
        window.isSecureContext
          ? "This browser has no AudioWorklet, so nothing is heard here: save the WAV when it is done."
          : "Browsers have no AudioWorklet outside https and localhost, so nothing is heard here: serve the page so, or save the WAV.",
      );
    }
    await this.#open(samplingRate);
    this.stop(); // another start may have been waiting, too
    const node = new AudioWorkletNode(this.#context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node = node;
    this.#onPosition = onPosition;
    node.port.onmessage = ({ data }) => {
      if (this.#node === node) {
        this.#onPosition(data);
        if (data.done) {
          this.stop();
        }
      }
    };
    node.connect(this.#context.destination);
  }

  /** @param {Float32Array} samples -1 to 1 */
  append(samples) {
    for (let start = 0; this.#node && start < samples.length; start += BLOCK) {
      this.#node.port.postMessage({ samples: samples.slice(start, start + BLOCK) });
    }
  }

  /** No more samples come. */
  end() {
    this.#node?.port.postMessage({ end: true });
  }

  stop() {
    this.#node?.port.postMessage({ stop: true });
    this.#node?.disconnect();
    this.#node = null;
  }

  /** Whether the browser lets the page sound: not before it has been clicked or typed into. */
  get silenced() {
    return this.#context?.state === "suspended";
  }

  async #open(samplingRate) {
    if (this.#context?.sampleRate !== samplingRate) {
      await this.#context?.close();
      this.#context = null;
      try {
        this.#context = new AudioContext({ sampleRate: samplingRate, latencyHint: "interactive" });
      } catch (error) {
        throw new UserError(`This browser cannot play ${samplingRate} Hz (${error.message}): save the WAV when it is done.`);
      }
      await this.#context.audioWorklet.addModule(new URL("player_worklet.js", import.meta.url));
    }
    // A page that may not sound yet gets no answer before the first click.
    await Promise.race([this.#context.resume(), new Promise((resolve) => setTimeout(resolve, MOST_SILENCE))]);
  }
}
