// What one decided: taken back, looked at again, reopened.

import { askToSignIn } from "./access.js";
import { parse } from "./deck.js";
import { pastDecisions } from "./drawer.js";
import { mark } from "./form.js";
import { get, post } from "./http.js";
import { page, slug, stage } from "./page.js";
import { advance, ended, focusCase, paint, put, settle } from "./stage.js";
import { announce, clone, say, tell } from "./states.js";
import { seize } from "./tabs.js";

export async function undo() {
  if (page.busy) return;
  const { outbox, past } = page;
  const last = past.pop();
  if (last && takenOnTheSpot(last)) return;
  page.busy = true;
  stage.dataset.ready = "false";
  say("Taking it back…");
  if (last) await outbox.landed(last.entry); else await outbox.idle();
  page.busy = false;
  // It did not arrive, as far as anybody knows.
  if (last && takenOnTheSpot(last)) return;
  const pk = last ? last.entry.result?.decision : "";
  if (last && !pk) return settle();
  if (!last && outbox.count) {
    tell("Decisions still wait to be sent. Undo works again once they are.");
    return settle();
  }
  const answer = await takeBack(pk ? `${pk}/` : "");
  if (answer.kind === "ok") return takenBack(answer.body);
  if (last && answer.kind !== "refused") past.push(last);
  if (answer.kind === "signed-out") askToSignIn(answer);
  tell(answer.body?.told ?? "The server did not answer. Nothing was undone; press the key again.");
  settle();
}

// One that is not on its way needs no server to be taken back.
function takenOnTheSpot({ slot, entry, answer, said }) {
  if (!page.outbox.take(entry)) return false;
  bring(slot, answer, `Undone: ${said}. Decide again.`);
  return true;
}

async function takeBack(path) {
  page.busy = true;
  const answer = await post(`take-back/${path}`);
  page.busy = false;
  return answer;
}

function takenBack({ card, told, undone }) {
  const index = page.past.findIndex((one) => String(one.entry.result?.decision) === String(undone));
  if (index >= 0) page.past.splice(index, 1);
  say(told);
  const slot = card ? parse(card).slots[0] : null;
  if (!slot) { announce(told); return settle(); }
  seize(`lease:${slot.token}`);
  bring(slot, null, told);
}

// What was undone before the page was left is undone on the server too; the case comes next.
export function recalled({ card, told }, from) {
  say(told);
  const slot = card && from === slug ? parse(card).slots[0] : null;
  if (!slot) return;
  if (page.paused) { page.deck.giveBack([slot], "paused"); return; }
  seize(`lease:${slot.token}`);
  page.deck.putBack(slot);
  if (!page.current && !page.looking) advance();
}

// Back on the stage; what was in hand waits as the next one.
function bring(slot, answer, told) {
  if (page.current && page.current !== slot) page.deck.putBack(page.current);
  if (answer !== null) mark(slot, answer);
  slot.over = slot.left <= 0;
  say(told);
  paint(slot, { told });
}

// ---- looking back ----

let trail = null; // the decisions one walks through, the newest first

export async function look(step) {
  const { looking } = page;
  const where = looking ? looking.place + step : step - 1;
  if (!looking && step < 0) return;
  if (where < 0) return present();
  if (!looking) trail = await pastDecisions();
  if (!trail?.[where]) { tell("There is nothing earlier."); return; }
  await lookAt(trail[where], where);
}

// One by itself, as from the drawer.
export function lookAtOne(pk) {
  trail = null;
  return lookAt(pk);
}

async function lookAt(pk, where = 0) {
  const answer = await get(`history/${pk}/`);
  if (answer.kind !== "ok") return;
  const holder = document.createElement("template");
  holder.innerHTML = answer.body;
  const node = holder.content.querySelector(".slot");
  trail ??= [pk];
  page.looking = { pk, place: where, node };
  put(node);
  focusCase(node);
  announce(node.querySelector(".bar").textContent, node.dataset.name);
}

// Back from looking to the case in hand.
export function present() {
  page.looking = null;
  if (page.paused) ended(clone("own-pause"));
  else if (page.current) paint(page.current);
  else advance();
}

export async function reopen(pk) {
  const answer = await takeBack(`${pk}/`);
  page.looking = null;
  if (answer.kind === "ok") return takenBack(answer.body);
  tell(answer.body?.told ?? "The server did not answer. Nothing was undone.");
  present();
}
