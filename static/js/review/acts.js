// What the buttons and the keys of the page do.

import { Keys } from "../keys.js";
import { comment, showHidden } from "./card.js";
import { choose, commitChosen, reveal } from "./deciding.js";
import { closeDrawer, closes, openDrawer, passOnTo } from "./drawer.js";
import { faultOfNote, noteOf, openNote } from "./form.js";
import { look, lookAtOne, present, reopen, undo } from "./history.js";
import { keep, reclaim, takeNewer } from "./holding.js";
import { post } from "./http.js";
import { bound, page, root, stage } from "./page.js";
import { passedOn, pause, resume, skip } from "./passing.js";
import { backAgain } from "./polling.js";
import { lookAgain } from "./stage.js";
import { tell, unnotice } from "./states.js";

const help = document.getElementById("keys");
const passOn = document.getElementById("pass-on");

const ACTS = {
  commit: commitChosen,
  skip,
  undo,
  note: () => openNote(page.current),
  flag,
  why: fold,
  reveal,
  escalate: () => passOnTo("escalate", page.current, passedOn),
  hand_over: () => passOnTo("hand_over", page.current, passedOn),
  previous: () => look(1),
  next: () => look(-1),
  present,
  reopen: () => reopen(page.looking.pk),
  guidelines: () => openDrawer("guidelines"),
  history: () => openDrawer("history"),
  help: () => { help.showModal(); help.scrollTop = 0; },
  more: (button) => button.setAttribute("aria-expanded", String(button.closest(".bar").toggleAttribute("data-open"))),
  keep,
  reclaim: () => reclaim(page.current),
  pause,
  resume,
  look: lookAgain,
  retry: () => page.outbox.retry(),
  dismiss: () => unnotice("conflict", "superseded"),
  newer: (button) => { unnotice("superseded"); takeNewer(button.dataset.token); },
  "copy-request": (button) => navigator.clipboard?.writeText(page.outbox.request).then(() => { button.textContent = "Copied"; }),
  "signed-in": backAgain,
  close: () => passOn.close(),
};

function flag(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  post(`${page.current.token}/flag/`, { on: on ? "1" : "0" }).then((answer) => {
    if (answer.kind !== "ok") button.setAttribute("aria-pressed", String(!on));
    tell(answer.body?.told ?? "The server did not answer. Nothing was flagged.");
  });
}

function fold() {
  const folded = root.dataset.folded !== "1";
  root.dataset.folded = folded ? "1" : "0";
  for (const slot of [page.current, ...page.deck.slots].filter(Boolean)) slot.node.querySelector(".case-model").toggleAttribute("data-folded", folded);
  post("fold/", { folded: folded ? "1" : "0" });
}

// Escape leaves the note with its text kept, then the history, then a comment.
function leave() {
  const focused = document.activeElement;
  const noting = focused?.closest("#note-panel");
  if (!noting && page.looking) { present(); return true; }
  if (!noting && focused?.id !== "comment") return false;
  if (noting && !noteOf(page.current)) openNote(page.current, false);
  page.current.node.querySelector("#case-title").focus({ preventScroll: true });
  return true;
}

// The button of a key: in a notice before those of the case.
function buttonOf(key) {
  const found = [...document.querySelectorAll(`:is(#stage, [data-notices], .review-tools) [data-key="${CSS.escape(key)}"]`)].filter((one) => !one.disabled);
  return found.find((one) => one.closest("[data-notices]")) ?? found[0];
}

function press(key) {
  if (key === "escape") return leave();
  const button = buttonOf(key);
  if (!button) return false;
  page.pressed = "key";
  button.click();
  page.pressed = "";
  return true;
}

function onClick(event) {
  const act = event.target.closest("[data-act]");
  if (act && act.closest("#review")) {
    event.preventDefault();
    ACTS[act.dataset.act]?.(act);
    return;
  }
  const answer = event.target.closest("#decision [name=answer]");
  if (answer) { event.preventDefault(); if (!page.busy) choose(answer); return; }
  const hidden = event.target.closest("#stage [data-feature]");
  if (hidden) { if (page.current && !page.looking) showHidden(hidden, page.current); return; }
  const row = event.target.closest("[data-look], [data-reopen]");
  if (row) { closeDrawer(); if (row.dataset.look) lookAtOne(row.dataset.look); else reopen(row.dataset.reopen); }
}

function onSubmit(event) {
  if (!event.target.closest("#stage")) return;
  event.preventDefault();
  if (event.target.matches(".own-comment") && page.current && !page.looking) comment(event.target, page.current);
}

// Keys that no button has: the one that closes the drawer it opened, and undo as everywhere.
function onKeydown(event) {
  if (event.defaultPrevented || event.repeat || event.target.matches?.("input, textarea, select")) return;
  const key = event.key.toLowerCase();
  if (document.querySelector("dialog[open]")) {
    if (closes(key, bound)) event.preventDefault();
    return;
  }
  const undoes = key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  if (undoes && Object.keys(bound).length) {
    event.preventDefault();
    undo();
  }
}

export function listen() {
  page.keys = new Keys(document, {
    isBusy: () => page.busy,
    onReady: () => { if (!page.busy) stage.dataset.ready = "true"; },
    onKey: press,
  });
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", onKeydown);
  document.addEventListener("input", (event) => { if (event.target.id === "note") faultOfNote(page.current); });
}
