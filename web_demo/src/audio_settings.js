import { UserError } from "./user_error.js";

const LARGE = 1 << 14;
const NAMES = {
  sampling_rate: "samplingRate",
  num_mels: "numMels",
  n_fft: "nFft",
  hop_size: "hopSize",
  win_size: "winSize",
  fmin: "fmin",
  fmax: "fmax",
  mel_log: "melLog",
  mel_floor: "melFloor",
  mel_centred: "melCentred",
  mel_symmetric_window: "melSymmetricWindow",
  mel_mean: "melMean",
  mel_scale: "melScale",
};

/**
 * The mel that a model was made for. Rates and frequencies in Hz, sizes in samples.
 *
 * A value of the mel is `(logarithm - melMean) / melScale`, of a magnitude of at least `melFloor`. What a contract does
 * not say is as in the paper: natural logarithms of at least 1e-5, not centred, without mean and scale.
 */
export class AudioSettings {
  /** @param {import("./fields.js").Fields} fields */
  constructor(fields) {
    this.samplingRate = fields.integer("sampling_rate", 1, 1 << 20);
    this.numMels = fields.integer("num_mels", 1, LARGE);
    this.nFft = fields.integer("n_fft", 1, LARGE);
    this.hopSize = fields.integer("hop_size", 1, LARGE);
    this.winSize = fields.integer("win_size", 1, LARGE);
    this.fmin = fields.number("fmin");
    this.fmax = fields.isNull("fmax") ? this.samplingRate / 2 : fields.number("fmax");
    this.melLog = fields.has("mel_log") ? fields.text("mel_log") : "natural";
    this.melFloor = fields.has("mel_floor") ? fields.number("mel_floor") : 1e-5;
    this.melCentred = fields.has("mel_centred") && fields.flag("mel_centred");
    this.melSymmetricWindow = fields.has("mel_symmetric_window") && fields.flag("mel_symmetric_window");
    this.melMean = fields.has("mel_mean") ? fields.numbers("mel_mean", this.numMels) : Array(this.numMels).fill(0);
    this.melScale = fields.has("mel_scale") ? fields.numbers("mel_scale", this.numMels) : Array(this.numMels).fill(1);
    if (!["natural", "log10"].includes(this.melLog)) {
      throw new UserError(`its mel_log is ${this.melLog}`);
    }
    if (!(this.melFloor > 0 && this.melFloor < 1)) {
      throw new UserError(`its mel_floor is ${this.melFloor}`);
    }
    if (this.melScale.some((scale) => scale <= 0)) {
      throw new UserError("its mel_scale is not above 0 in every band");
    }
  }

  /**
   * The first difference from other settings, as text; null when they are equal.
   *
   * @param {AudioSettings} other
   */
  difference(other) {
    for (const [key, name] of Object.entries(NAMES)) {
      const [own, others] = [this[name], other[name]].map(String);
      if (own !== others) {
        return Array.isArray(this[name]) ? `another ${key}` : `${key} ${own}, not ${others}`;
      }
    }
    return null;
  }

  /** A value of the mel, in a band, as a natural logarithm of a magnitude. */
  naturalLog(value, band) {
    const logarithm = value * this.melScale[band] + this.melMean[band];
    return this.melLog === "log10" ? logarithm * Math.LN10 : logarithm;
  }
}
