// What a reader with docs/clients/stockroom.ts gets to see: follow.mjs CLIENT URL HELD [PUBLIC_KEY]
// HELD is a file for what is kept between two visits. Prints one line of JSON.
import { readFileSync, writeFileSync, existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [client, url, file, publicKey] = process.argv.slice(2);
const { open, Refused } = await import(pathToFileURL(client));
const requests = [];
const counting = (address, options) => (requests.push(new URL(address).pathname.split("/").pop().replace(/-.*/, "")), fetch(address, options));
try {
  const catalogue = await open(url, { publicKey: publicKey || undefined, fetch: counting });
  const held = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  const { held: now, by, changed, removed } = await catalogue.follow(held);
  writeFileSync(file, JSON.stringify(now));
  const followed = [...requests];
  const listed = (await catalogue.list()).map((it) => `${it.collection}/${it.id}`).sort();
  console.log(JSON.stringify({ by, changed: changed.sort(), removed: removed.sort(), held: Object.keys(now.entries).sort(), listed, requests: followed }));
} catch (error) {
  console.log(JSON.stringify({ refused: error instanceof Refused, error: String(error.message ?? error) }));
}
