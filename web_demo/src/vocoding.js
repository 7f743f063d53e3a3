/**
 * The worker's side: loads a vocoder and its mel front end, and vocodes recordings, sending every piece as it is
 * made. `engine.js` is the page's side.
 *
 * Takes  {type: "load", vocoder, frontEnd}   each {model, contract, name}
 *        {type: "vocode", audio}             mono, -1 to 1, at the model's rate
 *        {type: "stop"}
 * Sends  {type: "loaded", runtime}
 *        {type: "piece", mel, audio, vocodedMel, figures}   what is new of each
 *        {type: "done", stopped, figures}
 *        {type: "error", message}
 */
import { concatenate } from "./floats.js";
import { LiteRtModel, startLiteRt } from "./litert_model.js";
import { MelAnalyzer } from "./mel_analyzer.js";
import { StreamingVocoder } from "./streaming_vocoder.js";
import { UserError } from "./user_error.js";

const SEND_EVERY = 40; // ms; messages for every chunk would keep the page busy

let vocoder;
let frontEnd;
let stopped = false;

export async function receive(message) {
  try {
    if (message.type === "load") {
      await load(message);
    } else if (message.type === "vocode") {
      await vocode(message.audio);
    } else if (message.type === "stop") {
      stopped = true;
    }
  } catch (error) {
    const text = error instanceof UserError ? error.message : `The computation failed: ${error?.message ?? error}.`;
    self.postMessage({ type: "error", message: text });
  }
}

async function load(message) {
  const runtime = await startLiteRt();
  [vocoder, frontEnd] = await Promise.all(
    [message.vocoder, message.frontEnd].map(({ model, contract, name }) => LiteRtModel.load(model, contract, name)),
  );
  new MelAnalyzer(frontEnd); // both check that the models keep their contracts
  new StreamingVocoder(vocoder).close();
  self.postMessage({ type: "loaded", runtime });
}

async function vocode(audio) {
  stopped = false;
  const analyzer = new MelAnalyzer(frontEnd);
  const stream = new StreamingVocoder(vocoder);
  const outbox = new Outbox(vocoder.contract.audio, new MelAnalyzer(frontEnd));
  const { hopSize, numMels } = vocoder.contract.audio;
  const block = stream.chunkFrames * hopSize;
  const chunk = stream.chunkFrames * numMels;
  try {
    for (let start = 0; start < audio.length && !stopped; start += block) {
      const piece = audio.subarray(start, start + block);
      const last = start + block >= audio.length;
      const mel = await outbox.timed(async () =>
        last ? concatenate([await analyzer.push(piece), await analyzer.flush()]) : analyzer.push(piece),
      );
      for (let at = 0; at < mel.length && !stopped; at += chunk) {
        const frames = mel.subarray(at, at + chunk);
        await outbox.add(frames, await outbox.timed(() => stream.push(frames)));
      }
    }
    if (!stopped) {
      await outbox.add(new Float32Array(0), await outbox.timed(() => stream.flush()));
    }
    await outbox.finish(stopped);
  } finally {
    stream.close();
  }
}

/** Gathers what has been made, with the mel of the vocoded audio and the figures, and sends it several times a second. */
class Outbox {
  #mel = [];
  #audio = [];
  #samples = 0;
  #computing = 0; // ms
  #firstAudio = null; // ms
  #sent = performance.now();

  constructor(settings, analyzer) {
    this.settings = settings;
    this.analyzer = analyzer; // of the vocoded audio: for the picture alone, and outside the figures
  }

  /** Runs work whose time counts. */
  async timed(work) {
    const start = performance.now();
    const result = await work();
    this.#computing += performance.now() - start;
    return result;
  }

  async add(mel, audio) {
    this.#mel.push(mel);
    this.#audio.push(audio);
    this.#samples += audio.length;
    const first = this.#firstAudio === null && audio.length > 0;
    if (first) {
      this.#firstAudio = this.#computing;
    }
    if (first || performance.now() - this.#sent >= SEND_EVERY) {
      await this.#send();
    }
  }

  async finish(stopped) {
    await this.#send(true);
    self.postMessage({ type: "done", stopped, figures: this.#figures() });
  }

  async #send(last = false) {
    const mel = concatenate([...this.#mel]).slice();
    const audio = concatenate([...this.#audio]).slice();
    this.#mel = [];
    this.#audio = [];
    // The audio first, so that it is heard before the picture of its mel is computed.
    self.postMessage({ type: "piece", mel, audio, vocodedMel: new Float32Array(0), figures: this.#figures() });
    let vocodedMel = await this.analyzer.push(audio);
    if (last) {
      vocodedMel = concatenate([vocodedMel, await this.analyzer.flush()]);
    }
    if (vocodedMel.length > 0) {
      const nothing = new Float32Array(0);
      self.postMessage({ type: "piece", mel: nothing, audio: nothing, vocodedMel: vocodedMel.slice(), figures: this.#figures() });
    }
    await new Promise((resolve) => setTimeout(resolve)); // lets a stop come in
    this.#sent = performance.now();
  }

  /** Times in seconds. */
  #figures() {
    return {
      firstAudio: this.#firstAudio === null ? null : this.#firstAudio / 1000,
      computing: this.#computing / 1000,
      audio: this.#samples / this.settings.samplingRate,
    };
  }
}
