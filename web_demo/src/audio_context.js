import { UserError } from "./user_error.js";

/**
 * An AudioContext in which a worklet of this folder is loaded. Nothing stays open where that fails.
 *
 * @param {AudioContextOptions} options
 * @param {string} worklet its file
 * @returns {Promise<AudioContext>}
 */
export async function openContext(options, worklet) {
  const context = new AudioContext(options);
  try {
    await context.audioWorklet.addModule(new URL(worklet, import.meta.url));
  } catch (error) {
    await context.close();
    throw new UserError(`${worklet} could not be loaded (${error.message}): try again.`);
  }
  return context;
}
