// The page of the console, in a real browser against a service that runs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const { BROWSER, CONSOLE, SHOTS } = process.env;
const HOSTILE = '<img src=x onerror="window.hacked=1">';
let browser, services = [], open, off;

async function service(token) {
  const child = spawn(CONSOLE, token ? [token] : [], { stdio: ["ignore", "pipe", "inherit"] });
  services.push(child);
  const [line] = await once(child.stdout, "data");
  return String(line).trim();
}

// Traffic that gives each number of the page something to show.
async function use(address) {
  for (const id of ["1", "1", "2", HOSTILE]) await fetch(`${address}/lead/${encodeURIComponent(id)}`);
  for (let id = 0; id < 20; id++) await fetch(`${address}/report/${id}`);
  for (const text of ["bonn", "bonn", HOSTILE]) await fetch(`${address}/search/${encodeURIComponent(text)}`);
}

async function page(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(address)) wrong.push(`asks ${request.url()}`);
  });
  await page.goto(`${address}/cache`);
  await page.waitForSelector("#function-table tbody tr");
  return { page, wrong };
}

// The policy of the page lets nobody poll inside of it.
async function until(what, seconds = 15) {
  const end = Date.now() + 1000 * seconds;
  while (!(await what())) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const cells = (page, column) =>
  page.$$eval(`#function-table tbody td:nth-child(${column})`, (cells) => cells.map((cell) => cell.textContent));

before(async () => {
  browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  [open, off] = await Promise.all([service("right"), service()]);
  await Promise.all([use(open), use(off)]);
});

after(async () => {
  await browser?.close();
  services.forEach((child) => child.kill());
});

test("functions are sorted by each column, both ways", async () => {
  const { page: p, wrong } = await page(open);
  const header = (name) => p.locator("#function-table th button", { hasText: name });
  assert.deepEqual(await cells(p, 1), [...(await cells(p, 1))].sort());
  await header("misses").click();
  const down = (await cells(p, 4)).map(Number);
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  assert.equal(await p.locator('th[aria-sort="descending"]').count(), 1);
  await header("misses").click();
  const up = (await cells(p, 4)).map(Number);
  assert.deepEqual(up, [...down].reverse());
  // By the keyboard too.
  await header("function").focus();
  await p.keyboard.press("Enter");
  assert.equal(await p.locator('th[aria-sort="ascending"]').textContent(), "function ▲");
  assert.deepEqual(wrong, []);
});

test("functions are filtered by path and template", async () => {
  const { page: p } = await page(open);
  await p.fill("#filter", "LEAD:");
  assert.deepEqual(await cells(p, 9), ["lead:{id}"]);
  assert.equal(await p.textContent("#function-count"), "1 of 3 functions");
  await p.fill("#filter", "nothing like it");
  assert.deepEqual(await cells(p, 1), []);
});

test("what happens is seen without a reload", async () => {
  const { page: p, wrong } = await page(open);
  const drawn = (id) => until(() => p.evaluate((id) => document.querySelector(`#${id} path`)?.getAttribute("d"), id));
  for (let id = 100; id < 110; id++) await fetch(`${open}/report/${id}`);
  await drawn("plot-hits");
  await drawn("plot-loads");
  assert.match(await p.getAttribute("#plot-hits", "aria-label"), /^Last .* %, least .*, most .*/);
  assert.deepEqual(wrong, []);
});

test("keys and searches are shown as text", async () => {
  const { page: p, wrong } = await page(open);
  await until(() => p.evaluate(() => document.querySelectorAll("#popular li").length === 2));
  assert.ok((await p.textContent("#popular")).includes(HOSTILE));
  assert.equal(await p.locator("main img").count(), 0);
  assert.equal(await p.evaluate(() => window.hacked), undefined);
  assert.deepEqual(wrong, []);
});

test("a script that is not the page's own does not run", async () => {
  const { page: p } = await page(open);
  await p.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.hacked = 1";
    document.body.append(script);
  });
  assert.equal(await p.evaluate(() => window.hacked), undefined);
});

test("the catalogue is drawn, and listed for those who do not see it", async () => {
  const { page: p } = await page(open);
  assert.equal(await p.locator("#graph g").count(), 4);
  await p.click("summary");
  assert.match(await p.textContent("#arrows"), /change_lead → .*lead, by lead\(id\)/);
});

test("a cache that fails says so in words", async () => {
  const { page: p } = await page(open);
  assert.equal((await p.textContent("#state-text")).trim(), "healthy");
  await p.route("**/stats", (route) => route.abort());
  await until(() => p.evaluate(() => document.querySelector("#state-text").textContent.startsWith("no answer")));
});

