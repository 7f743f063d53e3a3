// The page in headless Chromium, compared with Python's output in build/reference.
//
// PYTHON serves the page; CHROMIUM is the browser; with SCREENSHOTS=1 the README's pictures are made anew.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { launchBrowser } from "./browser.mjs";

const PAGE = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const BUILD = join(PAGE, "build");
const REFERENCE = join(BUILD, "reference");
const FILES = join(REFERENCE, "files");
const PICTURES = process.env.SCREENSHOTS ? PAGE : BUILD;

/** Names in the page's list, and of the files. */
const SERVED = {
  "V3 float32": "vocoder_float32",
  "V3 float16": "vocoder_float16",
  "V3 int8": "vocoder_int8",
  "Live voice int8": "live_int8",
};
const MOST_DIFFERENCE = 1e-4; // of samples in float arithmetic: another order of summation
// Least ratio of signal to difference of 8-bit models, in dB, as between LiteRT and TensorFlow Lite: their ranges are
// found at run time, so that a rounding can tip any of them. The test prints how much a change of 1e-6 in the mel does
// to Python's own samples, and how far they are from float32.
const LEAST_SNR = 30;

const MICROPHONE = [
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${join(FILES, "stereo_48k.wav")}`,
];

let browser;
let site;
const closing = [];

before(async () => {
  browser = await launch(...MICROPHONE);
  site = await serve("site", {});
});

after(async () => {
  for (const close of closing.reverse()) {
    await close();
  }
});

async function launch(...args) {
  const launched = await launchBrowser(...args);
  closing.push(() => launched.close());
  return launched;
}

/** Serves the page with the models of the reference; `replaced` are other files for names in it and in litert/. */
async function serve(name, replaced) {
  const folder = join(BUILD, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "litert"), { recursive: true });
  for (const part of ["index.html", "style.css", "icon.svg", "src"]) {
    symlinkSync(join(PAGE, replaced[part] ?? part), join(folder, part));
  }
  symlinkSync(join(REFERENCE, "models"), join(folder, "models"));
  const runtime = "litert_wasm_internal";
  const compatible = "litert_wasm_compat_internal";
  for (const file of ["index.js", "wasm_utils.js", ...[runtime, compatible].flatMap((part) => [`${part}.js`, `${part}.wasm`])]) {
    symlinkSync(join(PAGE, "litert", replaced[file] ?? file), join(folder, "litert", file));
  }
  const command = ["tools/serve.py", "--port", "0", "--folder", folder];
  const server = spawn(process.env.PYTHON, command, { cwd: PAGE, stdio: ["ignore", "pipe", "inherit"] });
  closing.push(() => server.kill());
  const [line] = await once(createInterface(server.stdout), "line");
  return /http:\S+/.exec(line)[0];
}

/** A fresh page, ready with the first model; `prepare` runs in it before its own scripts. */
async function open({ address = site, prepare = null, ready = "is ready", from = browser } = {}) {
  const context = await from.createBrowserContext();
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  await page.setViewport({ width: 1000, height: 1180 });
  if (prepare) {
    await page.evaluateOnNewDocument(prepare);
  }
  await page.goto(address);
  if (ready) {
    await status(page, ready);
  }
  return page;
}

async function close(page) {
  assert.deepEqual(page.errors, []);
  await page.browserContext().close();
}

const text = (page, id) => page.$eval(`#${id}`, (element) => element.textContent);

async function status(page, part) {
  try {
    await page.waitForFunction((part) => document.getElementById("status").textContent.includes(part), { timeout: 60_000 }, part);
  } catch {
    const shown = `status "${await text(page, "status")}", error "${await text(page, "error")}"`;
    throw new Error(`the page does not say "${part}": ${shown}`);
  }
}

/** So that what is waited for is new. */
const forgetStatus = (page) => page.$eval("#status", (element) => (element.textContent = ""));

async function failure(page) {
  await page.waitForFunction(() => !document.getElementById("error").hidden, { timeout: 30_000 });
  return text(page, "error");
}

async function choose(page, input, ...names) {
  await page.$eval("#error", (error) => (error.hidden = true));
  await forgetStatus(page);
  await (await page.$(`#${input}`)).uploadFile(...names.map((name) => join(FILES, name)));
}

/** The samples that the button "Save WAV" gives. */
async function saved(page) {
  const session = await page.createCDPSession();
  const folder = join(BUILD, "downloads");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await session.send("Browser.setDownloadBehavior", {
    behavior: "allowAndName",
    downloadPath: folder,
    browserContextId: page.browserContext().id,
    eventsEnabled: true,
  });
  const done = new Promise((resolve) => {
    session.on("Browser.downloadProgress", ({ state, guid }) => state === "completed" && resolve(guid));
  });
  await page.click("#save");
  const wav = readFileSync(join(folder, await done));
  assert.equal(wav.readUInt16LE(20), 3, "a WAV of floats");
  return floats(wav.subarray(wav.indexOf("data") + 8));
}

const floats = (bytes) => new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const reference = (...path) => floats(readFileSync(join(REFERENCE, ...path)));

function largestDifference(found, expected) {
  assert.equal(found.length, expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0);
}

function signalToDifference(found, expected) {
  assert.equal(found.length, expected.length);
  let [signal, difference] = [0, 0];
  expected.forEach((value, i) => {
    signal += value ** 2;
    difference += (value - found[i]) ** 2;
  });
  return 10 * Math.log10(signal / difference);
}

/** Vocodes the sample with a model of the list, by the page's own elements; the samples that it saves. */
async function vocoded(page, model) {
  await page.select("#model", model);
  await status(page, `${model} is ready`);
  await page.click("#sample");
  await status(page, "Vocoded");
  return saved(page);
}

async function compare(t, page, repeats) {
  for (const [model, name] of Object.entries(SERVED)) {
    const samples = await vocoded(page, model);
    const expected = reference("audio", `${name}.f32`);
    const difference = largestDifference(samples, expected);
    const snr = signalToDifference(samples, expected);
    t.diagnostic(`${model}: largest difference ${difference.toExponential(1)}, ${snr.toFixed(1)} dB; ${await figures(page, repeats)}`);
    if (!name.endsWith("int8")) {
      assert.ok(difference <= MOST_DIFFERENCE, `${model} differs by ${difference}`);
    } else {
      assert.ok(snr >= LEAST_SNR, `${model}: ${snr} dB`);
    }
  }
  assert.equal(await text(page, "error"), "");
}

/** First audio and speed of the run before, and of the fastest of some more, when the browser has compiled all. */
async function figures(page, repeats) {
  const read = async () => Promise.all(["first-audio", "speed"].map(async (id) => parseFloat(await text(page, id))));
  const [first] = await read();
  const runs = [];
  for (let run = 0; run < repeats; run++) {
    await forgetStatus(page);
    await page.click("#vocode");
    await status(page, "Vocoded");
    runs.push(await read());
  }
  const [again, speed] = runs.sort((a, b) => b[1] - a[1])[0];
  return `first audio ${first} ms, then ${again} ms; ${speed} x real time`;
}

/** What the tolerance of 8-bit models is to be compared with. */
function printSensitivity(t) {
  for (const name of ["vocoder_int8", "live_int8"]) {
    const own = signalToDifference(reference("audio", `${name}_nudged.f32`), reference("audio", `${name}.f32`));
    t.diagnostic(`${name} in Python, the mel changed by 1e-6: ${own.toFixed(1)} dB`);
  }
  const bits = signalToDifference(reference("audio", "vocoder_int8.f32"), reference("audio", "vocoder_float32.f32"));
  t.diagnostic(`vocoder_int8 in Python, to float32: ${bits.toFixed(1)} dB`);
}

test("the samples are Python's", async (t) => {
  const page = await open();
  await compare(t, page, 3);
  printSensitivity(t);
  assert.match(await text(page, "model-details"), /int8 · 22,050 Hz · 80 mel bands · 1\.\d MB · intact/);
  assert.match(await text(page, "original-note"), /sample\.wav · \d\.\d s · 22,050 Hz, as the model/);
  assert.match(await text(page, "runtime"), /WebAssembly with (relaxed )?SIMD, 1 thread/);
  assert.match(await text(page, "processor"), /core/);
  assert.match(await text(page, "delay"), /^\d+ ms$/);
  await close(page);
});

test("and on browsers without relaxed SIMD", async (t) => {
  const address = await serve("compatible_site", { "litert_wasm_internal.js": "litert_wasm_compat_internal.js" });
  const page = await open({ address });
  await compare(t, page, 1);
  await close(page);
});

test("benchmarks/runtimes.py finds them equal too", async () => {
  const models = Object.values(SERVED).map((name) => join(REFERENCE, "models", `${name}.tflite`));
  const output = join(BUILD, "runtimes.json");
  const command = ["../benchmarks/runtimes.py", ...models, "--runtimes", "LiteRT.js 2.5", "--json", output];
  const benchmark = spawn(process.env.PYTHON, command, { cwd: PAGE, stdio: ["ignore", "ignore", "inherit"] });
  assert.deepEqual(await once(benchmark, "exit"), [0, null]);
  const rows = JSON.parse(readFileSync(output, "utf8"));
  assert.equal(rows.length, models.length);
  for (const { model, reason, snr_db: snr } of rows) {
    assert.equal(reason, null);
    assert.ok(snr >= (model.endsWith("int8") ? LEAST_SNR : 90), `${model}: ${snr} dB`);
  }
});

test("mels and audio of recordings of any length, of both formats of contract", async () => {
  const page = await open();
  const lengths = [1, 63, 64, 97, 128, 129, 255, 256, 1000, 8000];
  for (const name of ["tiny", "base10"]) {
    const [vocoder, frontEnd] = [`${name}_vocoder.tflite`, `${name}.tflite`].map((file) => [...readFileSync(join(FILES, file))]);
    const samples = [...reference("sample.f32").subarray(0, lengths.at(-1))];
    const results = await page.evaluate(
      async (vocoder, frontEnd, samples, lengths) => {
        const { readModel } = await import("./src/contract.js");
        const { Engine } = await import("./src/engine.js");
        const load = async (bytes) => ({ name: "model", ...(await readModel(Uint8Array.from(bytes), "model")) });
        const engine = await Engine.load(await load(vocoder), await load(frontEnd));
        const results = [];
        for (const length of lengths) {
          const made = { mel: [], audio: [] };
          await engine.vocode(Float32Array.from(samples.slice(0, length)), ({ mel, audio }) => {
            made.mel.push(...mel);
            made.audio.push(...audio);
          });
          results.push(made);
        }
        engine.close();
        return results;
      },
      vocoder,
      frontEnd,
      samples,
      lengths,
    );
    lengths.forEach((length, i) => {
      const mel = largestDifference(Float32Array.from(results[i].mel), reference("lengths", name, `${length}.f32`));
      assert.ok(mel <= 1e-3, `the mel of ${length} samples differs by ${mel}`);
      const audio = largestDifference(Float32Array.from(results[i].audio), reference("lengths", name, `${length}_audio.f32`));
      assert.ok(audio <= MOST_DIFFERENCE, `the audio of ${length} samples differs by ${audio}`);
    });
  }
  await close(page);
});

test("it is heard while it is computed, and stops", async () => {
  const page = await open();
  await page.evaluate(() => {
    window.heard = { while: 0, most: 0 };
    const line = document.querySelector("#vocoded .position");
    new MutationObserver(() => {
      const place = line.hidden ? 0 : parseFloat(line.style.left);
      window.heard.most = Math.max(window.heard.most, place);
      if (!document.getElementById("progress").hidden) {
        window.heard.while = Math.max(window.heard.while, place);
      }
    }).observe(line, { attributes: true });
  });
  await choose(page, "recording-file", "long.flac");
  await page.waitForFunction(() => window.heard.while > 0);
  await page.click("#vocode");
  await status(page, "Stopped after");
  assert.equal(await text(page, "vocode"), "Vocode");
  await page.click("#sample");
  await status(page, "Vocoded");
  await page.waitForFunction(() => window.heard.most > 90 && document.querySelector("#vocoded .position").hidden);
  assert.equal(await text(page, "play-vocoded"), "Play");
  await page.click("#play-original");
  await page.waitForFunction(() => !document.querySelector("#original .position").hidden);
  await page.click("#play-original");
  await page.waitForFunction(() => document.querySelector("#original .position").hidden);
  await close(page);
});

test("a playback that is stopped while it begins stays stopped", async () => {
  const page = await open({
    prepare: () => {
      const resume = AudioContext.prototype.resume;
      AudioContext.prototype.resume = async function () {
        await new Promise((resolve) => setTimeout(resolve, window.slowly ? 200 : 0));
        return resume.call(this);
      };
    },
  });
  await page.click("#sample");
  await status(page, "Vocoded");
  await page.waitForFunction(() => document.getElementById("play-vocoded").textContent === "Play");
  await page.evaluate(() => (window.slowly = true));
  await page.click("#play-original");
  await page.click("#play-original");
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(await page.$eval("#original .position", (line) => line.hidden), true);
  assert.equal(await text(page, "play-original"), "Play");
  await page.click("#play-original");
  await page.waitForFunction(() => !document.querySelector("#original .position").hidden);
  await close(page);
});

test("the sound goes on after it could not be loaded, and at the rate that was asked for last", async () => {
  const page = await open({
    prepare: () => {
      const addModule = AudioWorklet.prototype.addModule;
      AudioWorklet.prototype.addModule = function (...values) {
        return window.broken ? Promise.reject(new Error("no network")) : addModule.apply(this, values);
      };
      window.broken = true;
    },
  });
  await page.click("#sample");
  await status(page, "Vocoded");
  assert.match(await failure(page), /player_worklet\.js could not be loaded \(no network\)/);
  await page.evaluate(() => (window.broken = false));
  await page.click("#play-vocoded");
  await page.waitForFunction(() => !document.querySelector("#vocoded .position").hidden);
  const played = await page.evaluate(async () => {
    const { Player } = await import("./src/player.js");
    const player = new Player();
    const played = { 22050: 0, 8000: 0, 16000: 0 };
    const starts = [22050, 8000, 16000].map((rate) =>
      player.start(rate, (state) => (played[rate] = Math.max(played[rate], state.played))),
    );
    await Promise.all(starts);
    player.append(new Float32Array(8000));
    player.end();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return played;
  });
  assert.deepEqual(played, { 8000: 0, 16000: 8000, 22050: 0 });
  await close(page);
});

test("recordings of other rates are resampled, and the page says so", async () => {
  const page = await open();
  await choose(page, "recording-file", "stereo_48k.wav");
  await status(page, "Vocoded 1.0 s");
  assert.match(
    await text(page, "original-note"),
    /resampled from 48,000 Hz to the model's 22,050 Hz by the browser; mean of 2 channels/,
  );
  await choose(page, "model-files", "tiny_vocoder.tflite", "tiny.tflite");
  await status(page, "is ready");
  await page.waitForFunction(() => document.getElementById("original-note").textContent.includes("8,000 Hz"));
  await page.click("#vocode");
  await status(page, "Vocoded 1.0 s");
  await choose(page, "recording-file", "short.wav");
  await status(page, "Vocoded 0.0 s");
  await close(page);
});

test("the rate of a recording is read where its header has one", async () => {
  const page = await open();
  const ogg = (...packet) => ["OggS", ...Array(22).fill(0), 1, 19, ...packet];
  const opus = (...rate) => ogg("OpusHead", 1, 1, 0, 0, ...rate, 0, 0, 0);
  const wav = (...rate) => ["RIFF", 0, 0, 0, 0, "WAVEfmt ", 16, 0, 0, 0, 1, 0, 1, 0, ...rate, ...Array(8).fill(0)];
  for (const [parts, expected] of [
    [opus(0x80, 0xbb, 0, 0), 48000],
    [opus(0, 0, 0, 0), null],
    [ogg("\x01vorbis", 0, 0, 0, 0, 1, 0x44, 0xac, 0, 0), 44100],
    [ogg("\x7fFLAC", 1, 0, 0, 1, "fLaC", 0, 0, 0, 34), null],
    [ogg("Speex   1.2.0", ...Array(40).fill(1)), null],
    [ogg(), null],
    [wav(0x40, 0x1f, 0, 0), 8000],
    [wav(0, 0, 0, 0), null],
    [["RIFF"], null],
    [["fLaC", ...Array(14).fill(0), 0x0a, 0xc4, 0x40, 0xf0], 44100],
    [["ID3"], null],
    [[], null],
  ]) {
    const bytes = [...Buffer.concat(parts.map((part) => Buffer.from(typeof part === "string" ? part : [part])))];
    const rate = await page.evaluate(async (bytes) => {
      const { rateOf } = await import("./src/recordings.js");
      return rateOf(new DataView(Uint8Array.from(bytes).buffer));
    }, bytes);
    assert.equal(rate, expected, JSON.stringify(parts));
  }
  await close(page);
});

test("files are dropped", async () => {
  const page = await open();
  const content = [...readFileSync(join(FILES, "short.wav"))];
  const drop = (...names) =>
    page.evaluate(
      (names, content) => {
        const transfer = new DataTransfer();
        names.forEach((name) => transfer.items.add(new File([Uint8Array.from(content)], name)));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
      },
      names,
      content,
    );
  await drop("dropped.wav");
  await status(page, "Vocoded");
  assert.match(await text(page, "original-note"), /dropped\.wav/);
  await drop();
  assert.match(await failure(page), /No file came in: drop one recording/);
  await drop("one.wav", "two.wav");
  await page.waitForFunction(() => document.getElementById("error").textContent.startsWith("2 files came in"));
  await close(page);
});

test("a model's contract may lie beside it, and older exports have no hash", async () => {
  const page = await open();
  await choose(page, "model-files", "bare.tflite", "bare.json", "tiny.tflite");
  await status(page, "bare.tflite is ready");
  assert.match(await text(page, "model-details"), /intact/);
  await choose(page, "model-files", "without_hash.tflite", "tiny.tflite");
  await status(page, "without_hash.tflite is ready");
  assert.match(await text(page, "model-details"), /without a hash/);
  await choose(page, "recording-file", "short.wav");
  await status(page, "Vocoded");
  await close(page);
});

const BAD_FILES = [
  ["model-files", ["bare.tflite", "tiny.tflite"], /bare\.tflite cannot be used: it carries none/],
  ["model-files", ["newer.tflite", "tiny.tflite"], /it has format 3, and this page reads 1 and 2; this page is older/],
  ["model-files", ["older.tflite", "tiny.tflite"], /it has format 0, and this page reads 1 and 2; export the model again/],
  ["model-files", ["damaged.tflite", "tiny.tflite"], /the bytes are not those that were exported/],
  ["model-files", ["stateless.tflite", "tiny.tflite"], /stateless\.tflite has no state and cannot stream/],
  ["model-files", ["tiny_vocoder.tflite"], /tiny_vocoder\.tflite needs a mel front end of its own settings/],
  ["model-files", ["tiny_vocoder.tflite", "base10.tflite"], /base10\.tflite makes mels of mel_log log10, not natural/],
  ["model-files", ["tiny.tflite"], /tiny\.tflite is a mel_frontend: a vocoder is needed/],
  ["model-files", ["text.tflite"], /text\.tflite is no TFLite model/],
  ["model-files", ["bare.json"], /bare\.json is no model/],
  ["recording-file", ["text.wav"], /text\.wav cannot be decoded/],
  ["recording-file", ["empty.wav"], /empty\.wav is empty/],
  ["recording-file", ["silent.wav"], /silent\.wav is silent/],
  ["recording-file", ["nan.wav"], /nan\.wav holds NaN or infinite samples/],
  ["recording-file", ["infinite.wav"], /infinite\.wav holds NaN or infinite samples/],
  ["recording-file", ["hour.flac"], /hour\.flac lasts 60\.0 minutes, and this page takes up to 10/],
];

test("bad files are reported, and the page goes on", async () => {
  const page = await open();
  for (const [input, names, expected] of BAD_FILES) {
    await choose(page, input, ...names);
    assert.match(await failure(page), expected);
  }
  assert.equal(await page.$eval("#error", (error) => error.getAttribute("role")), "alert");
  await page.waitForFunction(() => document.getElementById("model").options.length === 4);
  await page.click("#sample");
  await status(page, "Vocoded");
  await close(page);
});

test("another model or recording ends what runs", async () => {
  const page = await open({ ready: null });
  await page.waitForFunction(() => document.getElementById("status").textContent.includes("Loading"));
  await page.waitForSelector("#sample:not([hidden])");
  await page.click("#sample"); // while the model is loading
  await status(page, "Vocoding");
  await page.select("#model", "V3 float32"); // while another one is vocoding
  await status(page, "V3 float32 is ready");
  await page.click("#vocode");
  await status(page, "Vocoding");
  await forgetStatus(page);
  await page.click("#sample"); // while the same recording is vocoding
  await status(page, "Vocoded");
  const difference = largestDifference(await saved(page), reference("audio", "vocoder_float32.f32"));
  assert.ok(difference <= MOST_DIFFERENCE, `differs by ${difference}`);
  assert.equal(await text(page, "error"), "");
  await close(page);
});

test("a recording from the microphone", async () => {
  const page = await open();
  await page.click("#record");
  await page.waitForFunction(() => /Stop and vocode \(2 s\)/.test(document.getElementById("record").textContent));
  assert.equal(await page.$eval("#record", (button) => button.getAttribute("aria-pressed")), "true");
  await page.click("#record");
  await status(page, "Vocoded");
  assert.match(await text(page, "original-note"), /recording\.wav · [1-3]\.\d s/);
  await close(page);
});

test("a recording that is chosen ends that from the microphone", async () => {
  const page = await open({
    prepare: () => {
      const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await window.question;
        return (window.stream = await getUserMedia(wanted));
      };
    },
  });
  await page.click("#record");
  await page.waitForFunction(() => /Stop and vocode/.test(document.getElementById("record").textContent));
  await choose(page, "recording-file", "short.wav");
  await status(page, "Vocoded");
  const state = () => page.$eval("#record", (button) => [button.textContent, button.getAttribute("aria-pressed")]);
  assert.deepEqual(await state(), ["Record", "false"]);
  assert.equal(await page.$eval("#vocode", ({ disabled }) => disabled), false);
  assert.deepEqual(await page.evaluate(() => window.stream.getTracks().map((track) => track.readyState)), ["ended"]);

  await page.evaluate(() => {
    window.question = new Promise((resolve) => (window.answer = resolve));
  });
  await page.click("#record");
  await choose(page, "recording-file", "long.flac"); // while the browser asks
  await status(page, "Vocoding");
  await page.evaluate(() => window.answer());
  await page.waitForFunction(() => /Stop and vocode/.test(document.getElementById("record").textContent));
  await status(page, "Recording…");
  assert.equal(await page.$eval("#progress", ({ hidden }) => hidden), true, "the other recording is vocoded on");
  await page.click("#record");
  await page.waitForFunction(() => document.getElementById("original-note").textContent.startsWith("recording.wav"));
  await status(page, "Vocoded");
  await close(page);
});

