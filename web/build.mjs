// Builds what the binary embeds. `node build.mjs --check` builds into memory and fails if the
// committed assets are not that.
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = here("../src/api/ops/assets/");
const { dependencies } = JSON.parse(await readFile(here("package.json"), "utf8"));
const note = `Built from web/ by \`make assets\`. Contains uPlot ${dependencies.uplot}: /assets/licenses.txt`;

const { outputFiles } = await build({
  entryPoints: { app: here("src/main.ts") },
  absWorkingDir: here("."),
  outdir: assets,
  write: false,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2023", "chrome123", "firefox120", "safari17.5"],
  charset: "utf8",
  legalComments: "none",
  banner: { js: `/* ${note} */`, css: `/* ${note} */` },
  logLevel: "warning",
});
const built = new Map(outputFiles.map((file) => [basename(file.path), file.text]));
const licence = await readFile(here("node_modules/uplot/LICENSE"), "utf8");
built.set("licenses.txt", `uPlot ${dependencies.uplot}, in app.js and app.css\n\n${licence.trim()}\n`);

const differing = [];
for (const [name, text] of built) {
  const held = await readFile(assets + name, "utf8").catch(() => "");
  if (held !== text) differing.push(name);
}
if (process.argv.includes("--check")) {
  if (differing.length > 0) {
    console.error(`not what web/ builds: ${differing.join(", ")}; run \`make assets\` and commit them`);
    process.exit(1);
  }
  console.log("the assets are what web/ builds");
} else {
  for (const name of differing) await writeFile(assets + name, built.get(name));
  console.log([...built].map(([name, text]) => `${name} ${Buffer.byteLength(text)} bytes`).join(", "));
}
