/** The page: connects its elements with models, recordings and the sound. */
import { Engine } from "./engine.js";
import { MicrophoneRecording } from "./microphone.js";
import { openedModel, servedModels } from "./models.js";
import { Player } from "./player.js";
import { processorName } from "./processor.js";
import { decodeRecording } from "./recordings.js";
import { TrackView } from "./track_view.js";
import { UserError } from "./user_error.js";
import { wavFile } from "./wav.js";

const element = (id) => document.getElementById(id);
const views = { original: new TrackView(element("original")), vocoded: new TrackView(element("vocoded")) };
const player = new Player();

/** @type {import("./models.js").Choice[]} */
const choices = [];
let loading = Promise.resolve(); // of the chosen model
let engine = null; // of the chosen model, once it is loaded
let audio = null; // the settings of its mel
let file = null; // the chosen recording
let recording = null; // the same, decoded for the model
let microphone = null; // the recording that is being made
let vocoding = false;
let vocoded = Promise.resolve(); // when the vocoding that runs has ended
let playing = null; // {name} of the track that is heard

async function start() {
  element("processor").textContent = (await processorName()) || "unknown";
  const { choices: served, sample } = await servedModels();
  served.forEach(addChoice);
  if (sample) {
    element("sample").hidden = false;
    element("sample").onclick = guarded(() => useSample(sample));
  }
  if (served.length === 0) {
    say("No model is served with this page: open one, or run make web.");
    return;
  }
  await chooseModel(choices[0]);
}

function addChoice(choice) {
  const menu = element("model");
  if (choices.length === 0) {
    menu.replaceChildren();
    menu.disabled = false;
  }
  choices.push(choice);
  menu.add(new Option(choice.name));
}

function removeChoice(choice) {
  const menu = element("model");
  const index = choices.indexOf(choice);
  choices.splice(index, 1);
  menu.remove(index);
  if (choices.length === 0) {
    menu.add(new Option("No model"));
    menu.disabled = true;
  }
}

function chosenModel() {
  return choices[element("model").selectedIndex];
}

function chooseModel(choice) {
  element("model").selectedIndex = choices.indexOf(choice);
  loading = load(choice);
  return loading;
}

/** Loads a model, and decodes the chosen recording for it. */
async function load(choice) {
  closeEngine();
  say(`Loading ${choice.name}…`);
  const { vocoder, frontEnd } = await choice.load();
  if (chosenModel() !== choice) {
    return;
  }
  const loaded = await Engine.load(vocoder, frontEnd);
  if (chosenModel() !== choice) {
    loaded.close();
    return;
  }
  engine = loaded;
  audio = vocoder.contract.audio;
  describeModel(vocoder);
  element("runtime").textContent = engine.runtime;
  if (file) {
    await decode().catch(report); // the model is good
  }
  if (chosenModel() === choice) {
    say(file ? `${choice.name} is ready.` : `${choice.name} is ready: choose a recording.`);
  }
  update();
}

function closeEngine() {
  stopPlayback();
  engine?.close();
  engine = null;
  recording = null;
  update();
}

function describeModel({ model, contract, hash }) {
  const { samplingRate, numMels, hopSize } = contract.audio;
  const parts = [
    contract.mode,
    `${samplingRate.toLocaleString("en")} Hz`,
    `${numMels} mel bands`,
    `${(model.length / 1e6).toFixed(1)} MB`,
    { checked: "intact", "not checked": "not checked for damage, which needs https", none: "without a hash" }[hash],
  ];
  element("model-details").textContent = parts.join(" · ");
  const delay = contract.delaySamples + contract.chunkFrames[0] * hopSize;
  element("delay").textContent = milliseconds(delay / samplingRate);
}

async function openModel(files) {
  const choice = await openedModel(files, choices);
  const before = chosenModel();
  addChoice(choice);
  try {
    await chooseModel(choice);
  } catch (error) {
    const chosen = chosenModel() === choice; // not another one meanwhile
    removeChoice(choice);
    if (chosen && choices.length > 0) {
      await chooseModel(choices.includes(before) ? before : choices[0]);
    }
    throw error;
  }
}

async function useSample(address) {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) {
    throw new UserError("The sample could not be fetched: choose a recording instead.");
  }
  await useRecording(new File([await response.blob()], address.pathname.split("/").at(-1)));
}

