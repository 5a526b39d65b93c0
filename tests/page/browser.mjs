// A headless Chromium on a page, and what the page has done wrong so far.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { TOOLS, CHROMIUM } = process.env;
const require = createRequire(`${TOOLS}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A browser with an empty profile of its own; the name stands for this machine, and is no secure origin to it. */
export const launch = () => chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...quiet, "--host-resolver-rules=MAP catalogue.test 127.0.0.1"] });

/** Opens the page, and waits until it has said something. */
export async function visit(browser, url, { scheme = "light", width = 1280, height = 860 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.wrongs = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.wrongs.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.wrongs.push(`thrown: ${error.message}`));
  page.on("dialog", (dialog) => (page.wrongs.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  await page.addInitScript(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask", buffered: true });
    addEventListener("securitypolicyviolation", (event) => console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  await page.locator("#count:not(:empty), .notice").first().waitFor();
  return page;
}

/** Nothing was thrown, refused or executed that should not have been. */
export async function isClean(page) {
  assert.deepEqual(page.wrongs, []);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
}

/** axe-core finds nothing in the page as it is now. */
export async function isAccessible(page, what) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations", "passes"] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join("\n  ")}`);
  assert.ok(passes.length > 10, "axe looked at next to nothing");
  assert.equal(told.join("\n"), "", `accessibility of ${what}`);
}

/** Waits until the sentence that counts the results says this. */
export const counts = (page, sentence) => page.waitForFunction((sentence) => document.getElementById("count").textContent === sentence, sentence, { timeout: 15_000 }).catch(async () => assert.equal(await page.locator("#count").textContent(), sentence));

/** The titles of the cards in their order. */
export const titles = (page) => page.locator(".card strong").allTextContents();
