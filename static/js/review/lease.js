// Time: the seconds somebody is at work, and leases kept alive while they are.

import { post } from "./http.js";
import { notice, unnotice } from "./states.js";

const IDLE_MS = 60_000;
const AWAY_MS = 5 * 60_000;
const CHECK_MS = 5_000;
const NOTICE_S = 120;

let lastInput = performance.now();
let lastTick = performance.now();
let renewing = false;
let tried = -Infinity;

const idleMs = () => performance.now() - lastInput;
const isPresent = () => document.visibilityState === "visible" && idleMs() < IDLE_MS;
export const isAround = () => document.visibilityState === "visible" && idleMs() < AWAY_MS;

// ``current()`` is the case on screen; ``deck`` holds those ahead; ``onOver(slot)`` dims one whose time has ended;
// ``onUnheard(slot)`` opens one again whose opening nobody answered.
export function watch({ current, isCounted, deck, onOver, onGone, onUnheard }) {
  const page = { current, deck, onOver, onGone, onUnheard };
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(kind, () => {
      lastInput = performance.now();
      const slot = current();
      if (slot && slot.firstInput === null && slot.paintedAt && kind !== "pointermove") slot.firstInput = (lastInput - slot.paintedAt) / 1000;
      if (slot && !slot.over && slot.left < warning(slot)) renew(slot, page);
    }, { passive: true, capture: true });
  }
  // Seconds count only while the page is seen and somebody is there.
  setInterval(() => {
    const now = performance.now();
    const slot = current();
    if (slot && isCounted() && isPresent()) slot.activeMs += now - lastTick;
    lastTick = now;
  }, 250);
  setInterval(() => check(page), CHECK_MS);
}

// By itself, now and then: a case that was just put on screen gets its full time by being opened, which is under way.
function renew(slot, page) {
  if (slot.opening || slot.limited || performance.now() - tried < CHECK_MS) return;
  tried = performance.now();
  if (slot.unheard) page.onUnheard(slot); else keep(slot, page);
}

const warning = (slot) => Math.min(NOTICE_S, slot.span / 3);

function check(page) {
  const slot = page.current();
  if (slot?.token && !slot.over) {
    if (slot.left <= 0) { slot.over = true; unnotice("ending"); page.onOver(slot); }
    else if (isPresent() && slot.left < slot.span / 2) renew(slot, page);
    else if (!isPresent() && slot.left < warning(slot)) notice("ending");
  }
  // Claimed ahead and unseen: kept while somebody is around, else free for others.
  if (!page.deck.slots.length) return;
  if (!isAround()) {
    const unseen = page.deck.slots.filter((one) => !one.opened);
    page.deck.slots = page.deck.slots.filter((one) => one.opened);
    page.deck.giveBack(unseen);
    return;
  }
  for (const ahead of page.deck.slots) {
    // Half of its time is left, or the next look would come too late.
    const due = Math.max((ahead.opened ? ahead.span : ahead.granted) / 2, (2 * CHECK_MS) / 1000);
    if (ahead.left <= 0 || ahead.left >= due || ahead.renewing || ahead.limited) continue;
    ahead.renewing = true;
    post(`${ahead.token}/keep/`).then((answer) => {
      ahead.renewing = false;
      if (answer.kind === "ok") ahead.renewed(answer.body.left);
      else if (answer.kind === "refused" && answer.body.code === "lease_limit") ahead.limited = true;
      else if (answer.kind === "refused") page.deck.drop(ahead.token);
    });
  }
}

export async function keep(slot, { onOver, onGone }) {
  if (renewing) return;
  renewing = true;
  const answer = await post(`${slot.token}/keep/`);
  renewing = false;
  if (answer.kind === "ok") {
    unnotice("ending");
    show(slot, answer.body);
  } else if (answer.kind === "refused" && answer.body.code === "lease_expired") {
    slot.over = true;
    unnotice("ending");
    onOver(slot);
  } else if (answer.kind === "refused" && answer.body.code === "lease_limit") {
    slot.limited = true;
  } else if (answer.kind === "refused") {
    onGone(slot, answer.body);
  }
}

export function show(slot, { left, until }) {
  slot.renewed(left);
  const field = slot.node.querySelector("[data-lease]");
  if (!field) return;
  field.textContent = `yours until ${until}`;
  field.dataset.lease = "held";
}
