// What became of the decisions that were sent.

import { listLate } from "./drawer.js";
import { faultOfNote, mark, openNote } from "./form.js";
import { bound, page, slug } from "./page.js";
import { advance, paint } from "./stage.js";
import { announce, counts, notUsed, notice, say } from "./states.js";
import { letGo } from "./tabs.js";

export function stored(entry, result, around) {
  letGo(`lease:${entry.token}`);
  if (around.done !== undefined && entry.slug === slug) counts(around.done, around.waiting);
  if (result.status === "saved") { saved(entry, result); return; }
  const mine = page.past.find((one) => one.entry === entry);
  page.past.splice(page.past.indexOf(mine), mine ? 1 : 0);
  if (result.status === "invalid" && mine) invalid(mine, result.errors);
  else refused(entry, result);
}

function saved(entry, { lease, label }) {
  // A lease that had run out may have been claimed ahead again meanwhile.
  if (lease !== entry.token) {
    page.deck.drop(lease);
    letGo(`lease:${lease}`);
    if (page.current?.token === lease) { page.current = null; advance(); }
  }
  const told = `Saved: ${label ?? "can’t tell"}.`;
  say(`${told} Undo${bound.undo ? ` (${bound.undo.toUpperCase()})` : ""}.`);
  if (!page.busy) announce(told);
}

// The case comes back with its choice and its note, and the message stands at the field.
function invalid({ slot, answer }, errors) {
  if (page.current) page.deck.putBack(page.current);
  slot.over = slot.left <= 0;
  paint(slot);
  mark(slot, answer);
  const told = Object.values(errors)[0];
  if ("note" in errors || "rationale" in errors) {
    openNote(slot, true);
    faultOfNote(slot, told);
  }
  notice("invalid", { name: `${slot.name}:`, told });
}

function refused(entry, result) {
  const told = result.told || Object.values(result.errors ?? {})[0] || "It was not used.";
  listLate(told, entry.said ?? "", entry.note);
  notUsed({ code: result.code, told, note: entry.note });
  const newer = document.querySelector("[data-notices] [data-act=newer]");
  if (result.code === "withdrawn" && result.newer && newer) { newer.hidden = false; newer.dataset.token = entry.token; }
}
