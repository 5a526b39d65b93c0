// Uses the catalogue page as people do: drive.mjs SCENARIO URL [PICTURE]
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { counts, isAccessible, isClean, launch, titles, visit } from "./browser.mjs";

const [scenario, url, picture] = process.argv.slice(2);
const browser = await launch();

const search = (page, words) => page.locator("#q").fill(words);
const heading = (page) => page.locator("#panel-title").textContent();
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName);

const scenarios = {
  /** The library that ships with the project; the bolt's record has a warning. */
  async example() {
    const page = await visit(browser, url);
    await counts(page, "15 assets");
    assert.equal(await page.title(), "Northbench <library>");
    assert.match(await page.locator("#about").textContent(), /^15 assets · 2 collections · 54 files · as of .* · commit [0-9a-f]{7}$/);
    await page.waitForFunction(() => [...document.querySelectorAll(".card img")].slice(0, 4).every((img) => img.complete && img.naturalWidth === 64));
    for (const img of await page.locator(".card img").all()) {
      assert.deepEqual(await Promise.all(["loading", "width", "height"].map((name) => img.getAttribute(name))), ["lazy", "320", "240"]);
    }
    await isAccessible(page, "the page");

    await search(page, "HÉX bolt");
    await page.waitForFunction(() => document.querySelector(".card strong")?.textContent === "Hex Bolt Generator v2");
    await page.waitForFunction(() => location.hash === "#q=H%C3%89X+bolt");
    await search(page, "xqzzy");
    await counts(page, "0 of 15 assets");
    assert.equal(await page.locator("#empty h2").textContent(), "Nothing matches");
    await isAccessible(page, "a search without a result");
    await page.locator("#clear").click();
    await counts(page, "15 assets");

    await page.getByRole("button", { name: /^guides/ }).click();
    await counts(page, "2 of 15 assets");
    await page.getByRole("button", { name: /^metal/ }).click();
    await counts(page, "1 of 15 assets");
    assert.deepEqual(await titles(page), ["Lighting brushed metal"]);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.value), "metal", "the focus stays on what was used");
    const link = page.url();
    await page.goBack();
    await counts(page, "2 of 15 assets");
    const again = await visit(browser, link);
    await counts(again, "1 of 15 assets");
    await isClean(again);
    await page.goBack();
    await counts(page, "15 assets");

    // All by the keyboard.
    await page.keyboard.press("/");
    assert.equal(await focused(page), "q");
    await page.keyboard.type("hex bolt");
    await page.waitForFunction(() => document.querySelector(".card strong")?.textContent === "Hex Bolt Generator v2");
    for (let tabs = 0; (await focused(page)) !== "card" && tabs < 40; tabs++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator(".files").waitFor();
    assert.equal(await heading(page), "Hex Bolt Generator v2");
    assert.equal(await focused(page), "panel-title");
    assert.ok(page.url().endsWith("#q=hex+bolt&asset=products/hex-bolt-gen-v2"), page.url());
    const panel = await page.locator("#panel").innerText();
    for (const said of ["Hex Bolt Gen v2.blend", "48 bytes", "Geometry Nodes", "Last changed", "Warnings", "hex-bolt-gen-v2"]) assert.ok(panel.includes(said), `${said} is missing:\n${panel}`);
    const file = page.getByRole("link", { name: "Hex Bolt Gen v2.blend" });
    assert.match(await file.getAttribute("href"), /\/files\/Hex%20Bolt%20Gen%20v2\/Hex%20Bolt%20Gen%20v2\.blend$/);
    await isAccessible(page, "an asset");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.getElementById("panel").open && !location.hash.includes("asset"));
    assert.equal(await focused(page), "card", "the focus goes back to where it was");

    await page.getByRole("button", { name: "1 finding" }).click();
    await page.locator(".found li").waitFor();
    assert.match(await page.locator("#panel").innerText(), /Hex Bolt Gen v2\/Hex Bolt Gen v2\.json/);
    await isAccessible(page, "the findings");
    await page.locator("#close").click();
    await page.waitForFunction(() => !document.getElementById("panel").open);

    const deep = await visit(browser, `${url}#asset=guides/choosing-a-thread`, { scheme: "dark", width: 420 });
    await deep.locator("#panel .facts").first().waitFor();
    await isAccessible(deep, "an asset on a small dark screen");
    await deep.keyboard.press("Escape");
    await deep.waitForFunction(() => !document.getElementById("panel").open);
    await isAccessible(deep, "the page on a small dark screen");
    const absent = await visit(browser, `${url}#asset=products/nothing`);
    assert.equal(await heading(absent), "This asset is not here");
    for (const each of [page, deep, absent]) await isClean(each);
  },

  /** What the client finds is what the command has found: a file with queries and their answers. It prints what it took. */
  async same() {
    const page = await browser.newPage();
    await page.goto(`${url}blank/`);
    const expected = JSON.parse(readFileSync(picture, "utf8"));
    const { found, took } = await page.evaluate(async ([url, queries]) => {
      const { open } = await import("/search.mjs");
      const began = performance.now(), search = await open(url), took = [], found = [];
      for (const query of queries) {
        const asked = performance.now();
        found.push((await search.find(query, 10)).map(({ collection, id }) => `${collection}/${id}`));
        took.push(performance.now() - (found.length > 1 ? asked : began));
      }
      return { found, took };
    }, [url, expected.map(({ query }) => query)]);
    expected.forEach(({ query, ids }, at) => assert.deepEqual(found[at], ids, query));
    const [first, ...later] = took;
    console.log(`${found.length} queries, the first answer ${first.toFixed(0)} ms after the beginning, then ${later.sort((a, b) => a - b)[later.length >> 1].toFixed(1)} ms each (median), ${later.at(-1).toFixed(1)} at most`);
  },

  /** The library that ships with the project, with a search: what nobody has called so is found all the same. */
  async meaning() {
    const page = await visit(browser, url);
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url())));
    await counts(page, "15 assets");
    assert.equal(asked.length, 0, "nothing is fetched before somebody is about to type");
    await page.locator("#q").focus();
    await page.waitForFunction(() => ready !== undefined);
    await search(page, "screws and nuts");
    await page.locator(".near").waitFor();
    assert.match(await page.locator("#count").textContent(), /^0 of 15 assets, \d+ more by meaning$/);
    assert.equal(await page.locator(".near").textContent(), "None has every word. These are near in meaning");
    assert.equal((await titles(page))[0], "Hex Bolt Generator v2");
    assert.equal(await page.locator("#empty").isHidden(), true);
    await isAccessible(page, "what was found by meaning");

    await search(page, "bolt");
    await page.locator(".near", { hasText: "Also near in meaning" }).waitFor();
    const shown = await page.locator("#grid > li").evaluateAll((rows) => rows.map((row) => row.className));
    assert.ok(shown.indexOf("near") > 0, "what has the word comes first");
    assert.equal(new Set(await titles(page)).size, (await titles(page)).length, "nothing is there twice");
    await page.getByRole("button", { name: /^guides/ }).click();
    await page.waitForFunction(() => /guides/.test(location.hash));
    await search(page, "xqzzy");
    await counts(page, "0 of 15 assets");
    await page.locator("#clear").click();
    await counts(page, "15 assets");
    assert.ok(asked.every(({ origin }) => origin === new URL(url).origin) && asked.some(({ pathname }) => /\/model-/.test(pathname)));
    assert.ok(asked.every(({ search }) => search === ""), "nothing of a query is told to the server");
    // Whoever comes by a link that holds a query finds the same.
    const again = await visit(browser, `${url}#q=screws+and+nuts`);
    await again.locator(".near").waitFor();
    for (const each of [page, again]) await isClean(each);
  },

  /** The page that docs/search.md shows. */
  async demo() {
    const page = await browser.newPage();
    await page.goto(`${url}demo/`);
    // The page's own script has to open the search first.
    await page.waitForFunction(() => document.querySelector("#words").oninput !== null);
    await page.locator("#words").fill("screws and nuts");
    await page.waitForFunction(() => document.querySelectorAll("#found li").length === 10);
    assert.equal(await page.locator("#found li").first().textContent(), "hex-bolt-gen-v2");
  },

  /** A search of which a part is missing or false: words are searched as if there were none. */
  async broken() {
    const page = await visit(browser, url);
    await page.locator("#q").focus();
    await page.waitForFunction(() => opened !== undefined);
    assert.equal(await page.evaluate(() => opened.then(() => ready === undefined)), true, "it is not opened");
    await search(page, "screws and nuts");
    await counts(page, "0 of 15 assets");
    await search(page, "hex bolt");
    await counts(page, "1 of 15 assets");
    assert.equal(await page.locator(".near, .notice").count(), 0);
    assert.deepEqual(page.wrongs.filter((wrong) => !wrong.includes("Failed to load resource")), []);
  },

  /** A page on plain http, where the browser has no crypto of its own. */
  async plain() {
    const page = await visit(browser, url.replace("127.0.0.1", "catalogue.test"));
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.locator("#q").focus();
    await page.waitForFunction(() => ready !== undefined);
    await search(page, "screws and nuts");
    await page.locator(".near").waitFor();
    await isClean(page);
  },

  /** Somebody types in a library of more than a thousand assets: no key waits for the search. */
  async typing() {
    const page = await visit(browser, url);
    await page.locator("#q").focus();
    await page.waitForFunction(() => ready !== undefined);
    await page.evaluate(() => { window.longTasks.length = 0; });
    await page.locator("#q").pressSequentially("remove rubbish", { delay: 20 });
    await page.locator(".near").waitFor();
    const found = await page.locator("#grid .card").count();
    const took = await page.evaluate(async () => {
      const all = [];
      for (const query of ["remove rubbish", "trash", "rain", "a", "volume down", "bin"]) { const asked = performance.now(); await ready.find(query, 30); all.push(performance.now() - asked); }
      return all;
    });
    console.log(`${found} cards; a search takes ${took.map((ms) => ms.toFixed(1)).join(", ")} ms; long tasks while typing: ${JSON.stringify(await page.evaluate(() => window.longTasks))}`);
    assert.ok((await titles(page)).some((title) => /^trash$/.test(title)), "the bin is found");
    await isClean(page);
  },

  /** What docs/page.md shows. */
  async picture() {
    const page = await visit(browser, url, { width: 1200, height: 760 });
    await page.waitForFunction(() => [...document.querySelectorAll(".card img")].slice(0, 9).every((img) => img.complete));
    await page.screenshot({ path: picture });
  },

  /** Two thousand assets with hostile titles, addresses and tags. */
  async large() {
    const page = await visit(browser, url);
    await counts(page, "2,000 assets");
    await isAccessible(page, "hostile assets");
    const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok((await nodes()) < 1500, `${await nodes()} elements to begin with`);
    for (const letter of "hostile 19") {
      await page.locator("#q").press(letter === " " ? "Space" : letter);
      assert.ok((await nodes()) < 1500, `${await nodes()} elements after a key`);
    }
    await page.waitForFunction(() => /^[1-9]\d* of 2,000 assets$/.test(document.getElementById("count").textContent));
    await page.locator("#clear").click();
    await counts(page, "2,000 assets");
    for (let seen = 0, cards; seen < 600; seen = cards) {
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      await page.waitForFunction((seen) => document.querySelectorAll(".card").length > seen, seen);
      cards = await page.locator(".card").count();
    }
    // Loose by a factor of thirty on a quiet machine; what grows with the square is caught all the same.
    const slow = await page.evaluate(() => window.longTasks.filter((duration) => duration > 1500));
    assert.deepEqual(slow, []);
    await search(page, "onerror");
    await page.waitForFunction(() => document.querySelector(".card strong")?.textContent.startsWith("<img src=x onerror="));
    await page.locator(".card").first().click();
    await page.locator("#panel .facts").first().waitFor();
    assert.match(await heading(page), /^<img src=x onerror=/);
    const addresses = await page.evaluate(() => [...document.querySelectorAll("[href], [src]")].map((element) => (element.href || element.src)));
    assert.deepEqual(addresses.filter((address) => !/^(https?:|data:image\/svg)/.test(address)), []);
    assert.equal(await page.locator("script").count(), 2);
    await isClean(page);
  },

  /** An index that nobody of good will has made. */
  async forged() {
    const page = await visit(browser, url);
    await counts(page, "4 assets");
    const addresses = await page.evaluate(() => [...document.querySelectorAll(".card [src], .card[href]")].map((element) => element.src || element.href));
    assert.deepEqual(addresses.filter((address) => !address.startsWith("http://")), []);
    await page.locator(".card").first().click();
    await page.locator("#panel .notice").waitFor();
    assert.equal(await page.locator("#panel a").count(), 0);
    await isClean(page);
  },

  /** The same assets without an index: read shard by shard. */
  async shards() {
    const page = await visit(browser, url);
    await counts(page, "2,000 assets");
    await search(page, "hostile-1999");
    await counts(page, "1 of 2,000 assets");
    await page.locator(".card").click();
    await page.locator(".facts").first().waitFor();
    await isClean(page);
  },

  /** Over plain http from another machine a browser has no crypto of its own. */
  async insecure() {
    const page = await visit(browser, url.replace("127.0.0.1", "catalogue.test"));
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await counts(page, "15 assets");
    const digests = await page.evaluate(async () => Promise.all([0, 1, 55, 56, 64, 1000].map((size) => sha256(new Uint8Array(size).fill(97)))));
    const { createHash } = await import("node:crypto");
    assert.deepEqual(digests, [0, 1, 55, 56, 64, 1000].map((size) => createHash("sha256").update("a".repeat(size)).digest("hex")));
    await page.locator(".card").first().click();
    await page.locator(".files").waitFor();
    await isClean(page);
  },

  /** A sentence for each thing that is wrong: more pairs of an address and of words that must be said there. */
  async wrong() {
    for (const pairs = process.argv.slice(4); pairs.length; ) {
      const [at, words] = pairs.splice(0, 2);
      const page = await visit(browser, at);
      await page.locator(".notice").waitFor();
      const said = await page.locator(".notice").innerText();
      assert.ok(said.includes(words), `${at} should say ${words}:\n${said}`);
      assert.equal(await page.locator(".card").count(), 0);
      assert.deepEqual(page.wrongs.filter((wrong) => !wrong.includes("Failed to load resource")), []);
      if (!pairs.length) await isAccessible(page, "an error");
      await page.context().close();
    }
  },

  /** The client in TypeScript, compiled to /stockroom.js, in a page of somebody else's. */
  async client() {
    const page = await browser.newPage();
    await page.goto(`${url}blank/`);
    const seen = await page.evaluate(async (url) => {
      const { asset, open } = await import("/stockroom.js");
      const { held, by } = await (await open(url)).follow();
      return [by, asset(JSON.parse(JSON.stringify(held)), "products/hex-bolt-gen-v2").files.length];
    }, url);
    assert.deepEqual(seen, ["shards", 5]);
  },

  /** A shard that was tampered with: the list is there, the details are refused. */
  async tampered() {
    const page = await visit(browser, `${url}#asset=products/hex-bolt-gen-v2`);
    await page.locator("#panel .notice").waitFor();
    assert.match(await page.locator("#panel .notice").innerText(), /is not the file that was published/);
    assert.equal(await page.locator(".files").count(), 0);
    await isClean(page);
  },
};

try {
  await scenarios[scenario]();
} finally {
  await browser.close();
}
