// Runs a model in LiteRT.js in headless Chromium, as runtime_probe.py does in Python; `runtimes.py` starts it.
//
//     node runtime_probe.mjs MODEL CONTRACT INPUT OUTPUT
//
// Needs `npm ci` in web_demo, and Chromium (CHROMIUM=…). The seconds are those of the clock: a page has no other. LiteRT.js
// has no tensors of 8 or 16 bits, so that models of --integer-io are refused.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";

const WEB_DEMO = new URL("../web_demo/", import.meta.url);
const puppeteer = createRequire(new URL("package.json", WEB_DEMO))("puppeteer-core");
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const [model, contract, input, output] = process.argv.slice(2);

/** The numbers that NumPy wrote as float32. */
function numbers(npy) {
  const begin = 10 + npy.readUInt16LE(8);
  return Array.from(new Float32Array(npy.buffer.slice(npy.byteOffset + begin, npy.byteOffset + npy.length)));
}

/** In the page: `outputs` of runtime_probe.py. */
async function outputs(contract, mel) {
  const { Tensor, loadAndCompile, loadLiteRt } = await import("/litert/index.js");
  await loadLiteRt("/litert/");
  const compiled = await loadAndCompile(new Uint8Array(await (await fetch("/model")).arrayBuffer()), { accelerator: "wasm" });
  const seconds = [];
  const bands = contract.audio.num_mels;
  const hop = contract.audio.hop_size;

  async function run(signature, inputs, wanted = "audio") {
    const begin = performance.now();
    const { [wanted]: tensor, ...states } = await compiled.run(signature, inputs);
    const output = Array.from(tensor.toTypedArray());
    seconds.push((performance.now() - begin) / 1000);
    return { output, states };
  }

  let output;
  if (contract.kind === "mel_frontend") {
    for (let repeat = 0; repeat < 3; repeat++) {
      ({ output } = await run(contract.analyze, { audio: new Tensor(Float32Array.from(mel), [1, mel.length]) }, "mel"));
    }
    return { output, seconds };
  }

  if (!contract.stateful) {
    const frames = contract.window_frames;
    for (let repeat = 0; repeat < 3; repeat++) {
      const window = new Tensor(Float32Array.from(mel.slice(0, frames * bands)), [1, frames, bands]);
      ({ output } = await run(contract.window, { mel: window }));
    }
    return { output, seconds };
  }
  const frames = Math.min(...contract.chunk_frames);
  const end = mel.length / bands;
  const audio = [];
  let states = {};
  for (const [name, shape] of Object.entries(contract.states)) {
    states[name] = new Tensor(new Float32Array(shape.reduce((size, length) => size * length, 1)), shape);
  }
  for (let fed = 0; fed * hop < end * hop + contract.delay_samples; fed += frames) {
    const chunk = new Float32Array(frames * bands);
    chunk.set(mel.slice(fed * bands, (fed + frames) * bands));
    const inputs = { mel: new Tensor(chunk, [1, frames, bands]), ...states };
    const middle = contract.edge_frames <= fed && fed + frames <= end;
    if (!middle) {
      inputs.valid = new Tensor(Int32Array.of(-fed, end - fed), [2]);
    }
    ({ output, states } = await run(middle ? contract.stream[frames] : contract.edge, inputs));
    Object.values(inputs).forEach((tensor) => tensor.delete());
    audio.push(...output);
  }
  return { output: audio.slice(contract.delay_samples).slice(0, end * hop), seconds };
}

const server = createServer((request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  try {
    const body = path === "/" ? "<!doctype html>" : readFileSync(path === "/model" ? model : new URL(`.${path}`, WEB_DEMO));
    response.writeHead(200, { "Content-Type": path === "/" ? "text/html" : TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
let browser;
try {
  browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  const result = await page.evaluate(outputs, JSON.parse(readFileSync(contract, "utf8")), numbers(readFileSync(input)));
  writeFileSync(output, JSON.stringify(result));
} catch (error) {
  const what = browser ? "" : "Chromium does not start: ";
  console.error(what + String(error.message).trim().split("\n")[0]);
  process.exitCode = 1;
} finally {
  await browser?.close();
  server.close();
}
