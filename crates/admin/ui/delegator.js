// The dtab page: asks where a name leads, and draws the answer.
import { make, say } from "./page.js";

const [external, base] = [...document.querySelectorAll("script[type='application/json']")].map((block) => JSON.parse(block.textContent));
const find = (id) => document.getElementById(id);
const [chooser, path, dtab, edited, outcome] = ["router", "path", "dtab", "edited", "outcome"].map(find);

/** A dtab's text, one entry on a line. */
function written(entries) {
  return (entries ?? []).map(({ prefix, dst }) => `${prefix} => ${dst} ;\n`).join("");
}

function isEdited() {
  return dtab.value.trim() !== written(base[chooser.value]).trim();
}

function tell() {
  say(edited, isEdited() ? "Edited: tried out on this page only." : "As it is served.");
}

function choose(router) {
  chooser.value = router in base ? router : Object.keys(base)[0];
  const own = written(external[chooser.value]);
  find("external").hidden = own === "";
  find("external-dtab").textContent = own;
}

/** The question stands in the address: `?router=a#/svc/web`, an edited dtab behind it; none of it but the router is sent. */
function read() {
  const [name, ...rest] = location.hash.slice(1).split("&dtab=");
  const decode = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  choose(new URLSearchParams(location.search).get("router") ?? "");
  path.value = decode(name);
  dtab.value = rest.length ? decode(rest.join("&dtab=")) : written(base[chooser.value]);
  tell();
}

function address() {
  const url = new URL(location);
  url.searchParams.set("router", chooser.value);
  const encode = (text) => encodeURIComponent(text).replaceAll("%2F", "/");
  url.hash = encode(path.value) + (isEdited() ? `&dtab=${encodeURIComponent(dtab.value)}` : "");
  history.replaceState(null, "", url);
}

let asked = 0;

async function ask() {
  if (!path.value) return;
  address();
  const number = ++asked;
  say(outcome, "Asking …");
  const question = { router: chooser.value, path: path.value };
  if (isEdited()) question.base = dtab.value;
  try {
    const answer = await fetch("explain.json", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question),
    });
    const text = await answer.text();
    if (number !== asked) return;
    if (answer.ok) show(JSON.parse(text));
    else fail(answer.status === 404 ? "`admin.security` does not allow this here." : text.trim() || `Status ${answer.status}.`);
  } catch (error) {
    if (number === asked) fail(`No answer: ${error.message}`);
  }
}

function fail(text) {
  for (const id of ["choices", "tree", "lint"]) find(id).replaceChildren();
  say(outcome, text, "error");
}

function percent(share) {
  const value = 100 * share;
  return value > 0 && value < 0.01 ? "<0.01 %" : `${Number(value.toFixed(2))} %`;
}

function addresses(addr) {
  if (!addr) return "";
  if (addr.type === "bound") {
    const all = (addr.addrs ?? []).map((one) => (one.ip.includes(":") ? `[${one.ip}]:${one.port}` : `${one.ip}:${one.port}`));
    const shown = all.slice(0, 8).join(", ");
    return all.length === 0 ? "no addresses" : all.length > 8 ? `${shown} and ${all.length - 8} more` : shown;
  }
  if (addr.type === "neg") return "there are no such addresses";
  return addr.type === "pending" ? "addresses not known yet" : `addresses not known: ${addr.message ?? addr.type}`;
}

const WHAT = {
  rewritten: () => "possible resolution path",
  alternatives: (step) => `${step.children?.length ?? 0} possible resolution paths; the first that is known counts`,
  union: () => "several simultaneous resolution paths, by their weights",
  replicas: (step) => `bound to ${step.id}${step.residual && step.residual !== "/" ? ` (residual: ${step.residual})` : ""}: ${addresses(step.addr)}`,
  transformed: (step) => `changed by ${step.transformer}`,
  empty: () => "nobody ($)",
  fail: () => "explicit failure (!)",
  unknown: (step) => `no further branch matches: ${step.message}`,
  pending: () => "not answered yet",
  failure: (step) => `exception: ${step.message}`,
};
const FATE = {
  taken: () => undefined,
  passedOver: () => ["passed over", "it is not known, so the next is tried"],
  notTried: (step) => ["not tried", step.winner ? `number ${step.winner} comes first and is known` : "another comes first"],
  leftOut: () => ["left out", "it is not known or fails, so the others share its part"],
};
const BAD = ["empty", "fail", "failure", "pending"];