test("a breaker that is open and a channel that is lost are told in words", async () => {
  const { page: p } = await page(open);
  const node = { address: "redis://a:6379", up: false, version: "7.0.15", latency: null, last_error: "timed out" };
  const redis = { mode: "single", connected: false, breaker: "open", channel: false, gaps: 3, version: "7.0.15", latency: null,
    last_error: "timed out", nodes: [node] };
  const json = { status: "degraded", backend: "tiered", redis, pending_invalidations: 12, entries: 0, memory_bytes: 0, loads_running: 0 };
  await p.route("**/health", (route) => route.fulfill({ json }));
  await until(() => p.evaluate(() => document.querySelector("#state-text").textContent === "degraded"));
  assert.equal(await p.textContent("#state-mark"), "▲");
  const facts = await p.$$eval("#facts div", (pairs) => pairs.map((pair) => [...pair.children].map((child) => child.textContent)));
  const told = Object.fromEntries(facts);
  assert.equal(told.breaker, "open: nobody waits for Redis");
  assert.equal(told.channel, "lost: copies in memory live shorter");
  assert.equal(told["pending invalidations"], "12");
  assert.equal(told["lost messages"], "3");
  assert.equal(told["redis://a:6379"], "breaker open");
  assert.equal(told["last error"], "timed out");
});

test("without a configured token there is nothing to invalidate with", async () => {
  const { page: p } = await page(off);
  assert.ok(await p.isVisible("#invalidate-off"));
  assert.ok(!(await p.isVisible("#invalidate-form")));
});

test("with the token a key is invalidated, and with another it is not", async () => {
  const { page: p } = await page(open);
  const isHit = async () => (await fetch(`${open}/lead/1`)).headers.get("cache-status").includes("hit");
  await fetch(`${open}/lead/1`);
  await p.fill("#name", "lead:1");
  await p.fill("#token", "wrong");
  await p.click("button[type=submit]");
  await until(() => p.evaluate(() => document.querySelector("#outcome").textContent.startsWith("Refused")));
  assert.ok(await isHit());
  await p.fill("#token", "right");
  await p.keyboard.press("Enter");
  await until(() => p.evaluate(() => document.querySelector("#outcome").textContent === "Done: 1 removed."));
  assert.ok(!(await isHit()));
  await p.selectOption("#kind", "function");
  await p.fill("#name", "console::lead");
  await p.keyboard.press("Enter");
  await until(() => p.evaluate(() => document.querySelector("#outcome").textContent === "Done."));
  assert.ok(!(await isHit()));
});

test("a pattern and a tag are invalidated by hand too", async () => {
  const { page: p, wrong } = await page(open);
  const isHit = async (id) => (await fetch(`${open}/lead/${id}`)).headers.get("cache-status").includes("hit");
  await p.fill("#token", "right");
  for (const [kind, name, said] of [["pattern", "lead:a*", "Done: 2 removed."], ["tag", "city:ab", "Done."]]) {
    for (const id of ["aa", "ab"]) await fetch(`${open}/lead/${id}`);
    assert.ok(await isHit("aa") && await isHit("ab"));
    await p.selectOption("#kind", kind);
    await p.fill("#name", name);
    await p.click("button[type=submit]");
    await until(() => p.evaluate((said) => document.querySelector("#outcome").textContent === said, said));
    assert.equal(await isHit("aa"), kind === "tag");
    assert.ok(!(await isHit("ab")));
  }
  assert.deepEqual(wrong, []);
});

test("everything is reached by the keyboard", async () => {
  const { page: p } = await page(open);
  const reached = new Set();
  for (let presses = 0; presses < 60; presses++) {
    await p.keyboard.press("Tab");
    reached.add(await p.evaluate(() => document.activeElement.id || document.activeElement.tagName));
  }
  for (const id of ["filter", "kind", "name", "token", "BUTTON", "SUMMARY", "A"]) assert.ok(reached.has(id), id);
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [390, 1280]) {
    test(`the page fits ${width} pixels, ${colorScheme}`, async () => {
      const { page: p, wrong } = await page(open, { colorScheme, viewport: { width, height: 900 } });
      await until(() => p.evaluate(() => document.querySelectorAll("#popular li").length > 0));
      // Something to be seen in the plots: from one look to the next, each ratio is another.
      for (let look = 0; look < 5; look++) {
        for (let id = 0; id < 10; id++) await fetch(`${open}/report/${id < look ? 1 : `${width}${look}${id}`}`);
        await p.waitForTimeout(1500);
      }
      assert.match(await p.getAttribute("#plot-hits", "aria-label"), /^Last/);
      const tooWide = () => [document.documentElement, ...document.querySelectorAll(".scroll")]
        .filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.className || node.tagName);
      assert.deepEqual(await p.evaluate(tooWide), [], "something scrolls sideways");
      // What is laid out as blocks is a table all the same.
      assert.equal(await p.getByRole("cell", { name: "lead:{id}" }).count(), 1);
      assert.equal(await p.getByRole("columnheader").count(), 9);
      // Text and ground are as far apart as WCAG asks of small text.
      const contrast = await p.evaluate(() => {
        const light = (color) => {
          const [r, g, b] = color.match(/\d+/g).map(Number).map((part) => {
            const s = part / 255;
            return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const worst = [...document.querySelectorAll("h2, td, dt, dd, .scale, a, figcaption, label")].map((node) => {
          const box = node.closest("section, header");
          const [one, other] = [light(getComputedStyle(node).color), light(getComputedStyle(box).backgroundColor)];
          return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        });
        return Math.min(...worst);
      });
      assert.ok(contrast >= 4.5, `contrast ${contrast}`);
      await p.screenshot({ path: `${SHOTS}/${colorScheme}-${width}.png`, fullPage: true });
      assert.deepEqual(wrong, []);
    });
  }
}
