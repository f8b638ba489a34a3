// The levels of the loggers, as buttons.
import { make, say } from "./page.js";

const LEVELS = ["OFF", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE", "ALL"];
const SAME = { WARN: "WARNING", FATAL: "ERROR", CRITICAL: "ERROR" };
const state = document.getElementById("state");
const table = document.getElementById("loggers");

async function ask(method, query = "") {
  const answer = await fetch(`logging.json${query}`, { method });
  if (!answer.ok) throw new Error(answer.status === 404 ? "`admin.security` does not allow this here" : `status ${answer.status}`);
  return answer.json();
}

function show(loggers) {
  const rows = loggers.map(({ logger, level }) => {
    const buttons = LEVELS.filter((name) => shown(name, level)).map((name) => {
      const pressed = name === (SAME[level] ?? level);
      const button = make("button", { type: "button", "aria-pressed": String(pressed), "aria-label": `${logger}: ${name}` }, name);
      button.addEventListener("click", () => set(logger, name));
      return button;
    });
    return make("tr", {}, make("th", { scope: "row", class: "name" }, logger), make("td", {}, make("div", { class: "levels" }, ...buttons)));
  });
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = false;
}

/** The usual levels, and whichever is set. */
function shown(name, level) {
  return !["ALL"].includes(name) || name === level;
}

async function set(logger, level) {
  try {
    const levels = await ask("POST", `?${new URLSearchParams({ logger, level })}`);
    show(levels);
    const now = levels.find((one) => one.logger === logger)?.level;
    const taken = (SAME[now] ?? now) === level;
    say(state, taken ? `${logger} is ${level} now.` : `${logger} stays ${now}: this process does not set levels.`);
    const button = [...table.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === `${logger}: ${level}`);
    button?.focus();
  } catch (error) {
    say(state, `The level was not set: ${error.message}.`, "error");
  }
}

try {
  show(await ask("GET"));
  say(state, "");
} catch (error) {
  say(state, `The levels are not to be had: ${error.message}.`, "error");
}
