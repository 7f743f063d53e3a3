const FIRST_WAIT = 0.1; // seconds that must be there before the first sample is played
const MOST_WAIT = 2;
const REPORT = 1 / 30; // seconds

/** Plays what `player.js` sends, and waits where it is played faster than made. */
class Player extends AudioWorkletProcessor {
  #queue = [];
  #at = 0; // position in the first of the queue
  #buffered = 0;
  #needed = FIRST_WAIT * sampleRate;
  #waiting = true;
  #ended = false;
  #stopped = false;
  #played = 0;
  #waits = 0;
  #reported = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data.samples) {
        this.#queue.push(data.samples);
        this.#buffered += data.samples.length;
      }
      this.#ended ||= Boolean(data.end);
      this.#stopped ||= Boolean(data.stop);
    };
  }

  process(_, [[output]]) {
    if (this.#waiting && (this.#buffered >= this.#needed || this.#ended)) {
      this.#waiting = false;
    }
    if (!this.#waiting) {
      this.#fill(output);
    }
    const done = this.#ended && this.#buffered === 0;
    if (done || currentTime - this.#reported >= REPORT) {
      this.#reported = currentTime;
      this.port.postMessage({ played: this.#played, waits: this.#waits, done });
    }
    return !done && !this.#stopped;
  }

  #fill(output) {
    let filled = 0;
    while (filled < output.length && this.#buffered > 0) {
      const piece = this.#queue[0].subarray(this.#at, this.#at + output.length - filled);
      output.set(piece, filled);
      filled += piece.length;
      this.#at += piece.length;
      this.#buffered -= piece.length;
      this.#played += piece.length;
      if (this.#at === this.#queue[0].length) {
        this.#queue.shift();
        this.#at = 0;
      }
    }
    if (filled < output.length && !this.#ended) {
      this.#waiting = true;
      this.#waits++;
      this.#needed = Math.min(2 * this.#needed, MOST_WAIT * sampleRate);
    }
  }
}

registerProcessor("player", Player);
