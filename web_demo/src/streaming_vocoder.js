import { VOCODER } from "./contract.js";
import { Floats, concatenate } from "./floats.js";
import { tensor } from "./litert_model.js";
import { UserError } from "./user_error.js";

/** Frames; far more than any model's delay, and small enough that frames times hop do not overflow an int32. */
const POSITION_LIMIT = 1 << 16;

/**
 * Log-mel frames to audio, a few at a time, with the same samples as for the whole utterance.
 *
 * Audio is delayed by the contract's `delaySamples`, which are dropped at the start and made up for by `flush`. Chunks
 * that extend beyond the utterance go through the signature `edge`, whose input `valid` says where the utterance lies;
 * the others do not need that. One utterance, then `close`.
 */
export class StreamingVocoder {
  #model;
  #contract;
  #states;
  #waiting = new Floats(); // frames that fill no chunk yet
  #done = 0; // frames run
  #late; // samples still to drop

  /**
   * @param {import("./litert_model.js").LiteRtModel} model
   * @param {number} chunkFrames one of the contract's; by default the smallest, with the least latency, and the best
   *     quality of an 8-bit model
   */
  constructor(model, chunkFrames = model.contract.chunkFrames?.[0]) {
    this.#model = model;
    this.#contract = model.contract;
    const { kind, stateful, audio, states, stream, edge } = this.#contract;
    if (kind !== VOCODER) {
      throw new UserError(`${model.name} is a ${kind}: a ${VOCODER} is needed here.`);
    }
    if (!stateful) {
      throw new UserError(`${model.name} has no state and cannot stream: export it with --float32, --float16 or --int8.`);
    }
    if (!stream[chunkFrames]) {
      const known = this.#contract.chunkFrames.join(", ");
      throw new UserError(`${model.name} has no chunk of ${chunkFrames} frames: it has ${known}.`);
    }
    this.chunkFrames = chunkFrames;
    this.edgeChunk = this.#contract.chunkFrames[0];
    const tensors = (frames) => [
      { mel: [1, frames, audio.numMels], ...states },
      { audio: [1, frames * audio.hopSize], ...states },
    ];
    for (const frames of new Set([this.edgeChunk, chunkFrames])) {
      model.require(stream[frames], ...tensors(frames));
    }
    const [inputs, outputs] = tensors(this.edgeChunk);
    model.require(edge, { valid: [2], ...inputs }, outputs);
    this.#late = this.#contract.delaySamples;
    this.#states = Object.fromEntries(
      Object.entries(states).map(([name, shape]) => {
        const size = shape.reduce((product, length) => product * length, 1);
        return [name, tensor(new Float32Array(size), shape)];
      }),
    );
  }

  /** Takes frames `[any number, num_mels]`; returns the audio that they complete, -1 to 1, possibly none. */
  async push(frames) {
    const bands = this.#contract.audio.numMels;
    const pieces = [];
    this.#waiting.append(frames);
    for (let chunk = this.#nextChunk(); this.#waiting.length >= chunk * bands; chunk = this.#nextChunk()) {
      // Where the utterance ends is not known yet: beyond every step of this chunk.
      pieces.push(await this.#run(this.#take(chunk), chunk));
    }
    return concatenate(pieces);
  }

  /** The rest of the audio, and the end of the utterance. */
  async flush() {
    const { audio, delaySamples } = this.#contract;
    const end = this.#waiting.length / audio.numMels;
    if (this.#done + end === 0) {
      return new Float32Array(0);
    }
    // Samples still to come: the audio of the waiting frames, and the delay.
    const missing = end * audio.hopSize + delaySamples;
    const pieces = [];
    let fed = 0;
    for (; fed * audio.hopSize < missing; fed += this.edgeChunk) {
      pieces.push(await this.#run(this.#take(this.edgeChunk), end - fed));
    }
    const rest = concatenate(pieces);
    return rest.subarray(0, rest.length - (fed * audio.hopSize - missing));
  }

  /** Frees the state. */
  close() {
    for (const state of Object.values(this.#states)) {
      state.delete();
    }
    this.#states = {};
  }

  #nextChunk() {
    return this.#done < this.#contract.edgeFrames ? this.edgeChunk : this.chunkFrames;
  }

  /** The next waiting frames; zeros after the last. */
  #take(frames) {
    const mel = new Float32Array(frames * this.#contract.audio.numMels);
    const count = Math.min(mel.length, this.#waiting.length);
    mel.set(this.#waiting.view(0, count));
    this.#waiting.drop(count);
    return mel;
  }

  /** Runs a chunk of the utterance that ends `end` frames after the chunk's first. */
  async #run(mel, end) {
    const { audio, edge, edgeFrames, stream } = this.#contract;
    const frames = mel.length / audio.numMels;
    const masked = this.#done < edgeFrames || end < frames;
    const inputs = { mel: tensor(mel, [1, frames, audio.numMels]), ...this.#states };
    if (masked) {
      // Positions further away than this make no difference, so int32 is enough for any length.
      const valid = [-Math.min(this.#done, POSITION_LIMIT), Math.max(end, -POSITION_LIMIT)];
      inputs.valid = tensor(Int32Array.from(valid), [2]);
    }
    const { audio: output, ...states } = await this.#model.run(masked ? edge : stream[frames], inputs);
    for (const input of Object.values(inputs)) {
      input.delete();
    }
    const samples = output.toTypedArray();
    output.delete();
    this.#states = states;
    this.#done += frames;
    const dropped = Math.min(this.#late, samples.length);
    this.#late -= dropped;
    return samples.subarray(dropped);
  }
}
