"use strict";
// Everything that is shown goes through `textContent`: keys, templates and errors are data.
const EVERY = 2000, KEPT = 150;
const base = location.pathname.replace(/\/?$/, "/");
const byId = (id) => document.getElementById(id);
const make = (name, text, more = {}) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  return Object.assign(node, more);
};
const draw = (name, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};
const ask = async (path) => {
  const answer = await fetch(base + path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
};
const whole = new Intl.NumberFormat("en");
const short = (value) => (value === null ? "–" : value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2));
const percent = (ratio) => (ratio === null ? "–" : `${(100 * ratio).toFixed(1)} %`);
const bytes = (count) => (count < 1e4 ? `${whole.format(count)} B` : count < 1e7 ? `${short(count / 1e3)} kB` : `${short(count / 1e6)} MB`);
const hitsOf = (stats) => stats.memory_hits + stats.redis_hits;
const ratio = (hits, misses) => (hits + misses > 0 ? hits / (hits + misses) : null);
const meanMs = (time, loads) => (loads > 0 ? (1000 * time) / loads : null);

// Plots: what happened between one look and the next.
const series = { hits: [], loads: [] };
let before = null;

function follow(total) {
  if (before) {
    const since = (name) => Math.max(0, total[name] - before[name]);
    series.hits.push(ratio(since("memory_hits") + since("redis_hits"), since("misses")));
    series.loads.push(meanMs(since("load_time"), since("loads")));
    for (const values of Object.values(series)) if (values.length > KEPT) values.shift();
  }
  before = total;
}

