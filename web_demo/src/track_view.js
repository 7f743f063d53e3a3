const LOWEST = -10; // natural logarithms of magnitudes, from black ...
const HIGHEST = 0.5; // ... to white
// Stops of the colours of a mel, as in Matplotlib's "magma".
const COLOURS = [
  [0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97],
  [254, 194, 135], [252, 253, 191],
];

/**
 * The waveform and the mel of a track, drawn as they grow, and a line at the position of the playback.
 *
 * Takes an element with a `.waveform` and a `.mel` canvas and a `.position`.
 */
export class TrackView {
  #samples = new Float32Array(0);
  #sampleCount = 0;
  #mel = new Float32Array(0); // natural logarithms, [frames, bands]
  #frames = 0;
  #drawn = { column: 0, frame: 0 }; // what the canvases show
  #requested = false;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.waveform = element.querySelector(".waveform");
    this.melCanvas = element.querySelector(".mel");
    this.position = element.querySelector(".position");
    new ResizeObserver(() => this.#redraw()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /**
   * Empties the pictures for a track of this length.
   *
   * @param {number} frames
   * @param {import("./audio_settings.js").AudioSettings} settings of the model
   */
  begin(frames, settings) {
    this.settings = settings;
    this.#samples = new Float32Array(frames * settings.hopSize);
    this.#sampleCount = 0;
    this.#mel = new Float32Array(frames * settings.numMels);
    this.#frames = 0;
    this.moveTo(null);
    this.#redraw();
  }

  get samples() {
    return this.#samples.subarray(0, this.#sampleCount);
  }

  /** @param {Float32Array} samples */
  addSamples(samples) {
    this.#samples.set(samples, this.#sampleCount);
    this.#sampleCount += samples.length;
    this.#request();
  }

  /** @param {Float32Array} mel `[frames, bands]` */
  addMel(mel) {
    const bands = this.settings.numMels;
    const start = this.#frames * bands;
    for (let i = 0; i < mel.length; i++) {
      this.#mel[start + i] = this.settings.naturalLog(mel[i], i % bands);
    }
    this.#frames += mel.length / bands;
    this.#request();
  }

  /** Shows the playback at a sample; null hides the line. @param {number | null} sample */
  moveTo(sample) {
    this.position.hidden = sample === null;
    this.position.style.left = `${(100 * (sample ?? 0)) / Math.max(1, this.#samples.length)}%`;
  }

  #redraw() {
    for (const canvas of [this.waveform, this.melCanvas]) {
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
    }
    this.#drawn = { column: 0, frame: 0 };
    this.#request();
  }

  #request() {
    if (!this.#requested) {
      this.#requested = true;
      requestAnimationFrame(() => {
        this.#requested = false;
        this.#drawWaveform();
        this.#drawMel();
      });
    }
  }

  #drawWaveform() {
    const { width, height } = this.waveform;
    const context = this.waveform.getContext("2d");
    context.fillStyle = getComputedStyle(this.waveform).color;
    const perColumn = this.#samples.length / width;
    let column = this.#drawn.column;
    for (; column < width && (column + 1) * perColumn <= this.#sampleCount; column++) {
      let [low, high] = [0, 0];
      for (let i = Math.floor(column * perColumn); i < (column + 1) * perColumn; i++) {
        low = Math.min(low, this.#samples[i]);
        high = Math.max(high, this.#samples[i]);
      }
      const half = Math.max(0.5 * devicePixelRatio, ((high - low) / 4) * height);
      context.fillRect(column, height / 2 - ((high + low) / 4) * height - half, 1, 2 * half);
    }
    this.#drawn.column = column;
  }

  #drawMel() {
    if (this.#frames === this.#drawn.frame) {
      return;
    }
    const bands = this.settings.numMels;
    const [first, end] = [this.#drawn.frame, this.#frames];
    const image = new ImageData(end - first, bands);
    for (let frame = first; frame < end; frame++) {
      for (let band = 0; band < bands; band++) {
        const colour = PALETTE[paletteIndex(this.#mel[frame * bands + band])];
        image.data.set(colour, 4 * ((bands - 1 - band) * image.width + frame - first));
      }
    }
    const piece = new OffscreenCanvas(image.width, bands);
    piece.getContext("2d").putImageData(image, 0, 0);
    const { width, height } = this.melCanvas;
    const context = this.melCanvas.getContext("2d");
    const scale = width / (this.#mel.length / bands);
    // Whole columns, so that pieces meet without seams.
    const [left, right] = [Math.floor(first * scale), Math.ceil(end * scale)];
    context.imageSmoothingEnabled = image.width * 2 > right - left;
    context.drawImage(piece, left, 0, Math.max(1, right - left), height);
    this.#drawn.frame = end;
  }
}

const PALETTE = Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (COLOURS.length - 1);
  const [lower, part] = [COLOURS[Math.floor(place)], place % 1];
  const upper = COLOURS[Math.ceil(place)];
  return [...lower.map((value, channel) => value + part * (upper[channel] - value)), 255];
});

function paletteIndex(logarithm) {
  return Math.max(0, Math.min(255, Math.round((255 * (logarithm - LOWEST)) / (HIGHEST - LOWEST))));
}
