// After `npm ci`: copies LiteRT.js and its WebAssembly from node_modules to litert/, where the page loads them.
//
// LiteRT.js imports its helper package by a bare name, which a browser finds through an import map only, and a worker
// has none: the name becomes a relative path.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const packages = new URL("node_modules/@litertjs/", root);
const target = new URL("litert/", root);
const IMPORT = 'from "@litertjs/wasm-utils"';

const source = readFileSync(new URL("core/dist/index.js", packages), "utf8");
if (source.split(IMPORT).length !== 2) {
  throw new Error(`@litertjs/core does not contain ${IMPORT} once: adapt tools/copy_litert.mjs to its version`);
}
rmSync(target, { recursive: true, force: true });
mkdirSync(target);
writeFileSync(new URL("index.js", target), source.replace(IMPORT, 'from "./wasm_utils.js"').replace(/\n\/\/# source.*/, ""));
cpSync(new URL("wasm-utils/dist/index.js", packages), new URL("wasm_utils.js", target));
// Two of the four builds: with relaxed SIMD, and for browsers without it. Those with threads need headers that most
// static hosts do not send; the one for WebNN is not used.
for (const build of ["litert_wasm_internal", "litert_wasm_compat_internal"]) {
  for (const ending of [".js", ".wasm"]) {
    cpSync(new URL(`core/wasm/${build}${ending}`, packages), new URL(`${build}${ending}`, target));
  }
}
