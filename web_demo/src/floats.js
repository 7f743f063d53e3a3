/** A growing row of float32 numbers that is filled at its end and emptied at its start. */
export class Floats {
  #array = new Float32Array(1024);
  #start = 0;
  #end = 0;

  get length() {
    return this.#end - this.#start;
  }

  /** @param {Float32Array} values */
  append(values) {
    this.#reserve(values.length);
    this.#array.set(values, this.#end);
    this.#end += values.length;
  }

  /** @param {number} count */
  appendZeros(count) {
    this.append(new Float32Array(count));
  }

  /** Takes the first numbers away. @param {number} count */
  drop(count) {
    this.#start += count;
  }

  clear() {
    this.#start = this.#end = 0;
  }

  /** The numbers from one position to another; they are valid until the next change. */
  view(start = 0, end = this.length) {
    return this.#array.subarray(this.#start + start, this.#start + end);
  }

  #reserve(count) {
    if (this.#end + count <= this.#array.length) {
      return;
    }
    const kept = this.view();
    const array = this.length + count > this.#array.length / 2 ? new Float32Array(2 * (this.length + count)) : this.#array;
    array.set(kept);
    this.#array = array;
    this.#end = kept.length;
    this.#start = 0;
  }
}

/** @param {Float32Array[]} pieces */
export function concatenate(pieces) {
  if (pieces.length === 1) {
    return pieces[0];
  }
  const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