test("a recording from the microphone has its last samples too", async () => {
  const page = await open();
  const lengths = await page.evaluate(async () => {
    const { MicrophoneRecording } = await import("./src/microphone.js");
    const lengths = [];
    for (let i = 0; i < 3; i++) {
      let begun;
      const first = new Promise((resolve) => (begun = resolve));
      const recording = await MicrophoneRecording.start(begun, () => {});
      await first;
      const file = await recording.finish();
      lengths.push((file.size - 58) / 4);
    }
    return lengths;
  });
  // Browsers compute 128 samples at a time, and the page gets 4096: by chance, all three recordings end with those never.
  assert.ok(lengths.every((length) => length > 0 && length % 128 === 0), String(lengths));
  assert.ok(lengths.some((length) => length % 4096 !== 0), String(lengths));
  await close(page);
});

test("the microphone is off after a recording that could not begin", async () => {
  const page = await open({
    prepare: () => {
      const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await getUserMedia(wanted));
      const addModule = AudioWorklet.prototype.addModule;
      AudioWorklet.prototype.addModule = function (...values) {
        return window.works ? addModule.apply(this, values) : Promise.reject(new Error("no network"));
      };
    },
  });
  await page.click("#record");
  assert.match(await failure(page), /capture_worklet\.js could not be loaded \(no network\)/);
  const states = () => page.evaluate(() => window.stream.getTracks().map((track) => track.readyState));
  assert.deepEqual(await states(), ["ended"]);
  await page.evaluate(() => (window.works = true));
  await page.click("#record");
  await page.waitForFunction(() => document.getElementById("record").getAttribute("aria-pressed") === "true");
  assert.deepEqual(await states(), ["live"]);
  await close(page);
});

