/** Models run by LiteRT.js, in a classic worker: its loader of WebAssembly calls `importScripts`. */
import { Tensor, loadAndCompile, loadLiteRt, supportsFeature } from "../litert/index.js";
import { UserError } from "./user_error.js";

const LITERT = new URL("../litert/", import.meta.url).href;
// A function that returns a vector of 128 bits: valid where WebAssembly has SIMD, which LiteRT.js needs.
const SIMD_MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Loads the runtime. Returns what it computes with, such as "WebAssembly with relaxed SIMD, 1 thread". */
export async function startLiteRt() {
  if (typeof WebAssembly !== "object") {
    throw new UserError("This browser has no WebAssembly, or it is switched off: use a current browser.");
  }
  if (!WebAssembly.validate(SIMD_MODULE)) {
    throw new UserError("This browser's WebAssembly has no SIMD, which LiteRT.js needs: use a current browser and processor.");
  }
  // LiteRT.js hands this object to the loader, which would look beside the worker otherwise.
  self.Module = { locateFile: (name) => LITERT + name };
  try {
    await loadLiteRt(LITERT);
  } catch (error) {
    throw new UserError(`LiteRT.js could not be loaded from ${LITERT} (${reason(error)}): run npm ci in web_demo.`);
  }
  return `WebAssembly with ${(await supportsFeature("relaxedSimd")) ? "relaxed SIMD" : "SIMD"}, 1 thread`;
}

/** A model with its contract, compiled. For one call at a time. */
export class LiteRtModel {
  #compiled;

  /** @param {string} name for messages */
  constructor(compiled, contract, name) {
    this.#compiled = compiled;
    this.contract = contract;
    this.name = name;
  }

  /**
   * @param {Uint8Array} model without its contract
   * @param {import("./contract.js").Contract} contract
   * @param {string} name
   */
  static async load(model, contract, name) {
    try {
      return new LiteRtModel(await loadAndCompile(model, { accelerator: "wasm" }), contract, name);
    } catch (error) {
      throw new UserError(`LiteRT.js cannot load ${name} (${reason(error)}): export or copy it again.`);
    }
  }

  /**
   * Checks that a signature has these tensors, so that running it cannot fail because of their names or shapes.
   *
   * @param {string} signature
   * @param {Record<string, number[]>} inputs shapes
   * @param {Record<string, number[]>} outputs shapes
   */
  require(signature, inputs, outputs) {
    const runner = this.#compiled.signatures[signature];
    if (!runner) {
      throw this.#broken(`it has no signature ${signature}`);
    }
    for (const [expected, found] of [
      [inputs, runner.getInputDetails()],
      [outputs, runner.getOutputDetails()],
    ]) {
      for (const [tensor, shape] of Object.entries(expected)) {
        const details = found.find(({ name }) => name === tensor);
        if (!details || details.shape.join() !== shape.join()) {
          const has = details ? `has the shape ${details.shape.join(" x ")}, not ${shape.join(" x ")}` : "is missing";
          throw this.#broken(`${tensor} of ${signature} ${has}`);
        }
      }
    }
  }

  /**
   * Runs a signature. The caller deletes the tensors of inputs and outputs.
   *
   * @param {string} signature
   * @param {Record<string, Tensor>} inputs
   * @returns {Promise<Record<string, Tensor>>}
   */
  async run(signature, inputs) {
    return this.#compiled.run(signature, inputs);
  }

  #broken(what) {
    return new UserError(`${this.name} does not keep its contract (${what}): export it again.`);
  }
}

/**
 * @param {Float32Array | Int32Array} values
 * @param {number[]} shape
 */
export function tensor(values, shape) {
  return new Tensor(values, shape);
}

function reason(error) {
  return String(error?.message ?? error).trim().replaceAll(/\s+/g, " ");
}
