import { openContext } from "./audio_context.js";
import { UserError } from "./user_error.js";

const BLOCK = 1 << 16; // samples a message
const MOST_SILENCE = 300; // ms

/** Plays samples while they are still being made. One playback at a time. */
export class Player {
  #context = null;
  #starting = null; // a token of the start that waits
  #node = null;

  static get supported() {
    return typeof AudioContext !== "undefined" && typeof AudioWorkletNode !== "undefined";
  }

  /**
   * Begins a playback, after which `append` and `end` have effect. An earlier one ends, and a stop or another start ends
   * this one, even while it waits for the browser.
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
    const starting = (this.#starting = {});
    const wanted = () => this.#starting === starting;
    if (this.#context?.sampleRate !== samplingRate) {
      const context = await opened(samplingRate);
      const unused = wanted() ? this.#context : context;
      if (wanted()) {
        this.#context = context;
      }
      await unused?.close();
    }
    if (wanted()) {
      // A page that may not sound yet gets no answer before the first click.
      const resumed = this.#context.resume().catch(() => {}); // `silenced` says so
      await Promise.race([resumed, new Promise((resolve) => setTimeout(resolve, MOST_SILENCE))]);
    }
    if (!wanted()) {
      return;
    }
    const node = new AudioWorkletNode(this.#context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node = node;
    node.port.onmessage = ({ data }) => {
      if (this.#node === node) {
        onPosition(data);
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
    this.#starting = null;
    this.#node?.port.postMessage({ stop: true });
    this.#node?.disconnect();
    this.#node = null;
  }

  /** Whether the browser lets the page sound: not before it has been clicked or typed into. */
  get silenced() {
    return this.#context?.state === "suspended";
  }
}

async function opened(samplingRate) {
  try {
    return await openContext({ sampleRate: samplingRate, latencyHint: "interactive" }, "player_worklet.js");
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`This browser cannot play ${samplingRate} Hz (${error.message}): save the WAV when it is done.`);
  }
}
