// A classic worker, because LiteRT.js loads its WebAssembly with importScripts, which module workers lack.
const ready = import("./vocoding.js");
self.onmessage = (event) => ready.then(({ receive }) => receive(event.data));
ready.catch((error) => self.postMessage({ type: "error", message: `The worker did not start: ${error.message}.` }));