test("no microphone, none allowed, or none outside https", async () => {
  const failing = (name) => `navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "${name}"); }`;
  for (const [prepare, expected] of [
    [failing("NotFoundError"), /No microphone was found/],
    [failing("NotReadableError"), /The microphone cannot be read/],
    ["Object.defineProperty(navigator, 'mediaDevices', { value: undefined })", /over https and on localhost only/],
  ]) {
    const page = await open({ prepare });
    await page.click("#record");
    assert.match(await failure(page), expected);
    assert.equal(await text(page, "record"), "Record");
    await close(page);
  }
  const strict = await launch("--use-fake-device-for-media-stream", "--deny-permission-prompts");
  const page = await open({ from: strict });
  await page.click("#record");
  assert.match(await failure(page), /The microphone is not allowed/);
  await close(page);
});

test("no WebAssembly SIMD", async () => {
  const old = await launch("--js-flags=--no-enable-sse4-1");
  const page = await open({ from: old, ready: null });
  assert.match(await failure(page), /WebAssembly has no SIMD/);
  assert.equal(await page.$eval("#vocode", (button) => button.disabled), true);
  await close(page);
});

test("without AudioWorklet all but the sound goes on", async () => {
  const page = await open({ prepare: "delete window.AudioWorkletNode" });
  await page.click("#sample");
  await status(page, "Vocoded");
  assert.match(await failure(page), /no AudioWorklet, so nothing is heard here: save the WAV/);
  assert.equal((await saved(page)).length, reference("audio", "vocoder_int8.f32").length);
  await close(page);
});

