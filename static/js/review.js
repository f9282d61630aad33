// The review page: keys, the note, the clock of active seconds, and keeping a lease alive while at work.

import { Keys } from "./keys.js";

const stage = document.getElementById("stage");
const announce = document.getElementById("announce");
const failed = document.getElementById("failed");
const help = document.getElementById("keys");
const IDLE_MS = 60_000;
const RENEW_CHECK_MS = 15_000;

let busy = false;
let note = "";
let activeMs = 0;
let lastTick = performance.now();
let lastInput = performance.now();
let leaseEnds = 0;
let leaseSpan = 0;

const keys = new Keys(document, {
  isBusy: () => busy,
  onReady: () => { if (!busy && !stage.querySelector("[data-starting]")) stage.dataset.ready = "true"; },
  onKey(key) {
    if (key === "escape") return leaveNote();
    if (key === "?") { help.showModal(); return true; }
    const button = stage.querySelector(`[data-key="${CSS.escape(key)}"]:not([disabled])`);
    if (!button) return false;
    button.click();
    return true;
  },
});

function leaveNote() {
  if (document.activeElement?.id !== "note") return false;
  document.activeElement.blur();
  stage.querySelector("#case-title")?.focus({ preventScroll: true });
  return true;
}

function openNote(button) {
  const panel = document.getElementById("note-panel");
  const open = panel.hasAttribute("data-closed");
  panel.toggleAttribute("data-closed", !open);
  button.setAttribute("aria-expanded", String(open));
  if (open) panel.querySelector("textarea").focus();
}

// Whatever stands on the stage now: a new case, a message, or an end.
function painted() {
  busy = false;
  stage.removeAttribute("aria-busy");
  stage.dataset.ready = "false";
  keys.rearm();
  activeMs = 0;
  lastTick = performance.now();
  for (const opener of stage.querySelectorAll("[data-open]")) opener.hidden = false;
  const said = stage.querySelector("[data-announce]");
  const title = stage.querySelector("#case-title, #empty-title");
  announce.textContent = [said?.firstElementChild?.textContent.trim(), title?.textContent.trim()].filter(Boolean).join(" ");
  readLease();
  leaseSpan = leaseEnds - performance.now();
  if (title) document.title = `${title.textContent.trim()} · ReviewHub`;
}

// The server says how long is left; the computer's clock may be wrong, or be set meanwhile.
function readLease() {
  const lease = stage.querySelector("[data-lease-left]");
  leaseEnds = lease ? performance.now() + Number(lease.dataset.leaseLeft) * 1000 : 0;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
  const noted = event.target.closest("[data-note]");
  if (noted) openNote(noted);
});

for (const kind of ["keydown", "pointerdown", "pointermove", "scroll"]) {
  document.addEventListener(kind, () => { lastInput = performance.now(); }, { passive: true, capture: true });
}

// Seconds count only while the page is seen and somebody is there.
setInterval(() => {
  const now = performance.now();
  if (document.visibilityState === "visible" && now - lastInput < IDLE_MS) activeMs += now - lastTick;
  lastTick = now;
}, 250);

setInterval(async () => {
  const form = document.getElementById("decision");
  if (!form || !leaseEnds || busy) return;
  const left = leaseEnds - performance.now();
  const present = performance.now() - lastInput < IDLE_MS && document.visibilityState === "visible";
  if (left > leaseSpan / 2 || left <= 0 || !present) return;
  const answer = await fetch(form.dataset.renew, { method: "POST", body: new URLSearchParams({ csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value }) }).catch(() => null);
  if (answer?.ok && form.isConnected) {
    document.getElementById("lease").innerHTML = await answer.text();
    readLease();
  }
}, RENEW_CHECK_MS);

document.addEventListener("htmx:config:request", (event) => {
  const form = event.detail.ctx.sourceElement;
  if (form.id === "decision") event.detail.ctx.request.body.set("seconds", (activeMs / 1000).toFixed(1));
});

document.addEventListener("htmx:before:request", (event) => {
  if (event.detail.ctx.target !== stage) return;
  busy = true;
  failed.hidden = true;
  stage.setAttribute("aria-busy", "true");
  stage.dataset.ready = "false";
  note = document.getElementById("note")?.value ?? "";
});

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (ctx.target !== stage || ctx.response.status < 500) return;
  // The server broke: keep the case and the note on screen.
  event.preventDefault();
  stumble("The server could not store it.");
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx?.target === stage) stumble("The answer did not reach the server.");
});

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.target !== stage) return;
  painted();
  window.scrollTo({ top: 0, behavior: "instant" });
  stage.querySelector("#case-title, #empty-title")?.focus({ preventScroll: true });
});

function stumble(text) {
  busy = false;
  stage.removeAttribute("aria-busy");
  stage.dataset.ready = "true";
  failed.querySelector("[data-failed-text]").textContent = text;
  failed.hidden = false;
  const field = document.getElementById("note");
  if (field && note) field.value = note;
}

painted();
