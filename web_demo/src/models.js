/** The models that are served with the page, and those that are opened or dropped. */
import { MEL_FRONTEND, VOCODER, readModel } from "./contract.js";
import { UserError } from "./user_error.js";

const FOLDER = new URL("../models/", import.meta.url);

/**
 * @typedef {object} LoadedModel
 * @property {string} name
 * @property {Uint8Array} model its bytes without the contract
 * @property {import("./contract.js").Contract} contract
 * @property {"checked" | "not checked" | "none"} hash
 */

/**
 * @typedef {object} Choice a vocoder, and the front end that makes its mel
 * @property {string} name
 * @property {() => Promise<LoadedModel>} frontEnd
 * @property {() => Promise<{vocoder: LoadedModel, frontEnd: LoadedModel}>} load
 */

/** What `models/models.json` lists: the choices, and the address of a recording to try. */
export async function servedModels() {
  const response = await fetch(new URL("models.json", FOLDER)).catch(() => null);
  if (!response?.ok) {
    return { choices: [], sample: null };
  }
  const list = await response.json();
  const choices = list.models.map(({ name, file, front_end }) => ({
    name,
    frontEnd: () => fetched(front_end),
    load: async () => ({ vocoder: await fetched(file), frontEnd: await fetched(front_end) }),
  }));
  return { choices, sample: list.sample && new URL(list.sample, FOLDER) };
}

/**
 * The vocoder in files that were opened together: a `.tflite`, perhaps with its contract (`.json`) and its mel front end.
 *
 * @param {File[]} files
 * @param {Choice[]} served whose front ends are used where the files hold none
 * @returns {Promise<Choice>}
 */
export async function openedModel(files, served) {
  const ending = (file) => file.name.toLowerCase().split(".").at(-1);
  const tflites = files.filter((file) => ending(file) === "tflite");
  const jsons = files.filter((file) => ending(file) === "json");
  if (tflites.length === 0) {
    throw new UserError(`${files[0].name} is no model: choose a .tflite that hifigan-tf export wrote.`);
  }
  const models = [];
  for (const file of tflites) {
    const stem = (name) => name.replace(/\.[^.]*$/, "");
    const beside = jsons.find((json) => stem(json.name) === stem(file.name)) ?? (tflites.length === 1 ? jsons[0] : null);
    models.push(await read(new Uint8Array(await file.arrayBuffer()), file.name, (await beside?.text()) ?? null));
  }
  const vocoder = models.find(({ contract }) => contract.kind === VOCODER);
  if (!vocoder) {
    throw new UserError(`${models[0].name} is a ${models[0].contract.kind}: a ${VOCODER} is needed here.`);
  }
  const own = models.find(({ contract }) => contract.kind === MEL_FRONTEND);
  if (own) {
    requireFits(own, vocoder);
  }
  const frontEnd = own ?? (await fittingFrontEnd(vocoder, served));
  return { name: vocoder.name, frontEnd: async () => frontEnd, load: async () => ({ vocoder, frontEnd }) };
}

async function fittingFrontEnd(vocoder, served) {
  for (const choice of served) {
    const frontEnd = await choice.frontEnd().catch(() => null); // another one may be there, and fit
    if (frontEnd?.contract.audio.difference(vocoder.contract.audio) === null) {
      return frontEnd;
    }
  }
  throw new UserError(
    `${vocoder.name} needs a mel front end of its own settings, and none that is served has them: choose ` +
      "mel_frontend.tflite (hifigan-tf export --mel-frontend, with the same checkpoint) together with it.",
  );
}

function requireFits(frontEnd, vocoder) {
  const difference = frontEnd.contract.audio.difference(vocoder.contract.audio);
  if (difference !== null) {
    throw new UserError(
      `${frontEnd.name} makes mels of ${difference} as ${vocoder.name} takes them: export both from one checkpoint.`,
    );
  }
}

const cache = new Map();

async function fetched(file) {
  if (!cache.has(file)) {
    cache.set(file, fetchModel(file));
    cache.get(file).catch(() => cache.delete(file)); // a later try fetches it again
  }
  return cache.get(file);
}

async function fetchModel(file) {
  const response = await fetch(new URL(file, FOLDER)).catch(() => null);
  if (!response?.ok) {
    throw new UserError(`${file} could not be fetched (${response ? `status ${response.status}` : "no connection"}).`);
  }
  return read(new Uint8Array(await response.arrayBuffer()), file);
}

/** @returns {Promise<LoadedModel>} */
async function read(bytes, name, beside = null) {
  return { name, ...(await readModel(bytes, name, beside)) };
}
