import { MEL_FRONTEND } from "./contract.js";
import { Floats, concatenate } from "./floats.js";
import { tensor } from "./litert_model.js";
import { UserError } from "./user_error.js";

/**
 * Audio to log-mel frames by the mel front-end model, a piece at a time, with the same frames as for the whole.
 *
 * A frame needs audio on both sides of its hop. At both ends the recording is mirrored, without its outermost sample,
 * after the last hop is padded with silence, or with `melCentred` from the last sample on:
 *
 *     |<- mirrored ->|<------------- audio ------------->|<- mirrored ->|
 *     [------------ frame 0 ------------]
 *                 [------------ frame 1 ------------]   a hop later
 */
export class MelAnalyzer {
  #model;
  #contract;
  #kept = new Floats(); // audio from the start of the next frame on
  #samples = 0;
  #framesDone = 0;
  #begun = false; // the start has been mirrored

  /** @param {import("./litert_model.js").LiteRtModel} model */
  constructor(model) {
    this.#model = model;
    this.#contract = model.contract;
    if (this.#contract.kind !== MEL_FRONTEND) {
      throw new UserError(`${model.name} is a ${this.#contract.kind}: a ${MEL_FRONTEND} is needed here.`);
    }
    const { analyze, blockSamples, blockFrames, audio } = this.#contract;
    model.require(analyze, { audio: [1, blockSamples] }, { mel: [1, blockFrames, audio.numMels] });
  }

  /** Takes samples, -1 to 1; returns the frames `[frames, num_mels]` that they complete, in whole blocks. */
  async push(audio) {
    this.#samples += audio.length;
    this.#kept.append(audio);
    if (this.#samples >= this.#contract.minSamples) {
      this.#begin();
    }
    const mels = [];
    while (this.#begun && this.#ready() >= this.#contract.blockFrames) {
      mels.push(await this.#analyze(this.#contract.blockFrames));
    }
    return concatenate(mels);
  }

  /** The last frames, and the end of the recording. */
  async flush() {
    if (this.#samples === 0) {
      return new Float32Array(0);
    }
    const { blockFrames, minSamples, mirroredAfter, audio } = this.#contract;
    const frames = Math.ceil(this.#samples / audio.hopSize);
    const whole = frames * audio.hopSize;
    const filled = Math.max(audio.melCentred ? this.#samples : whole, minSamples);
    this.#kept.appendZeros(filled - this.#samples);
    this.#begin();
    const last = this.#kept.length - 1;
    const mirrored = mirroredAfter + Math.max(0, whole - filled);
    this.#kept.append(this.#kept.view(last - mirrored, last).slice().reverse());
    const mels = [];
    while (this.#framesDone < frames) {
      mels.push(await this.#analyze(Math.min(frames - this.#framesDone, blockFrames)));
    }
    return concatenate(mels);
  }

  #begin() {
    if (this.#begun) {
      return;
    }
    const audio = this.#kept.view().slice();
    this.#kept.clear();
    this.#kept.append(audio.slice(1, this.#contract.mirroredBefore + 1).reverse());
    this.#kept.append(audio);
    this.#begun = true;
  }

  /** Frames that can be made of the kept samples. */
  #ready() {
    const beyond = this.#kept.length - this.#contract.audio.nFft;
    return beyond < 0 ? 0 : Math.floor(beyond / this.#contract.audio.hopSize) + 1;
  }

  /** Runs a block for its first `count` frames; silence fills the rest. */
  async #analyze(count) {
    const { analyze, blockSamples, audio } = this.#contract;
    const block = new Float32Array(blockSamples);
    block.set(this.#kept.view(0, Math.min(this.#kept.length, blockSamples)));
    const input = tensor(block, [1, blockSamples]);
    const { mel } = await this.#model.run(analyze, { audio: input });
    const frames = mel.toTypedArray().subarray(0, count * audio.numMels);
    input.delete();
    mel.delete();
    this.#kept.drop(count * audio.hopSize);
    this.#framesDone += count;
    return frames;
  }
}