function place(entry) {
  if (entry.place) return `${entry.place.file}:${entry.place.line}:${entry.place.column}`;
  return `entry ${entry.index + 1} of the ${entry.dtab}'s dtab`;
}

function item(step, number) {
  const fate = FATE[step.fate]?.(step);
  const alive = step.probability > 0;
  const end = !step.children;
  const bound = step.type === "replicas";
  const works = bound && step.addr?.type === "bound" && (step.addr.addrs ?? []).length > 0;
  const tone = !alive ? "" : works ? "good" : end && (BAD.includes(step.type) || bound || step.type === "unknown") ? "bad" : "";
  const label = number === undefined ? "" : `${number}. `;
  const weight = step.weight === undefined ? "" : `${step.weight} * `;
  const parts = [make("span", { class: `path ${tone}` }, `${label}${weight}${step.path}`)];
  if (fate) parts.push(make("span", { class: "tag", title: fate[1] }, fate[0]));
  else if (end && alive) parts.push(make("span", { class: `tag ${tone}` }, `wins${step.probability < 1 ? ` ${percent(step.probability)}` : ""}`));
  const why = [WHAT[step.type]?.(step) ?? step.type, fate?.[1]].filter(Boolean).join("; ");
  parts.push(make("p", { class: `why ${tone}` }, why));
  if (step.entry) parts.push(make("p", { class: "by" }, make("code", {}, `${step.entry.prefix} => ${step.entry.dst}`), ` ${place(step.entry)}`));
  const children = step.children ?? [];
  if (children.length) {
    const numbered = step.type === "alternatives";
    parts.push(make("ul", {}, ...children.map((child, at) => item(child, numbered ? at + 1 : undefined))));
  }
  return make("li", { class: alive ? "" : "dim" }, ...parts);
}

function table(caption, heads, rows) {
  const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text))));
  const body = rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row", class: "name" }, first), ...rest.map((text) => make("td", {}, text))));
  const whole = make("table", { class: "texts" }, make("caption", {}, caption), head, make("tbody", {}, ...body));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, whole);
}

function show(answer) {
  // On a terminal they stand above the sentence.
  const conclusion = answer.conclusion.replace("addresses above", "addresses below");
  say(outcome, `${answer.name}: ${conclusion}`, answer.served ? "good" : "bad");
  const choices = answer.choices.map((one) => [one.id, percent(one.probability), one.residual && one.residual !== "/" ? one.residual : "–", addresses(one.addr)]);
  find("choices").replaceChildren(...(choices.length ? [table("Where requests go", ["id", "share", "residual", "addresses"], choices)] : []));
  const note = answer.incomplete ? [make("p", { class: "note" }, `The tree does not show all: ${answer.incomplete}`)] : [];
  find("tree").replaceChildren(make("h3", {}, "How the name was followed"), ...note, make("ul", { class: "tree" }, item(answer.tree)));
  const lint = (answer.lint ?? []).map((one) => make("li", {}, make("strong", { class: one.severity === "error" ? "bad" : "" }, `${one.severity}: `), make("code", {}, one.entry), ` ${one.message}. ${one.advice}`));
  find("lint").replaceChildren(...(lint.length ? [make("h3", {}, "What is odd about the dtab"), make("ul", {}, ...lint)] : []));
}

chooser.replaceChildren(...Object.keys(base).map((router) => make("option", { value: router }, router)));
find("question").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
chooser.addEventListener("change", () => {
  choose(chooser.value);
  dtab.value = written(base[chooser.value]);
  tell();
  ask();
});
dtab.addEventListener("input", tell);
find("reset").addEventListener("click", () => {
  dtab.value = written(base[chooser.value]);
  tell();
  ask();
});
addEventListener("hashchange", () => {
  read();
  ask();
});
read();
ask();
