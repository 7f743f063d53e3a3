// The page of `hifigan-tf demo` in headless Chromium: its players play, its pictures are there, nothing is blocked.
//
// PYTHON makes the page. SPEECH is a recording that it has as the user's; with SCREENSHOTS=1 the README's picture of it,
// docs/voice.png, is made anew.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { launchBrowser } from "./browser.mjs";

const ROOT = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..", "..");
const OUTPUT = join(ROOT, "web_demo", "build", "speaking");
const SPEECH = process.env.SPEECH ?? join(ROOT, "hifigan_tf", "demo_corpus", "held_out");

let browser;
let page;
const complaints = [];

before(async () => {
  execFileSync(process.env.PYTHON, ["-m", "hifigan_tf.demo", "--output-dir", OUTPUT, "--speech", SPEECH], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  await page.setViewport({ width: 1200, height: 900 });
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(request.url().slice(0, 80)));
  await page.goto(pathToFileURL(join(OUTPUT, "demo.html")).href, { waitUntil: "load" });
});

after(() => browser?.close());

test("every picture is there", async () => {
  const widths = await page.$$eval("img", (images) => images.map((image) => image.naturalWidth));
  assert.ok(widths.length > 20, `${widths.length} pictures`);
  assert.ok(Math.min(...widths) > 50, `${widths}`);
});

test("every player plays, and is as long as its neighbours of the same clip", async () => {
  const articles = await page.$$eval("article", (found) =>
    Promise.all(
      found.map((article) =>
        Promise.all(
          [...article.querySelectorAll("audio")].map(async (audio) => {
            const begun = new Promise((resolve, reject) => {
              audio.ontimeupdate = () => audio.currentTime > 0.1 && resolve();
              audio.onerror = () => reject(new Error(`${audio.ariaLabel}: ${audio.error.message}`));
            });
            await audio.play();
            await begun;
            audio.pause();
            audio.currentTime = 0;
            return audio.duration;
          }),
        ),
      ),
    ),
  );
  assert.ok(articles.length >= 6 + 2, `${articles.length} clips`);
  for (const seconds of articles) {
    assert.ok(seconds.length >= 2 && Math.min(...seconds) > 0.5, `${seconds}`);
    assert.ok(Math.max(...seconds) - Math.min(...seconds) < 0.02, `${seconds}`); // a mel is of whole frames
  }
});

test("a picture of the last clip, the recording of the user", async () => {
  const articles = await page.$$("article");
  const folder = process.env.SCREENSHOTS ? join(ROOT, "docs") : OUTPUT;
  await articles.at(-1).screenshot({ path: join(folder, "voice.png") });
});

test("a phone shows it without scrolling sideways", async () => {
  await page.setViewport({ width: 390, height: 844 });
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${content} of ${window} pixels`);
  await page.setViewport({ width: 1200, height: 900 });
});

test("the console stays empty", () => assert.deepEqual(complaints, []));
