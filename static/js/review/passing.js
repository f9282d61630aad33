// Cases that leave one's hands without an answer: skipped, given back, passed on.

import { parse } from "./deck.js";
import { page } from "./page.js";
import { advance } from "./stage.js";
import { say } from "./states.js";
import { letGo } from "./tabs.js";

// Free for others; an answer of before that the server may have is taken back first, and what it hands out again freed.
export function passOver(slots, reason) {
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