function plot(id, values, top, unit) {
  const svg = byId(id), known = values.filter((value) => value !== null);
  const most = top ?? Math.max(1, ...known) * 1.1;
  const x = (index) => (600 * (index + KEPT - values.length)) / (KEPT - 1), y = (value) => 175 - (170 * value) / most;
  let path = "", pen = "M";
  values.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    // A look with none beside it is a dot.
    const alone = pen === "M" && (values[index + 1] ?? null) === null;
    path += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}${alone ? "h2" : ""}`;
    pen = "L";
  });
  const lines = [0, 0.5, 1].map((part) => draw("line", { x1: 0, x2: 600, y1: y(part * most), y2: y(part * most) }));
  svg.replaceChildren(...lines, draw("path", { d: path }));
  const last = known.at(-1);
  const text = known.length === 0 ? "Nothing has happened yet." :
    `Last ${short(last)} ${unit}, least ${short(Math.min(...known))}, most ${short(Math.max(...known))}; top of the plot ${short(most)} ${unit}.`;
  svg.setAttribute("aria-label", text);
  byId(`${id}-text`).textContent = text;
}

function pairs(id, entries) {
  byId(id).replaceChildren(...entries.map(([name, value, isBad]) => {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", value, { className: isBad ? "bad" : "" }));
    return pair;
  }));
}

function figures(stats) {
  const { total } = stats;
  pairs("figures", [
    ["hit ratio since start", percent(ratio(hitsOf(total), total.misses))],
    ["hits in memory", whole.format(total.memory_hits)],
    ["hits in Redis", whole.format(total.redis_hits)],
    ["misses", whole.format(total.misses)],
    ["mean load", `${short(meanMs(total.load_time, total.loads))} ms`],
    ["entries", whole.format(stats.entries)],
    ["in memory", bytes(stats.memory_bytes)],
    ["errors", whole.format(total.errors)],
  ]);
}

// The table of functions.
const seconds = (row) => (row.has_computed_ttl ? "computed" : row.ttl === null ? "by environment" : `${row.ttl} s`);
const columns = [
  ["function", (row) => row.path],
  ["memory", (row) => row.memory_hits, whole.format],
  ["Redis", (row) => row.redis_hits, whole.format],
  ["misses", (row) => row.misses, whole.format],
  ["hit ratio", (row) => ratio(hitsOf(row), row.misses) ?? -1, (value) => percent(value < 0 ? null : value)],
  ["stale", (row) => row.stale_served, whole.format],
  ["load, ms", (row) => meanMs(row.load_time, row.loads) ?? -1, (value) => short(value < 0 ? null : value)],
  ["TTL", (row) => row.ttl ?? -1, (_, row) => seconds(row)],
  ["template", (row) => row.template],
];
const none = { memory_hits: 0, redis_hits: 0, misses: 0, stale_served: 0, loads: 0, load_time: 0 };
let rows = [], sorted = { column: 0, down: false };

columns.forEach(([name], index) => {
  const button = make("button", name, { type: "button" });
  button.addEventListener("click", () => {
    sorted = { column: index, down: sorted.column === index ? !sorted.down : index > 0 && index < 8 };
    table();
  });
  const cell = make("th", undefined, { scope: "col" });
  cell.setAttribute("role", "columnheader");
  cell.append(button);
  document.querySelector("#function-table thead tr").append(cell);
});

function table() {
  const [, valueOf] = columns[sorted.column], sign = sorted.down ? -1 : 1;
  const wanted = byId("filter").value.trim().toLowerCase();
  const shown = rows.filter((row) => `${row.path} ${row.template}`.toLowerCase().includes(wanted));
  shown.sort((a, b) => {
    const [one, other] = [valueOf(a), valueOf(b)];
    return sign * (one < other ? -1 : one > other ? 1 : 0);
  });
  byId("function-table").tBodies[0].replaceChildren(...shown.map((row) => {
    const line = make("tr");
    line.setAttribute("role", "row");
    line.append(...columns.map(([name, value, form = String]) => {
      const cell = make("td", form(value(row), row));
      cell.setAttribute("role", "cell");
      cell.dataset.name = name;
      return cell;
    }));
    return line;
  }));
  document.querySelectorAll("#function-table th").forEach((cell, index) => {
    const isSorted = index === sorted.column;
    cell.setAttribute("aria-sort", isSorted ? (sorted.down ? "descending" : "ascending") : "none");
    cell.firstChild.textContent = columns[index][0] + (isSorted ? (sorted.down ? " ▼" : " ▲") : "");
  });
  byId("function-count").textContent = `${shown.length} of ${rows.length} functions`;
}

// The graph: invalidators on the left, what they drop on the right. Where there is little room, by their last names.
const narrow = matchMedia("(max-width: 40rem)");
narrow.addEventListener("change", () => graph(catalogue));

function graph(catalogue) {
  const svg = byId("graph"), { arrows } = catalogue;
  const shown = (path) => (narrow.matches ? path.split("::").at(-1) : path);
  const left = [...new Set(catalogue.invalidators.map((row) => row.path))];
  const right = [...new Set(catalogue.cached.map((row) => row.path))];
  const widest = Math.max(10, ...[...left, ...right].map((path) => shown(path).length)) * 8 + 20;
  const gap = narrow.matches ? 60 : 140, row = 40, height = Math.max(1, left.length, right.length) * row;
  svg.setAttribute("width", 2 * widest + gap);
  svg.setAttribute("height", height);
  svg.setAttribute("viewBox", `0 0 ${2 * widest + gap} ${height}`);
  const node = (path, index, x, radius) => {
    const group = draw("g", {});
    group.append(
      draw("rect", { x: x + 1, y: index * row + 6, width: widest - 2, height: 28, rx: radius }),
      draw("text", { x: x + 10, y: index * row + 25 }, shown(path)),
      draw("title", {}, path),
    );
    return group;
  };
  const tip = draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" });
  tip.append(draw("path", { d: "M0 0L8 4L0 8z" }));
  const lines = arrows.map(({ from, to, by }) => {
    const y1 = left.indexOf(from) * row + 20, y2 = right.indexOf(to) * row + 20;
    const line = draw("path", { d: `M${widest} ${y1}C${widest + gap / 2} ${y1} ${widest + gap / 2} ${y2} ${widest + gap} ${y2}`, "marker-end": "url(#tip)" });
    line.append(draw("title", {}, `${from} drops ${to} by ${by}`));
    return line;
  });
  svg.replaceChildren(tip, ...lines,
    ...left.map((path, index) => node(path, index, 0, 0)), ...right.map((path, index) => node(path, index, widest + gap, 12)));
  const item = (text) => make("li", text);
  byId("arrows").replaceChildren(...arrows.map(({ from, to, by }) => item(`${from} → ${to}, by ${by}`)));
  byId("findings").replaceChildren(...catalogue.findings.map((finding) => item(finding.message)));
  byId("paths").replaceChildren(...right.map((path) => make("option", undefined, { value: path })));
}

function popular(top) {
  const most = Math.max(1, ...top.map((search) => search.count));
  const lines = top.map(({ text, count }) => {
    const line = make("li", `${text} `);
    line.append(make("meter", undefined, { max: most, value: count, ariaLabel: `${count} times` }), ` ${whole.format(count)}`);
    return line;
  });
  byId("popular").replaceChildren(...lines);
  if (lines.length === 0) byId("popular").append(make("p", "Nothing has been searched for yet."));
}

const MARKS = { healthy: "●", degraded: "▲", off: "■" };
function state(text, mark) {
  byId("state-mark").textContent = mark;
  byId("state-text").textContent = text;
  byId("state").className = mark === MARKS.healthy ? "" : "bad";
}

function health(facts) {
  const { redis } = facts;
  state(facts.status, MARKS[facts.status] ?? "?");
  const entries = [
    ["status", facts.status, facts.status !== "healthy"],
    ["backend", facts.backend],
    ["pending invalidations", whole.format(facts.pending_invalidations), facts.pending_invalidations > 0],
    ["loads running", whole.format(facts.loads_running)],
  ];
  if (redis) {
    entries.push(
      ["Redis", redis.connected ? `connected, version ${redis.version ?? "unknown"}` : "not connected", !redis.connected],
      ["breaker", redis.breaker === "closed" ? "closed: calls go through" : "open: nobody waits for Redis", redis.breaker !== "closed"],
      ["channel", redis.channel ? "other processes are heard" : "lost: copies in memory live shorter", !redis.channel],
      ["lost messages", whole.format(redis.gaps)],
      ["latency", redis.latency === null ? "unknown" : `${short(1000 * redis.latency)} ms`],
      ...redis.nodes.map((node) => [node.address, node.up ? "breaker closed" : "breaker open", !node.up]),
    );
    if (redis.last_error) entries.push(["last error", redis.last_error]);
  }
  pairs("facts", entries);
}

let catalogue = { cached: [], invalidators: [], arrows: [], findings: [] };
async function look() {
  try {
    const [stats, facts, top] = await Promise.all([ask("stats"), ask("health"), ask("popular")]);
    follow(stats.total);
    figures(stats);
    plot("plot-hits", series.hits.map((value) => value === null ? null : 100 * value), 100, "%");
    plot("plot-loads", series.loads, null, "ms");
    const templates = new Map(catalogue.cached.map((row) => [row.path, row]));
    const paths = new Set([...templates.keys(), ...Object.keys(stats.functions)]);
    rows = [...paths].map((path) => ({
      template: "", ttl: null, has_computed_ttl: false, ...none, ...templates.get(path), ...stats.functions[path], path,
    }));
    table();
    popular(top);
    health(facts);
  } catch (error) {
    state(`no answer: ${error.message}`, "✕");
  }
  setTimeout(look, EVERY);
}

byId("filter").addEventListener("input", table);
const canInvalidate = document.body.dataset.invalidation === "on";
byId("invalidate-form").hidden = !canInvalidate;
byId("invalidate-off").hidden = canInvalidate;
byId("invalidate-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const outcome = byId("outcome");
  outcome.className = "";
  outcome.textContent = "asking";
  try {
    const answer = await fetch(base + "invalidate", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${byId("token").value}` },
      body: JSON.stringify({ kind: byId("kind").value, name: byId("name").value }),
    });
    const { removed, error } = await answer.json();
    outcome.className = answer.ok ? "" : "bad";
    outcome.textContent = answer.ok ? (removed === null ? "Done." : `Done: ${removed} removed.`) : `Refused: ${error}.`;
  } catch (error) {
    outcome.className = "bad";
    outcome.textContent = `No answer: ${error.message}`;
  }
});

(async () => {
  try {
    catalogue = await ask("catalogue");
    graph(catalogue);
  } catch (error) {
    state(`no answer: ${error.message}`, "✕");
  }
  look();
})();