/** Takes a recording, and vocodes it at once. */
async function useRecording(chosen) {
  const unused = microphone; // this recording was chosen after that was begun
  microphone = null;
  await unused?.close();
  await stopAll();
  file = chosen;
  recording = null;
  await loading;
  if (!engine) {
    throw new UserError("There is no model yet to vocode with: choose or open one.");
  }
  if (file === chosen && !recording) {
    await decode();
  }
  if (file === chosen && recording && !vocoding && !microphone) {
    await vocode();
  }
}

async function decode() {
  const wanted = file;
  say(`Reading ${wanted.name}…`);
  const settings = audio;
  const decoded = await decodeRecording(wanted, settings.samplingRate).catch((error) => error);
  if (wanted !== file || settings !== audio) {
    return; // another one was chosen meanwhile
  }
  if (decoded instanceof Error) {
    file = null;
    element("original-note").textContent = "";
    clearViews(0);
    throw decoded;
  }
  recording = decoded;
  element("original-note").textContent = `${wanted.name} · ${seconds(recording.samples.length)} · ${recording.note}`;
  clearViews(recording.samples.length);
  say(`${wanted.name} is ready.`);
  update();
}

/** Empties the pictures, for all frames of this number of samples: the last is perhaps half filled. */
function clearViews(samples) {
  const frames = Math.ceil(samples / audio.hopSize);
  for (const view of Object.values(views)) {
    view.begin(frames, audio);
  }
}

function vocode() {
  vocoded = vocodeRecording();
  return vocoded;
}

async function vocodeRecording() {
  const { samples } = recording;
  const hopSize = audio.hopSize;
  let analysed = 0; // frames
  clearViews(samples.length);
  vocoding = true;
  showError(null);
  update();
  say("Vocoding…");
  try {
    play("vocoded").catch(report); // the sound may fail, and the rest go on
    const { stopped, figures } = await engine.vocode(samples, (piece) => {
      const before = Math.min(samples.length, analysed * hopSize);
      analysed += piece.mel.length / audio.numMels;
      views.original.addSamples(samples.subarray(before, analysed * hopSize));
      views.original.addMel(piece.mel);
      views.vocoded.addSamples(piece.audio);
      views.vocoded.addMel(piece.vocodedMel);
      if (playing?.name === "vocoded") {
        player.append(piece.audio);
      }
      element("progress").value = views.vocoded.samples.length / samples.length; // 1 is the most that it shows
      showFigures(piece.figures);
    });
    if (playing?.name === "vocoded") {
      player.end();
    }
    if (figures) {
      showFigures(figures);
      sayFigures(stopped, figures);
    }
  } finally {
    vocoding = false;
    update();
  }
}

/** Ends the playback and the vocoding that run. */
async function stopAll() {
  stopPlayback();
  engine?.stop();
  await vocoded.catch(() => {}); // who began it shows its error
}

/** Plays a track from its start; what is still to come is appended by the vocoding. */
async function play(name) {
  stopPlayback();
  const mine = { name };
  playing = mine;
  element("vocoded-note").textContent = "";
  update();
  try {
    await player.start(audio.samplingRate, (state) => showPlayback(name, state));
  } catch (error) {
    if (playing === mine) {
      playing = null;
    }
    throw error;
  }
  if (playing !== mine) {
    return; // stopped, or another one begun, meanwhile
  }
  if (player.silenced) {
    element("vocoded-note").textContent = "Press Play to hear it: the browser waits for a click.";
  }
  player.append(name === "original" ? recording.samples : views.vocoded.samples);
  if (name === "original" || !vocoding) {
    player.end();
  }
}

function showPlayback(name, { played, waits, done }) {
  if (done) {
    stopPlayback();
    return;
  }
  views[name].moveTo(played);
  if (name === "vocoded" && waits > 0) {
    const times = waits === 1 ? "once" : `${waits} times`;
    element("vocoded-note").textContent = `The playback has waited for the computation ${times}.`;
  }
}

async function togglePlayback(name) {
  if (playing?.name === name) {
    stopPlayback();
  } else {
    await play(name);
  }
}

function stopPlayback() {
  player.stop();
  playing = null;
  views.original.moveTo(null);
  views.vocoded.moveTo(null);
  update();
}

async function toggleRecording() {
  if (microphone) {
    await finishRecording();
    return;
  }
  showError(null);
  element("record").disabled = true; // until the browser's question is answered
  try {
    await stopAll();
    microphone = await MicrophoneRecording.start(
      (length, level) => {
        element("level").value = level;
        element("record").textContent = `Stop and vocode (${length.toFixed(0)} s)`;
      },
      guarded(finishRecording),
    );
  } finally {
    element("record").disabled = false;
  }
  await stopAll(); // what was begun while the browser asked
  element("record").focus(); // which a disabled button loses
  say("Recording…");
  update();
}

