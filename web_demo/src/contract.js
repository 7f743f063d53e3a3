/**
 * The contract of a model: a JSON in the zip archive at the end of the `.tflite`, or in a file beside it.
 * `hifigan_tf/streaming/contract.py` explains every field.
 */
import { AudioSettings } from "./audio_settings.js";
import { Fields } from "./fields.js";
import { UserError } from "./user_error.js";
import { readZipTail } from "./zip_tail.js";

export const VOCODER = "vocoder";
export const MEL_FRONTEND = "mel_frontend";

const MEMBER = "contract.json";
const FORMATS = [1, 2]; // 2 is for mels other than the paper's
const LARGE = 1 << 14; // beyond any size in a valid model
const VERY_LARGE = 1 << 24; // of numbers of samples, and of values in a state
const MAGIC = "TFL3"; // from the fifth byte

/** The fields of a vocoder that streams, or of a mel front end; those of the other kind are missing. */
export class Contract {
  /** @param {Fields} fields */
  constructor(fields) {
    this.kind = fields.has("kind") ? fields.text("kind") : VOCODER; // the first exports have no such key
    this.audio = new AudioSettings(fields.object("audio"));
    this.modelSha256 = fields.has("model_sha256") ? fields.text("model_sha256") : "";
    if (this.kind === VOCODER) {
      this.mode = fields.text("mode");
      this.stateful = fields.flag("stateful");
      if (this.stateful) {
        this.#stream(fields);
      }
    } else if (this.kind === MEL_FRONTEND) {
      this.#analysis(fields);
    }
  }

  #stream(fields) {
    /** Ascending. */
    this.chunkFrames = fields.integers("chunk_frames", 1, LARGE).sort((a, b) => a - b);
    this.delaySamples = fields.integer("delay_samples", 0, VERY_LARGE);
    /** Chunks that begin before this frame go through `edge`. */
    this.edgeFrames = fields.integer("edge_frames", 0, LARGE);
    /** The shape of each state, by the name of its tensor. @type {Record<string, number[]>} */
    this.states = {};
    const states = fields.object("states");
    for (const name of states.keys()) {
      this.states[name] = states.integers(name, 1, VERY_LARGE);
      if (this.states[name].reduce((size, length) => size * length, 1) > VERY_LARGE) {
        throw new UserError(`its ${name} is too large`);
      }
    }
    /** The signature for each number of frames. @type {Record<number, string>} */
    this.stream = {};
    for (const frames of this.chunkFrames) {
      this.stream[frames] = fields.object("stream").text(String(frames));
    }
    if (this.chunkFrames.length === 0) {
      throw new UserError("its chunk_frames are none");
    }
    this.edge = fields.text("edge");
  }

  #analysis(fields) {
    this.analyze = fields.text("analyze");
    this.blockFrames = fields.integer("block_frames", 1, LARGE);
    this.blockSamples = fields.integer("block_samples", 1, VERY_LARGE);
    const [before, after] = fields.numbers("mirrored_samples", 2);
    if (!Number.isInteger(before) || !Number.isInteger(after) || after < 0 || after > before || before > this.audio.nFft) {
      throw new UserError(`its mirrored_samples is ${before}, ${after}`);
    }
    this.mirroredBefore = before;
    this.mirroredAfter = after;
    this.minSamples = fields.integer("min_samples", before + 1, VERY_LARGE);
    if (this.blockSamples !== (this.blockFrames - 1) * this.audio.hopSize + this.audio.nFft) {
      throw new UserError(`its block_samples is ${this.blockSamples}`);
    }
  }
}

/**
 * A model's bytes without their contract, and the contract.
 *
 * @param {Uint8Array} bytes the whole file
 * @param {string} name for messages
 * @param {string | null} beside the JSON of a contract in a file of its own, for a model that carries none
 * @returns {Promise<{model: Uint8Array, contract: Contract, hash: "checked" | "not checked" | "none"}>}
 */
export async function readModel(bytes, name, beside = null) {
  if (new TextDecoder("latin1").decode(bytes.subarray(4, 8)) !== MAGIC) {
    throw new UserError(`${name} is no TFLite model: choose a .tflite that hifigan-tf export wrote.`);
  }
  try {
    const packed = await readZipTail(bytes, MEMBER);
    const json = packed?.text ?? beside;
    if (json === null) {
      throw new UserError(
        "it carries none: it is another project's model, or was cut short. Export or copy it again, " +
          "or choose its contract (.json) together with it",
      );
    }
    const model = bytes.subarray(0, packed?.before ?? bytes.length);
    const contract = parse(json);
    const found = contract.modelSha256 && (await sha256(model));
    if (found && found !== contract.modelSha256) {
      throw new UserError("the bytes are not those that were exported (damaged, or another model's contract): copy it again");
    }
    const hash = found ? "checked" : contract.modelSha256 ? "not checked" : "none";
    return { model, contract, hash };
  } catch (error) {
    throw error instanceof UserError ? new UserError(`The contract of ${name} cannot be used: ${error.message}.`) : error;
  }
}

/** @param {string} json */
function parse(json) {
  let values;
  try {
    values = JSON.parse(json);
  } catch {
    throw new UserError("it is no JSON: export the model again");
  }
  const fields = new Fields(values);
  const format = fields.integer("format", 0, LARGE);
  if (!FORMATS.includes(format)) {
    const known = FORMATS.join(" and ");
    const advice = format > Math.max(...FORMATS) ? "this page is older than the model: update the page" : "export the model again";
    throw new UserError(`it has format ${format}, and this page reads ${known}; ${advice}`);
  }
  return new Contract(fields);
}

/** In hexadecimal; null where the browser computes none, outside https and localhost. */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    return null;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
