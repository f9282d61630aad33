// Cases as detached pieces of the page: the one in hand and the few claimed ahead of it.

import { post } from "./http.js";
import { letGo, seize } from "./tabs.js";

const DRY_MS = 15_000;
const MOST = 5;
const FORGETS = 0.9;

// A case with its lease, made from a fragment of the server.
class Slot {
  constructor(node) {
    this.take(node);
    this.opened = 0;
    this.activeMs = 0;
    this.firstInput = null;
  }

  take(node) {
    const { token, name, left, span, mode, first } = node.dataset;
    Object.assign(this, { node, token, name, mode, first: first ?? "" });
    this.hidden = "hidden" in node.dataset;
    this.twoKeys = "twoKeys" in node.dataset;
    this.span = Number(span);
    this.limited = false;
    this.renewed(Number(left));
  }

  // The server says how long is left; the computer's clock may be wrong, or be set meanwhile.
  renewed(left) {
    this.granted = left;
    this.ends = performance.now() + left * 1000;
    this.over = false;
  }

  get left() {
    return (this.ends - performance.now()) / 1000;
  }
}

export function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const slots = [...holder.content.querySelectorAll(".slot")].map((node) => new Slot(node));
  return { slots, end: holder.content.querySelector(".empty") };
}

export class Deck {
  constructor({ ahead, escalated, onSlots, onTrouble }) {
    Object.assign(this, { ahead, escalated, onSlots, onTrouble });
    this.slots = [];
    this.end = null;
    this.dryAt = -Infinity;
    this.pace = Infinity; // ms a case, of late
    this.delay = 0; // ms a claim takes: the worst of late
    this.claiming = false;
    this.flight = null; // the claim on its way
    this.awaited = false;
    this.stopped = false;
  }

  // How long the person had a case in hand.
  worked(ms) {
    this.pace = this.pace === Infinity ? ms : 0.6 * this.pace + 0.4 * ms;
  }

  // As many as the person wishes; more where they go through them faster than claims come, within bounds.
  get depth() {
    const needed = Math.ceil((2 * this.delay) / this.pace) + 1;
    return Math.max(this.ahead, Math.min(MOST, needed));
  }

  // Where the queue ran dry not again for a while, unless the person waits. One claim at a time: two at once could get
  // two places of the same case. So with enough in hand it is put off until it brings more than one.
  async refill(waiting = false) {
    const lacking = this.depth - this.slots.length + (waiting ? 1 : 0);
    // Whoever waits by now waits for the claim that is on its way, and for what becomes of it.
    if (this.claiming) { this.awaited ||= waiting; return; }
    if (this.stopped || lacking < 1 || (lacking < 2 && this.slots.length > 2)) return;
    if (!waiting && performance.now() - this.dryAt < DRY_MS) return;
    this.claiming = true;
    this.awaited = waiting;
    const since = performance.now();
    // Who waits gets the first of them sooner; the rest follows.
    const count = Math.min(lacking, waiting ? this.ahead + 1 : MOST);
    this.flight = post("cards/", { count: String(count), ...(this.escalated ? { escalated: "1" } : {}) });
    const answer = await this.flight;
    this.claiming = false;
    if (answer.kind !== "ok") { this.onTrouble(answer, this.awaited); return; }
    this.delay = Math.max(performance.now() - since, FORGETS * this.delay);
    const { slots, end } = parse(answer.body);
    if (!slots.length && !end) { this.onTrouble({ kind: "broken" }, this.awaited); return; }
    if (this.stopped) { this.giveBack(slots, "paused"); return; }
    for (const slot of slots) seize(`lease:${slot.token}`);
    this.slots.push(...slots);
    this.end = end;
    this.dryAt = end ? performance.now() : -Infinity;
    this.onSlots();
    this.refill();
  }

  // A case under the token it had, after the claim on its way: that may bring the same case.
  async again(token) {
    await this.flight;
    return post("cards/", { again: token });
  }

  next() {
    for (;;) {
      const slot = this.slots.shift();
      if (slot === undefined || slot.opened || slot.left > 1) return slot ?? null;
      letGo(`lease:${slot.token}`);
    }
  }

  putBack(slot) {
    this.slots.unshift(slot);
  }

  drop(token) {
    this.slots = this.slots.filter((slot) => slot.token !== token);
  }

  // Free what nobody has seen, or what is passed over.
  async giveBack(slots, reason = "unseen") {
    const tokens = slots.map((slot) => slot.token).filter(Boolean);
    if (!tokens.length) return;
    for (const token of tokens) letGo(`lease:${token}`);
    const answer = await post("give-back/", { tokens: tokens.join(","), reason });
    if (answer.kind === "offline" || answer.kind === "broken") setTimeout(() => post("give-back/", { tokens: tokens.join(","), reason }), 3_000);
  }
}

// The cases this person has open and no living tab shows: this tab's own first.
export async function orphans(held, mine) {
  const own = mine.filter((token) => held.includes(token));
  const found = [];
  for (const token of [...own, ...held.filter((one) => !own.includes(one))]) {
    let free = await seize(`lease:${token}`);
    for (let tries = 0; !free && own.includes(token) && tries < 3; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      free = await seize(`lease:${token}`);
    }
    if (free) found.push(token);
  }
  if (!found.length) return [];
  const answer = await post("cards/", { tokens: found.join(",") });
  if (answer.kind !== "ok") return [];
  const { slots } = parse(answer.body);
  return slots.sort((a, b) => found.indexOf(a.token) - found.indexOf(b.token));
}
