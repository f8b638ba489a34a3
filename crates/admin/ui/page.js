// What the scripts of all pages need: elements made from text, never from HTML.

/** An element with attributes and children; texts become text nodes. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** Sets a text only where it is another one, so that selections and screen readers are left in peace. */
export function say(element, text, tone = "") {
  if (element.textContent !== text) element.textContent = text;
  if (element.className !== tone) element.className = tone;
}

/** A short number for people. */
export function short(value, digits = 1) {
  if (value === undefined || value === null || !Number.isFinite(value)) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return Number.isInteger(value) || value >= 100 ? String(Math.round(value)) : value.toFixed(digits);
}
