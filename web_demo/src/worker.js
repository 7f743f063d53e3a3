// A classic worker, because LiteRT.js loads its WebAssembly with importScripts, which module workers lack.
const ready = import("./vocoding.js");

function failed(error) {
  self.postMessage({ type: "error", message: `The worker did not start: ${error.message}.` });
}

self.onmessage = (event) => ready.then(({ receive }) => receive(event.data), failed);