test("a page that does not start says why", async () => {
  const file = await open({ address: `file://${join(PAGE, "index.html")}`, ready: null });
  assert.match(await failure(file), /from a server only: run make web/);
  await close(file);
  const cut = await open({ ready: null, address: await serve("cut_site", { "index.js": "none" }) });
  assert.match(await failure(cut), /The worker did not start/);
  await close(cut);
});

test("a page without its picture starts", async () => {
  const page = await open({ address: await serve("bare_site", { "icon.svg": "none" }) });
  assert.equal(await text(page, "error"), "");
  await close(page);
});

test("no models are served", async () => {
  const page = await open({
    prepare: "const f = fetch; window.fetch = (a, ...b) => (String(a).includes('models.json') ? f('/none') : f(a, ...b))",
    ready: "No model is served",
  });
  await choose(page, "model-files", "tiny_vocoder.tflite", "tiny.tflite");
  await status(page, "is ready");
  await close(page);
});

test("a model is opened though those that are served are out of reach", async () => {
  const page = await open({
    prepare: () => {
      const real = fetch;
      window.asked = [];
      window.fetch = (address, ...rest) => {
        window.asked.push(String(address).split("/").at(-1));
        return String(address).endsWith(".tflite") ? Promise.reject(new TypeError("no network")) : real(address, ...rest);
      };
    },
    ready: null,
  });
  assert.match(await failure(page), /vocoder_int8\.tflite could not be fetched/);
  await choose(page, "model-files", "tiny_vocoder.tflite");
  assert.match(await failure(page), /tiny_vocoder\.tflite needs a mel front end of its own settings/);
  const asked = await page.evaluate(() => window.asked.filter((name) => name.startsWith("vocoder")));
  assert.deepEqual([...new Set(asked)], ["vocoder_int8.tflite"], "others were fetched for their front end's sake");
  await choose(page, "model-files", "tiny_vocoder.tflite", "tiny.tflite");
  await status(page, "tiny_vocoder.tflite is ready");
  await close(page);
});

