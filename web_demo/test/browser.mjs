// Headless Chromium for the tests: the one that CHROMIUM names, or else the one that is installed.
import { execFileSync } from "node:child_process";
import puppeteer from "puppeteer-core";

const FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"];

/** A browser whose players need no click; `more` are further flags of its command line. */
export function launchBrowser(...more) {
  const path = execFileSync("which", [process.env.CHROMIUM ?? "chromium"], { encoding: "utf-8" }).trim();
  return puppeteer.launch({ executablePath: path, args: [...FLAGS, ...more] });
}
