// What the page says: the connection, one notice at a time over the bar, the toast, and the live region.

const place = document.querySelector("[data-notices]");
const announcer = document.getElementById("announce");
const toast = document.querySelector("[data-toast]");
const connection = document.querySelector("[data-connection]");
const link = document.querySelector(".review-link");

// The first of these that holds is shown: work at risk before advice.
const ORDER = ["not_saved", "offline", "expired", "invalid", "superseded", "conflict", "ending", "slow"];
const shown = new Map();
let current = null;

// Signs that would reorder what stands around them are shown by name, as the server does.
export const plain = (text) => String(text ?? "").replace(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `[U+${sign.codePointAt(0).toString(16).toUpperCase()}]`);

export function clone(name) {
  return document.getElementById(`state-${name}`).content.firstElementChild.cloneNode(true);
}

// Texts by the name of their data attribute; null hides the element.
export function fill(node, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const field = node.querySelector(`[data-${name}]`);
    if (!field) continue;
    if (typeof text === "boolean") field.hidden = !text;
    else { field.textContent = plain(text); field.hidden = false; }
  }
  return node;
}

export function notice(name, texts = {}) {
  shown.set(name, texts);
  render(name);
}

export function unnotice(...names) {
  for (const name of names) shown.delete(name);
  render();
}

// An answer that was not used, and the note that was written for it.
export function notUsed({ code, told, note }) {
  if (code === "withdrawn") notice("superseded", { told });
  else notice("conflict", { told, said: Boolean(note), "said-text": note });
}

function render(changed = "") {
  const name = ORDER.find((one) => shown.has(one)) ?? null;
  if (name === current && name !== changed) return;
  if (name !== null && name === current) { fill(place.firstElementChild, shown.get(name)); return; }
  current = name;
  place.replaceChildren(...(name === null ? [] : [fill(clone(name), shown.get(name))]));
  if (name !== null && !place.querySelector("[role=alert]")) announce(place.textContent);
}

export function say(text) {
  toast.textContent = plain(text);
}

export function announce(...parts) {
  announcer.textContent = plain(parts.filter(Boolean).map((part) => part.trim().replace(/\s+/g, " ")).join(" "));
}

// On the page and to screen readers.
export function tell(text) {
  say(text);
  announce(text);
}

export function counts(done, waiting) {
  document.querySelector("[data-done]").textContent = done;
  document.querySelector("[data-waiting]").textContent = waiting;
}

export function connected({ trouble, count, slow, request, full }) {
  link.dataset.unsent = count;
  const kind = trouble === "offline" ? "offline" : ["broken", "signed-out", "forbidden"].includes(trouble) ? "not-saved" : slow ? "saving" : "ok";
  const words = { ok: "connected", saving: `saving ${count}`, offline: `offline, ${count} wait`, "not-saved": `not saved, ${count} wait` };
  if (link.dataset.kind !== kind || connection.textContent !== words[kind]) {
    link.dataset.kind = kind;
    connection.textContent = words[kind];
  }
  if (kind === "offline" && count) notice("offline", { waits: `${count} decision${count === 1 ? " waits" : "s wait"}.`, request, full: Boolean(full) });
  else unnotice("offline");
  if ((trouble === "broken" || trouble === "forbidden") && count) notice("not_saved", { request, again: trouble === "broken", stopped: trouble === "forbidden" });
  else unnotice("not_saved");
}
