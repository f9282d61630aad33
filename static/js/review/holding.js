// The case in hand and its lease: from being seen until somebody else has it.

import { askToSignIn } from "./access.js";
import { parse } from "./deck.js";
import { listLate } from "./drawer.js";
import { carry, mark, noteOf } from "./form.js";
import { post } from "./http.js";
import * as leases from "./lease.js";
import { page } from "./page.js";
import { advance, paint } from "./stage.js";
import { notUsed, notice, say, unnotice } from "./states.js";
import { letGo, seize } from "./tabs.js";

export function takeInHand(slot) {
  if (!slot.opened) { slot.opened = Date.now(); tellOpened(slot); }
  if (slot.over) over(slot);
}

// The case counts as seen from here on.
export async function tellOpened(slot) {
  if (slot.opening) return;
  slot.opening = true;
  const { token } = slot;
  const answer = await post(`${token}/open/`);
  slot.opening = false;
  if (slot.token !== token) { tellOpened(slot); return; }
  slot.unheard = answer.kind === "offline" || answer.kind === "broken";
  if (answer.kind === "ok") leases.show(slot, answer.body);
  else if (answer.kind === "signed-out") askToSignIn(answer);
  else if (answer.kind === "refused" && page.current === slot) {
    // A lease that ran out may have been claimed ahead again meanwhile, under another token.
    if (["lease_expired", "lease_lost"].includes(answer.body.code)) reclaim(slot, answer.body.told);
    else gone(slot, answer.body);
  }
}

export const keep = () => leases.keep(page.current, { onOver: over, onGone: gone });

export function over(slot) {
  slot.over = true;
  slot.node.classList.add("over");
  if (page.current === slot && !page.looking) notice("expired");
}

export async function reclaim(slot, told = `${slot.name} is with somebody else now.`) {
  const answer = await page.deck.again(slot.token);
  if (answer.kind !== "ok") {
    if (answer.kind === "signed-out") askToSignIn(answer);
    else say("The server did not answer. Try again.");
    return;
  }
  const fresh = parse(answer.body).slots[0];
  if (!fresh) return gone(slot, { told });
  letGo(`lease:${slot.token}`);
  page.deck.drop(fresh.token);
  const former = slot.node.querySelector(".was")?.value;
  holdAnew(slot, fresh);
  if (former) mark(slot, former);
  unnotice("expired");
  if (page.current === slot) paint(slot, { told: "It is yours again." });
}

// A case that was given back, if it is still free.
export async function retake(slot) {
  const answer = await page.deck.again(slot.token);
  const fresh = answer.kind === "ok" ? parse(answer.body).slots[0] : null;
  if (fresh) holdAnew(slot, fresh);
  return Boolean(fresh);
}

// The same case under its new lease, with what was typed.
function holdAnew(slot, fresh) {
  carry(slot.node, fresh.node);
  slot.take(fresh.node);
  slot.opened = 0;
  seize(`lease:${slot.token}`);
}

// Somebody else has it or it was withdrawn: what was typed is kept as a draft in the drawer.
export function gone(slot, { code = "", told }) {
  letGo(`lease:${slot.token}`);
  const note = noteOf(slot);
  unnotice("expired", "ending");
  if (note || slot.over) listLate(told, page.selected?.dataset.label ?? "", note);
  notUsed({ code, told, note });
  page.deck.drop(slot.token);
  if (page.current === slot) { page.current = null; advance(told); }
}

// The case that replaced one that was withdrawn.
export async function takeNewer(token) {
  const answer = await post("cards/", { newer: token });
  const fresh = answer.kind === "ok" ? parse(answer.body).slots[0] : null;
  if (!fresh) return say("The new one is not free.");
  if (page.current?.token === fresh.token) return;
  page.deck.drop(fresh.token);
  if (page.current) page.deck.putBack(page.current);
  seize(`lease:${fresh.token}`);
  paint(fresh);
}
