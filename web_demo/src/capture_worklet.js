const SIZE = 4096; // samples a message: a dozen a second

/** Sends what comes in; what goes out is silence. */
class Capture extends AudioWorkletProcessor {
  #block = new Float32Array(SIZE);
  #filled = 0;

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === SIZE) {
        this.port.postMessage(this.#block);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
