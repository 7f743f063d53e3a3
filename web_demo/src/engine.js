import { UserError } from "./user_error.js";

const CLOSED = { stopped: true, figures: null }; // the answer to what ends early

/**
 * A vocoder and its mel front end, loaded in a worker of their own, so that the page stays responsive; `close` frees
 * all memory of both.
 */
export class Engine {
  #worker;
  #waiting = null; // the promise of the load or the vocoding that runs
  #onPiece = null;
  #closed = false;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#settle("reject", new UserError(`The worker failed: ${event.message ?? "it could not be loaded"}.`));
    };
  }

  /**
   * @param {import("./models.js").LoadedModel} vocoder
   * @param {import("./models.js").LoadedModel} frontEnd
   * @returns {Promise<Engine>}
   */
  static async load(vocoder, frontEnd) {
    const engine = new Engine(new Worker(new URL("worker.js", import.meta.url)));
    try {
      const { runtime } = await engine.#ask({ type: "load", vocoder, frontEnd });
      engine.runtime = runtime;
      return engine;
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  /**
   * Vocodes a recording; `onPiece` gets every piece as `vocoding.js` sends it.
   *
   * @param {Float32Array} audio mono, at the model's rate
   * @param {(piece: object) => void} onPiece
   * @returns {Promise<{stopped: boolean, figures: object}>}
   */
  async vocode(audio, onPiece) {
    this.#onPiece = onPiece;
    return this.#ask({ type: "vocode", audio });
  }

  /** Ends the vocoding that runs; what has been made until then is kept. */
  stop() {
    this.#worker.postMessage({ type: "stop" });
  }

  /** Ends at once what runs. */
  close() {
    this.#closed = true;
    this.#worker.terminate();
    this.#settle("resolve", CLOSED);
  }

  async #ask(message) {
    if (this.#closed) {
      return CLOSED;
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(message);
    });
  }

  #receive(message) {
    if (message.type === "piece") {
      this.#onPiece(message);
    } else if (message.type === "error") {
      this.#settle("reject", new UserError(message.message));
    } else {
      this.#settle("resolve", message);
    }
  }

  #settle(how, value) {
    this.#waiting?.[how](value);
    this.#waiting = null;
  }
}