test("a model that cannot be used leaves the list as it was", async () => {
  const page = await open({
    prepare: "const f = fetch; window.fetch = (a, ...b) => (String(a).includes('models.json') ? f('/none') : f(a, ...b))",
    ready: "No model is served",
  });
  const list = () => page.$eval("#model", (menu) => [menu.disabled, ...[...menu.options].map((option) => option.text)]);
  await choose(page, "model-files", "stateless.tflite", "tiny.tflite");
  assert.match(await failure(page), /has no state/);
  assert.deepEqual(await list(), [true, "No model"]);
  await choose(page, "model-files", "stateless.tflite", "tiny.tflite");
  await choose(page, "model-files", "tiny_vocoder.tflite", "tiny.tflite"); // while the first is loading
  await page.waitForFunction(() => document.getElementById("model-details").textContent.includes("8,000 Hz"));
  await page.waitForFunction(() => document.getElementById("model").options.length === 1);
  assert.deepEqual(await list(), [false, "tiny_vocoder.tflite"]);
  await choose(page, "recording-file", "short.wav");
  await status(page, "Vocoded");
  await close(page);
});

test("a recording that the next model cannot take is no fault of the model", async () => {
  const page = await open({
    prepare: () => {
      const Real = OfflineAudioContext;
      window.OfflineAudioContext = function (channels, length, rate) {
        if (rate === 8000) {
          throw new Error("no such rate");
        }
        return new Real(channels, length, rate);
      };
    },
  });
  await page.click("#sample");
  await status(page, "Vocoded");
  await choose(page, "model-files", "tiny_vocoder.tflite", "tiny.tflite");
  await status(page, "tiny_vocoder.tflite is ready: choose a recording");
  assert.match(await failure(page), /This browser cannot compute at 8000 Hz/);
  assert.equal(await page.$eval("#model", (menu) => menu.value), "tiny_vocoder.tflite");
  for (const button of ["vocode", "play-original", "play-vocoded", "save"]) {
    assert.equal(await page.$eval(`#${button}`, ({ disabled }) => disabled), true, button);
  }
  await close(page);
});

