/** Recordings of any kind that the browser decodes, as mono at the model's rate. */
import { UserError } from "./user_error.js";

export const MOST_MINUTES = 10; // a recording is decoded as a whole: in this time a stereo one takes 230 MB at 48 kHz
const MOST_BYTES = 300e6;
const PEAK = 0.95; // as training and the other hosts scale clips

/**
 * @typedef {object} Recording
 * @property {Float32Array} samples mono, its peak at 0.95
 * @property {string} note what was done to it
 */

/**
 * @param {File} file
 * @param {number} samplingRate of the model
 * @returns {Promise<Recording>}
 */
export async function decodeRecording(file, samplingRate) {
  if (file.size === 0) {
    throw new UserError(`${file.name} is empty: choose another recording.`);
  }
  await requireShort(file);
  const bytes = await file.arrayBuffer();
  const rate = rateOf(new DataView(bytes));
  let decoded;
  try {
    // Decoding goes to the rate of the context: the browser resamples.
    decoded = await new OfflineAudioContext(1, 1, samplingRate).decodeAudioData(bytes);
  } catch (error) {
    throw new UserError(
      error.name === "EncodingError"
        ? `${file.name} cannot be decoded by this browser (damaged, or no recording): convert it to WAV or FLAC.`
        : `This browser cannot compute at ${samplingRate} Hz, the model's rate (${error.message}).`,
    );
  }
  requireMinutes(file.name, decoded.duration / 60);
  if (decoded.length === 0) {
    throw new UserError(`${file.name} has no samples: choose another recording.`);
  }
  const samples = mono(decoded);
  normalize(samples, file.name);
  return { samples, note: note(decoded, rate) };
}

/** Refuses a long recording before its samples fill the memory. */
async function requireShort(file) {
  if (file.size > MOST_BYTES) {
    const size = Math.round(file.size / 1e6);
    throw new UserError(
      `${file.name} has ${size} MB, and this page takes up to ${MOST_BYTES / 1e6} MB and ${MOST_MINUTES} minutes: ` +
        "cut it, or use hifigan-tf vocode, which takes any length.",
    );
  }
  requireMinutes(file.name, (await duration(file)) / 60);
}

function requireMinutes(name, minutes) {
  if (minutes > MOST_MINUTES) {
    throw new UserError(
      `${name} lasts ${minutes.toFixed(minutes < 100 ? 1 : 0)} minutes, and this page takes up to ${MOST_MINUTES}: ` +
        "cut it, or use hifigan-tf vocode, which takes any length.",
    );
  }
}

/** In seconds, from the file's header; 0 where that lacks it. */
async function duration(file) {
  const address = URL.createObjectURL(file);
  try {
    return await new Promise((resolve) => {
      const audio = new Audio();
      audio.preload = "metadata";
      audio.onloadedmetadata = () => resolve(Number.isFinite(audio.duration) ? audio.duration : 0);
      audio.onerror = () => resolve(0);
      setTimeout(() => resolve(0), 5000);
      audio.src = address;
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}

function mono(decoded) {
  const samples = new Float32Array(decoded.getChannelData(0));
  for (let channel = 1; channel < decoded.numberOfChannels; channel++) {
    const other = decoded.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) {
      samples[i] += other[i];
    }
  }
  for (let i = 0; decoded.numberOfChannels > 1 && i < samples.length; i++) {
    samples[i] /= decoded.numberOfChannels;
  }
  return samples;
}

/** Scales to a peak of 0.95 in place. */
function normalize(samples, name) {
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  if (!Number.isFinite(peak)) {
    throw new UserError(`${name} holds NaN or infinite samples: export it again.`);
  }
  if (peak === 0) {
    throw new UserError(`${name} is silent: choose another recording.`);
  }
  const gain = Math.fround(PEAK / peak);
  for (let i = 0; i < samples.length; i++) {
    samples[i] *= gain;
  }
}

function note(decoded, rate) {
  const model = `${decoded.sampleRate.toLocaleString("en")} Hz`;
  const parts = [];
  if (rate === null) {
    parts.push(`brought to the model's ${model} by the browser`);
  } else if (rate !== decoded.sampleRate) {
    parts.push(`resampled from ${rate.toLocaleString("en")} Hz to the model's ${model} by the browser`);
  } else {
    parts.push(`${model}, as the model`);
  }
  if (decoded.numberOfChannels > 1) {
    parts.push(`mean of ${decoded.numberOfChannels} channels`);
  }
  return parts.join("; ");
}

/**
 * The sampling rate in the header of a WAV, FLAC, Opus or Vorbis file; null for other kinds, and where it is not known.
 *
 * @param {DataView} bytes
 */
export function rateOf(bytes) {
  const is = (text, at) => String.fromCharCode(...new Uint8Array(bytes.buffer, at, text.length)) === text;
  try {
    if (is("RIFF", 0)) {
      let at = 12;
      while (!is("fmt ", at)) {
        at += 8 + bytes.getUint32(at + 4, true) + (bytes.getUint32(at + 4, true) % 2);
      }
      return bytes.getUint32(at + 12, true) || null;
    }
    if (is("fLaC", 0)) {
      return bytes.getUint32(18) >>> 12 || null;
    }
    if (is("OggS", 0)) {
      const packet = 27 + bytes.getUint8(26);
      if (is("OpusHead", packet) || is("\x01vorbis", packet)) {
        return bytes.getUint32(packet + 12, true) || null;
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) {
      throw error;
    }
  }
  return null;
}
