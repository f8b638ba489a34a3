// The dashboard: counters come once a second as an event; what is shown are their differences.
import { make, say, short } from "./page.js";

const services = document.body.dataset.page === "/services";
const state = document.getElementById("state");
const chooser = document.getElementById("router");
const filter = document.getElementById("filter");
const home = document.getElementById("routers");
const kubernetes = document.getElementById("kubernetes");
/** How many seconds the curve of a router shows. */
const CURVE = 60;

let before = null;
let source = null;
const panels = new Map();
const wanted = new URLSearchParams(location.search).get("router") ?? "";
if (services) document.getElementById("heading").textContent = "Services";

/** How much a counter has grown for each second; undefined where it was not there before or began anew. */
function rate(now, then, seconds) {
  return then === undefined || now < then || seconds <= 0 ? undefined : (now - then) / seconds;
}

/** The numbers of a row: those that come with it, and what became of its counters. */
function live(row, old, seconds) {
  const r = rate(row.r, old?.r, seconds);
  const s = rate(row.s, old?.s, seconds);
  const f = rate(row.f, old?.f, seconds);
  const y = rate(row.y ?? 0, old?.y ?? (old ? 0 : undefined), seconds);
  const done = (s ?? 0) + (f ?? 0);
  return { ...row, rps: r, retries: y, success: done > 0 ? (100 * s) / done : undefined };
}

function percent(value) {
  return value === undefined ? "–" : `${value.toFixed(2)} %`;
}

function tone(value) {
  if (value === undefined) return "";
  return value < 90 ? "bad" : value < 99 ? "poor" : "good";
}

const NAME = { head: "", name: true };
const RPS = { head: "req/s", text: (row) => short(row.rps) };
const SUCCESS = { head: "success", text: (row) => percent(row.success), tone: (row) => tone(row.success) };
const RETRIES = { head: "retries/s", text: (row) => short(row.retries) };
const CONNECTIONS = { head: "connections", text: (row) => short(row.c) };
const PENDING = { head: "in flight", text: (row) => short(row.p) };
const LATENCIES = ["p50", "p95", "p99", "max"].map((head, at) => ({ head, text: (row) => short(row.l?.[at]) }));
const BUDGET = { head: "retry budget", text: (row) => short(row.b) };
const ENDPOINTS = {
  head: "endpoints up",
  text: (row) => (row.e ? `${row.e[0]} / ${row.e[1]}` : "–"),
  tone: (row) => (!row.e || row.e[0] === row.e[1] ? "" : row.e[0] * 2 < row.e[1] ? "bad" : "poor"),
};
const TABLES = {
  servers: ["Servers", [{ ...NAME, head: "server" }, RPS, SUCCESS, CONNECTIONS, PENDING, ...LATENCIES]],
  services: ["Services", [{ ...NAME, head: "service" }, RPS, SUCCESS, RETRIES, BUDGET, PENDING, ...LATENCIES]],
  clients: ["Clients", [{ ...NAME, head: "client" }, RPS, SUCCESS, RETRIES, ENDPOINTS, CONNECTIONS, PENDING, ...LATENCIES]],
  pairs: ["Requests per client", [{ ...NAME, head: "service → client" }, RPS, SUCCESS]],
};
const SHOWN = services ? ["services", "pairs"] : ["servers", "services", "clients"];

