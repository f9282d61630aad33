// What stands on the stage: a case, why there is none, or a sign that one is on its way.

import { base, get } from "./http.js";
import { page, remember, slug, stage } from "./page.js";
import { announce, clone, notice, plain, unnotice } from "./states.js";

const SKELETON_MS = 150;
export const SLOW_MS = 4_000;

let painted = () => {};

// What else happens once a case stands on the stage.
export function whenPainted(act) {
  painted = act;
}

export function paint(slot, { told = "" } = {}) {
  Object.assign(page, { busy: false, current: slot, looking: null, selected: null });
  slot.paintedAt = performance.now();
  unnotice("slow", "ending", "expired", "invalid");
  stage.removeAttribute("aria-busy");
  put(slot.node);
  focusCase(slot.node);
  setTitle(`Case ${plain(slot.name)}`);
  announce(told, slot.name);
  lateExplanation(slot);
  painted(slot);
  remember();
  page.deck.refill();
}

// The next case, or why there is none; asks the server where nothing is there yet.
export function advance(told = "") {
  const { deck } = page;
  const slot = deck.next();
  if (slot) return paint(slot, { told });
  if (deck.end && !deck.claiming && performance.now() - deck.dryAt < 1_500) return ended(deck.end, told);
  blank();
  announce(told);
  deck.refill(true);
}

// Asks the server anew, whatever it said before.
export function lookAgain() {
  Object.assign(page.deck, { stopped: false, dryAt: -Infinity, end: null });
  unnotice("slow");
  blank();
  advance();
}

export function blank() {
  page.busy = true;
  page.current = null;
  stage.dataset.ready = "false";
  stage.setAttribute("aria-busy", "true");
  stage.replaceChildren();
  const since = performance.now();
  setTimeout(() => { if (!stage.firstElementChild && performance.now() - since >= SKELETON_MS - 5) stage.replaceChildren(clone("loading")); }, SKELETON_MS);
  setTimeout(() => { if (stage.querySelector("[data-loading]")) notice("slow"); }, SLOW_MS);
}

export function ended(node, told = "") {
  Object.assign(page, { busy: false, current: null, looking: null });
  unnotice("slow", "ending", "expired");
  stage.removeAttribute("aria-busy");
  put(node);
  const heading = node.querySelector("#empty-title");
  heading.focus({ preventScroll: true });
  setTitle(heading.textContent.trim());
  announce(told, heading.textContent);
  remember();
}

// Keys wait until whatever is held is let go.
export function put(node) {
  stage.dataset.ready = "false";
  stage.replaceChildren(node);
  page.keys.rearm();
}

// Keys work again on whatever stands there.
export function settle() {
  stage.dataset.ready = "false";
  page.keys.rearm();
  if (!stage.firstElementChild && !page.current) advance();
}

export function focusCase(node) {
  window.scrollTo({ top: 0, behavior: "instant" });
  node.querySelector("#case-title").focus({ preventScroll: true });
}

function setTitle(what) {
  page.title = `${what}, ${slug} · ReviewHub`;
  document.title = page.title;
}

// An explanation that was not ready comes into the space kept for it.
export function lateExplanation(slot, delay = 400) {
  const place = slot.node.querySelector("[data-late-url]");
  if (!place) return;
  setTimeout(async () => {
    if (page.current !== slot || !place.isConnected) return;
    const { pathname, search } = new URL(place.dataset.lateUrl, location.href);
    const answer = await get(pathname.replace(base, "") + search);
    if (answer.kind !== "ok" || !place.isConnected) return;
    const holder = document.createElement("template");
    holder.innerHTML = answer.body;
    place.replaceWith(holder.content);
    lateExplanation(slot, 4_000);
  }, delay);
}
