const SIZE = 4096; // samples a message: a dozen a second

/** Sends what comes in, and after any message what is left, as the last; what goes out is silence. */
class Capture extends AudioWorkletProcessor {
  #block = new Float32Array(SIZE);
  #filled = 0;
  #ended = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#ended = true;
      this.#send();
    };
  }

  process([[samples]]) {
    for (const sample of this.#ended ? [] : samples ?? []) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === SIZE) {
        this.#send();
      }
    }
    return !this.#ended;
  }

  #send() {
    this.port.postMessage({ samples: this.#block.slice(0, this.#filled), last: this.#ended });
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