async function finishRecording() {
  const made = microphone;
  microphone = null;
  update();
  if (made) {
    await useRecording(await made.finish());
  }
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(wavFile(views.vocoded.samples, audio.samplingRate, "vocoded.wav"));
  link.download = `${file.name.replace(/\.[^.]*$/, "")}_vocoded.wav`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Enables and labels the buttons for the current state. */
function update() {
  const made = views.vocoded.samples.length > 0;
  const labels = { original: "the original", vocoded: "the vocoded audio" };
  element("vocode").textContent = vocoding ? "Stop" : "Vocode";
  element("vocode").disabled = !(engine && recording) || Boolean(microphone);
  element("progress").hidden = !vocoding;
  element("play-original").disabled = !recording;
  element("play-vocoded").disabled = !made && playing?.name !== "vocoded";
  element("save").disabled = !made || vocoding;
  element("level").hidden = !microphone;
  element("record").setAttribute("aria-pressed", String(Boolean(microphone)));
  if (!microphone) {
    element("record").textContent = "Record";
  }
  for (const [name, what] of Object.entries(labels)) {
    const button = element(`play-${name}`);
    button.textContent = playing?.name === name ? "Stop" : "Play";
    button.setAttribute("aria-label", `${button.textContent} ${what}`);
    const length = views[name].samples.length;
    for (const [picture, title] of [["waveform", "Waveform"], ["mel", "Mel"]]) {
      const content = length > 0 ? seconds(length) : "none yet";
      element(name).querySelector(`.${picture}`).setAttribute("aria-label", `${title} of ${what}: ${content}`);
    }
  }
}

function showFigures({ firstAudio, computing, audio: length }) {
  element("first-audio").textContent = firstAudio === null ? "–" : milliseconds(firstAudio);
  element("speed").textContent = computing > 0 && length > 0 ? `${(length / computing).toFixed(1)} ×` : "–";
}

function sayFigures(stopped, { firstAudio, computing, audio: length }) {
  if (firstAudio === null) {
    say("Stopped before the first audio.");
    return;
  }
  const what = stopped ? "Stopped after" : "Vocoded";
  const speed = (length / computing).toFixed(1);
  say(`${what} ${length.toFixed(1)} s of audio at ${speed} times real time, the first after ${milliseconds(firstAudio)}.`);
}

function say(text) {
  element("status").textContent = text;
}

/** @param {string | null} text */
function showError(text) {
  element("error").hidden = text === null;
  element("error").textContent = text ?? "";
}

function report(error) {
  if (!(error instanceof UserError)) {
    console.error(error);
  }
  showError(error instanceof UserError ? error.message : `Something failed that should not: ${error?.message ?? error}.`);
  update();
}

/** The same function, whose errors are shown in the page. */
function guarded(work) {
  return async (...values) => {
    try {
      await work(...values);
    } catch (error) {
      say("");
      report(error);
    }
  };
}

function milliseconds(time) {
  return `${Math.round(1000 * time).toLocaleString("en")} ms`;
}

function seconds(samples) {
  return `${(samples / audio.samplingRate).toFixed(1)} s`;
}

/** Takes files that were chosen or dropped: a recording, or a model with what belongs to it. */
async function take(files) {
  showError(null);
  if (files.some(({ name }) => /\.(tflite|json)$/i.test(name))) {
    await openModel(files);
  } else if (files.length === 1) {
    await useRecording(files[0]);
  } else {
    throw new UserError(`${files.length === 0 ? "No file" : `${files.length} files`} came in: drop one recording, or a model.`);
  }
}

element("model").onchange = guarded(async () => {
  showError(null);
  await chooseModel(chosenModel());
});
element("open-model").onclick = () => element("model-files").click();
element("choose").onclick = () => element("recording-file").click();
for (const input of [element("model-files"), element("recording-file")]) {
  input.onchange = guarded(async () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    await take(files);
  });
}
element("record").onclick = guarded(toggleRecording);
element("vocode").onclick = guarded(async () => (vocoding ? engine.stop() : vocode()));
element("play-original").onclick = guarded(() => togglePlayback("original"));
element("play-vocoded").onclick = guarded(() => togglePlayback("vocoded"));
element("save").onclick = guarded(save);

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", kind === "dragenter" || kind === "dragover");
  });
}
document.addEventListener(
  "drop",
  guarded((event) => take([...event.dataTransfer.files])),
);

window.pageStarted = true; // from here on errors are shown here, not by start.js
window.addEventListener("unhandledrejection", (event) => report(event.reason));
guarded(start)();
