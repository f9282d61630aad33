// Cases that leave one's hands without an answer: skipped, passed on, all of them in one's own pause.

import { parse } from "./deck.js";
import { retake } from "./holding.js";
import { page } from "./page.js";
import { advance, blank, ended, paint } from "./stage.js";
import { clone, say, unnotice } from "./states.js";
import { letGo } from "./tabs.js";

// Free for others; an answer of before that the server may have is taken back first, and what it hands out again freed.
function passOver(slots, reason) {
  for (const slot of slots) {
    page.outbox.recall(slot.token).then((answer) => {
      const [again] = answer?.body?.card ? parse(answer.body.card).slots : [];
      page.deck.giveBack([again ?? slot], reason);
    });
  }
}

export function skip() {
  const slot = page.current;
  if (!slot?.token) return;
  page.current = null;
  passOver([slot], "skipped");
  page.deck.worked(performance.now() - slot.paintedAt);
  say("Skipped. Others see it first.");
  advance("Skipped.");
}

// To a lead or a colleague; the server has done it.
export function passedOn(told) {
  const slot = page.current;
  letGo(`lease:${slot.token}`);
  page.current = null;
  say(told);
  advance(told);
}

// ---- pausing: until one resumes, or a case comes on the stage by itself ----

export function pause() {
  if (page.paused) return;
  const { current, deck, outbox } = page;
  page.paused = { slot: current };
  deck.stopped = true;
  const back = [current, ...deck.slots].filter(Boolean);
  deck.slots = [];
  passOver(back.filter((slot) => outbox.recalls.has(slot.token)), "paused");
  deck.giveBack(back.filter((slot) => !outbox.recalls.has(slot.token)), "paused");
  unnotice("ending", "expired", "slow");
  ended(clone("own-pause"));
}

function unpause() {
  const { slot } = page.paused;
  page.paused = null;
  page.deck.stopped = false;
  page.deck.dryAt = -Infinity;
  return slot;
}

export async function resume() {
  if (!page.paused) return;
  const slot = unpause();
  blank();
  if (slot && (await retake(slot))) return paint(slot);
  advance();
}

// A case that comes on the stage ends the pause, as by undo; the one that was in hand follows it, if it is still free.
export async function goOn(slot) {
  const { deck } = page;
  const before = unpause();
  if (!before || before === slot) return;
  deck.stopped = true; // else it could be claimed a second time, as the next one
  const free = await retake(before);
  if (page.paused) { if (free) deck.giveBack([before], "paused"); return; }
  deck.stopped = false;
  if (free) deck.putBack(before);
  if (!page.current && !page.looking) advance(); else deck.refill();
}