/** A table whose rows are found again by their names. */
class Table {
  constructor(kind, router) {
    const [title, columns] = TABLES[kind];
    this.columns = columns;
    this.rows = new Map();
    this.body = make("tbody");
    this.more = make("p", { class: "note" });
    const heads = columns.map((column) => make("th", { scope: "col" }, column.head));
    this.head = make("thead", {}, make("tr", {}, ...heads));
    const table = make("table", {}, make("caption", {}, title), this.head, this.body);
    this.element = make("div", {}, make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${title} of ${router}` }, table), this.more);
  }

  show(rows, hidden) {
    const names = new Set(rows.map((row) => row.n));
    for (const [name, cells] of this.rows) {
      if (!names.has(name)) {
        cells.row.remove();
        this.rows.delete(name);
      }
    }
    rows.sort((a, b) => (a.n < b.n ? -1 : 1));
    let behind = null;
    for (const row of rows) {
      const cells = this.rows.get(row.n) ?? this.add(row.n);
      this.columns.forEach((column, at) => {
        if (!column.name) say(cells.cells[at], column.text(row), column.tone?.(row) ?? "");
      });
      cells.row.className = row.rps ? "" : "idle";
      cells.row.hidden = !row.n.toLowerCase().includes(filter.value.toLowerCase());
      const next = behind ? behind.nextSibling : this.body.firstChild;
      if (next !== cells.row) this.body.insertBefore(cells.row, next);
      behind = cells.row;
    }
    this.head.hidden = rows.length === 0;
    say(this.more, hidden > 0 ? `and ${hidden} more, which have less to do` : rows.length ? "" : "none yet", "note");
  }

  add(name) {
    const cells = this.columns.map((column) => (column.name ? make("th", { scope: "row", class: "name" }, name) : make("td")));
    const added = { cells, row: make("tr", {}, ...cells) };
    this.rows.set(name, added);
    return added;
  }
}

/** A router with its numbers, its curve and its tables. */
class Panel {
  constructor(name) {
    this.name = name;
    this.curve = [];
    const names = ["requests/s", "success", "retries/s", "p50 ms", "p95 ms", "p99 ms", "connections in", "connections out", "in flight"];
    this.numbers = names.map(() => make("dd", {}, "–"));
    const list = make("dl", { class: "numbers" }, ...names.map((text, at) => make("div", {}, make("dt", {}, text), this.numbers[at])));
    const svg = "http://www.w3.org/2000/svg";
    this.spark = document.createElementNS(svg, "svg");
    this.path = document.createElementNS(svg, "path");
    for (const [key, value] of Object.entries({ class: "spark", viewBox: `0 0 ${CURVE - 1} 40`, preserveAspectRatio: "none", role: "img" })) this.spark.setAttribute(key, value);
    this.spark.append(this.path);
    this.tables = Object.fromEntries(SHOWN.map((kind) => [kind, new Table(kind, name)]));
    const parts = SHOWN.map((kind) => this.tables[kind].element);
    this.element = make("section", { class: "router", "aria-label": `Router ${name}` }, make("h2", {}, name), list, this.spark, ...parts);
  }

  show(router, old, seconds) {
    const of = (kind) => {
      const then = new Map((old?.[kind] ?? []).map((row) => [row.n, row]));
      return (router[kind] ?? []).map((row) => live(row, then.get(row.n), seconds));
    };
    const all = Object.fromEntries(["servers", "services", "clients"].map((kind) => [kind, of(kind)]));
    const pairs = (from) => (from?.clients ?? []).flatMap((client) => (client.by ?? []).map((pair) => ({ ...pair, n: `${pair.n} → ${client.n}` })));
    const then = new Map(pairs(old).map((row) => [row.n, row]));
    all.pairs = pairs(router).map((row) => live(row, then.get(row.n), seconds));
    for (const kind of SHOWN) this.tables[kind].show(all[kind], router.more?.[kind] ?? 0);
    this.total(live(router.total, old?.total, seconds));
  }

  total(total) {
    const texts = [short(total.rps), percent(total.success), short(total.retries), ...[0, 1, 2].map((at) => short(total.l?.[at])), short(total.c), short(total.o), short(total.p)];
    texts.forEach((text, at) => say(this.numbers[at], text, at === 1 ? tone(total.success) : ""));
    if (total.rps === undefined) return;
    this.curve.push(total.rps);
    if (this.curve.length > CURVE) this.curve.shift();
    const most = Math.max(...this.curve, 1);
    const first = CURVE - this.curve.length;
    const points = this.curve.map((value, at) => `${first + at} ${(38 - (36 * value) / most).toFixed(1)}`);
    this.path.setAttribute("d", `M${points.join("L")}`);
    this.spark.setAttribute("aria-label", `Requests per second of the last minute, ${short(most)} at most`);
  }
}

/** Seconds without a word after which a watch has been given up and begun anew, so that something is wrong. */
const OLD = 120;

/** What an API's watches are like, and whether that is bad. */
function watched(api) {
  const all = `${short(api.w)} watch${api.w === 1 ? "" : "es"}`;
  if (api.f > 0) return [`${short(api.f)} of ${all} get no answer; traffic goes by what was last known`, "bad"];
  if (api.a > OLD) return [`${all}, one without a word for ${short(api.a, 0)} s`, "poor"];
  return [all, ""];
}

/** A line for each Kubernetes API that names are asked of. */
function discovery(apis) {
  kubernetes.hidden = apis.length === 0;
  while (kubernetes.children.length > apis.length) kubernetes.lastChild.remove();
  while (kubernetes.children.length < apis.length) {
    kubernetes.append(make("li", {}, make("a", { href: "kubernetes_state.json" }), ": ", make("span")));
  }
  apis.forEach((api, at) => {
    const [link, , said] = kubernetes.children[at].childNodes;
    say(link, `Kubernetes ${api.n}`);
    say(said, ...watched(api));
  });
}

function show(now) {
  const seconds = before ? (now.t - before.t) / 1000 : 0;
  const old = new Map((before?.routers ?? []).map((router) => [router.name, router]));
  const names = new Set(now.routers.map((router) => router.name));
  for (const [name, panel] of panels) {
    if (!names.has(name)) {
      panel.element.remove();
      panels.delete(name);
    }
  }
  for (const router of now.routers) {
    let panel = panels.get(router.name);
    if (!panel) {
      panel = new Panel(router.name);
      panels.set(router.name, panel);
      home.append(panel.element);
    }
    panel.show(router, old.get(router.name), seconds);
  }
  discovery(now.kubernetes);
  choose(names);
  before = now;
}

/** Keeps the list of routers right, and shows those that are asked for. */
function choose(names) {
  const listed = [...chooser.options].slice(1).map((option) => option.value);
  if (listed.join("\n") !== [...names].join("\n")) {
    const chosen = chooser.value || wanted;
    chooser.replaceChildren(make("option", { value: "" }, "all"), ...[...names].map((name) => make("option", { value: name }, name)));
    chooser.value = names.has(chosen) ? chosen : "";
  }
  for (const [name, panel] of panels) panel.element.hidden = chooser.value !== "" && chooser.value !== name;
}

function listen() {
  source = new EventSource("admin/events");
  source.onmessage = (event) => {
    show(JSON.parse(event.data));
    home.classList.remove("stale");
    say(state, "Live");
  };
  source.onerror = () => {
    home.classList.add("stale");
    before = null;
    say(state, "No connection to the proxy; trying again …", "lost");
    // A refusal is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(restart, 5000);
  };
}

function restart() {
  source?.close();
  if (!document.hidden) listen();
}

chooser.addEventListener("change", () => {
  const url = new URL(location);
  if (chooser.value) url.searchParams.set("router", chooser.value);
  else url.searchParams.delete("router");
  history.replaceState(null, "", url);
  choose(new Set(panels.keys()));
});
filter.addEventListener("input", () => {
  for (const panel of panels.values()) {
    for (const table of Object.values(panel.tables)) {
      for (const [name, cells] of table.rows) cells.row.hidden = !name.toLowerCase().includes(filter.value.toLowerCase());
    }
  }
});
// Nobody looks at a hidden page: it needs no numbers.
document.addEventListener("visibilitychange", () => {
  before = null;
  restart();
});
listen();