test("the keyboard reaches everything, and everything has a name", async () => {
  const page = await open();
  const focused = () => page.evaluate(() => document.activeElement.id);
  const order = [];
  for (let last = null; order.length < 12 && last !== ""; order.push(last)) {
    await page.keyboard.press("Tab");
    last = await focused();
    if (last) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.equal(outline, "solid", `the focus on ${last} is not seen`);
    }
  }
  assert.deepEqual(order.filter(Boolean), ["model", "open-model", "choose", "record", "sample"]);

  await page.focus("#model");
  await page.keyboard.press("ArrowDown");
  await status(page, "V3 float32 is ready");
  await page.focus("#sample");
  await page.keyboard.press("Enter");
  await status(page, "Vocoded");
  await page.focus("#play-original");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.getElementById("play-original").getAttribute("aria-label") === "Stop the original");
  await page.keyboard.press("Space");

  const names = [];
  const gather = (node) => {
    if (["button", "combobox", "image", "img", "progressbar", "meter", "textbox"].includes(node.role)) {
      names.push(`${node.role}: ${node.name}`);
    }
    (node.children ?? []).forEach(gather);
  };
  gather(await page.accessibility.snapshot());
  assert.ok(names.length >= 12, names.join("; "));
  assert.deepEqual(names.filter((name) => /: (undefined)?$/.test(name)), []);
  assert.ok(names.some((name) => /Waveform of the vocoded audio: \d\.\d s/.test(name)), names.join("; "));
  assert.equal(await page.$eval("#status", (element) => element.getAttribute("aria-live")), "polite");
  await close(page);
});

test("pictures, light, dark and narrow", async () => {
  const page = await open();
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await forgetStatus(page);
    await page.click("#sample");
    await status(page, "Vocoded");
    await page.mouse.move(5, 5);
    await page.waitForFunction(() => parseFloat(document.querySelector("#vocoded .position").style.left) > 60);
    const drawn = await page.$$eval("canvas", (all) =>
      all.map((canvas) => {
        const { width, height } = canvas;
        const pixels = canvas.getContext("2d").getImageData(width - 8, 0, 4, height).data;
        return pixels.some((value) => value > 0);
      }),
    );
    assert.deepEqual(drawn, [true, true, true, true], "a picture does not reach its end");
    await page.screenshot({ path: join(PICTURES, `${scheme}.png`), fullPage: true });
  }
  const colours = () => page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
  assert.equal(await colours(), "rgb(19, 16, 22)");
  await page.setViewport({ width: 360, height: 740 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, "the page is wider than a phone");
  await page.screenshot({ path: join(BUILD, "narrow.png"), fullPage: true });
  await close(page);
});
