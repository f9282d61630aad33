// The review page: one case, one key, the next case already there.
//
// A key paints the next case at once; the decision goes out through the outbox. The server makes every case (a piece of
// HTML), this file moves them about.

import { Keys } from "../keys.js";
import { comment, showHidden } from "./card.js";
import { Deck, Slot, orphans, parse } from "./deck.js";
import { closeDrawer, closes, listLate, openDrawer, passOnTo, pastDecisions } from "./drawer.js";
import { beacon, get, me, post, signIn, state } from "./http.js";
import * as leases from "./lease.js";
import { Outbox } from "./outbox.js";
import { announce, clone, connected, fill, has, notice, plain, say, unnotice } from "./states.js";
import { letGo, ownTab, seize } from "./tabs.js";

const root = document.getElementById("review");
const stage = document.getElementById("stage");
const help = document.getElementById("keys");
const signedOut = document.getElementById("signed-out");
const passOn = document.getElementById("pass-on");
const bound = JSON.parse(root.dataset.keys);
const POLL_MS = 15_000;
const SKELETON_MS = 150;
const SLOW_MS = 4_000;
const REMEMBERED = 20;

let current = null; // the case in hand
let looking = null; // a case of one's history that stands on the stage instead
let selected = null; // the label chosen where two keys are asked for
let busy = true;
let paused = null;
let pressed = ""; // how the click that is being handled came about
let undoable = root.dataset.undoable;
let title = document.title;
const past = []; // what this tab decided, the newest last

const keys = new Keys(document, {
  isBusy: () => busy,
  onReady: () => { if (!busy) stage.dataset.ready = "true"; },
  onKey(key) {
    if (key === "escape") return leave();
    const button = [...document.querySelectorAll(`#stage [data-key="${CSS.escape(key)}"], [data-notices] [data-key="${CSS.escape(key)}"], .review-tools [data-key="${CSS.escape(key)}"]`)]
      .filter((one) => !one.disabled).sort((a, b) => rank(a) - rank(b))[0];
    if (!button) return false;
    pressed = "key";
    button.click();
    pressed = "";
    return true;
  },
});
const rank = (button) => (button.closest("[data-notices]") ? 0 : 1);

const deck = new Deck({
  ahead: Number(root.dataset.ahead),
  escalated: "escalated" in root.dataset,
  onSlots() {
    deck.slots = deck.slots.filter((slot) => slot.token !== current?.token);
    if (!current && !looking && !paused) advance();
    remember();
  },
  onTrouble(answer, waiting) {
    if (answer.kind === "signed-out") askToSignIn(answer);
    else if (answer.kind === "forbidden") notAllowed();
    else if (waiting) { notice("slow"); setTimeout(() => { if (!current && !paused) deck.refill(true); }, SLOW_MS); }
  },
});

let outbox = null;

// ---- showing ----

function paint(slot, { told = "" } = {}) {
  if (paused) goOn(slot);
  busy = false;
  current = slot;
  looking = null;
  selected = null;
  slot.paintedAt = performance.now();
  unnotice("slow", "ending", "expired", "invalid");
  stage.dataset.ready = "false";
  stage.replaceChildren(slot.node);
  stage.removeAttribute("aria-busy");
  keys.rearm();
  window.scrollTo({ top: 0, behavior: "instant" });
  slot.node.querySelector("#case-title").focus({ preventScroll: true });
  title = `Case ${plain(slot.name)}, ${root.dataset.slug} · ReviewHub`;
  document.title = title;
  announce(told, slot.name);
  if (!slot.opened) { slot.opened = Date.now(); opened(slot); }
  lateExplanation(slot);
  if (slot.over) over(slot);
  remember();
  deck.refill();
}

// The case counts as seen from here on.
async function opened(slot) {
  if (slot.opening) return;
  slot.opening = true;
  const { token } = slot;
  const answer = await post(`${token}/open/`);
  slot.opening = false;
  if (slot.token !== token) { opened(slot); return; }
  slot.unheard = answer.kind === "offline" || answer.kind === "broken";
  if (answer.kind === "ok") leases.show(slot, answer.body);
  else if (answer.kind === "signed-out") askToSignIn(answer);
  else if (answer.kind === "refused" && current === slot) {
    // A lease that ran out may have been claimed ahead again meanwhile, under another token.
    if (["lease_expired", "lease_lost"].includes(answer.body.code)) reclaim(slot, answer.body.told);
    else gone(slot, answer.body);
  }
}

function blank() {
  busy = true;
  current = null;
  stage.dataset.ready = "false";
  stage.setAttribute("aria-busy", "true");
  stage.replaceChildren();
  const since = performance.now();
  setTimeout(() => { if (!stage.firstElementChild && performance.now() - since >= SKELETON_MS - 5) stage.replaceChildren(clone("loading")); }, SKELETON_MS);
  setTimeout(() => { if (stage.querySelector("[data-loading]")) notice("slow"); }, SLOW_MS);
}

// The next case, or why there is none; asks the server where nothing is there yet.
function advance(told = "") {
  const slot = deck.next();
  if (slot) return paint(slot, { told });
  if (deck.end && !deck.claiming && performance.now() - deck.dryAt < 1_500) return ended(deck.end, told);
  blank();
  announce(told);
  deck.refill(true);
}

function ended(node, told = "") {
  busy = false;
  current = null;
  looking = null;
  unnotice("slow", "ending", "expired");
  stage.removeAttribute("aria-busy");
  stage.dataset.ready = "false";
  stage.replaceChildren(node);
  keys.rearm();
  const heading = node.querySelector("#empty-title");
  heading.focus({ preventScroll: true });
  title = `${heading.textContent.trim()}, ${root.dataset.slug} · ReviewHub`;
  document.title = title;
  announce(told, heading.textContent);
  remember();
}

// An explanation that was not ready comes into the space kept for it.
function lateExplanation(slot, delay = 400) {
  const place = slot.node.querySelector("[data-late-url]");
  if (!place) return;
  setTimeout(async () => {
    if (current !== slot || !place.isConnected) return;
    const answer = await get(new URL(place.dataset.lateUrl, location.href).pathname.replace(root.dataset.base, "") + new URL(place.dataset.lateUrl, location.href).search);
    if (answer.kind !== "ok" || !place.isConnected) return;
    const holder = document.createElement("template");
    holder.innerHTML = answer.body;
    place.replaceWith(holder.content);
    lateExplanation(slot, 4_000);
  }, delay);
}

// ---- deciding ----

function form(slot) {
  return slot.node.querySelector("#decision");
}

function noteOf(slot) {
  return slot.node.querySelector("#note")?.value ?? "";
}

function choose(button) {
  const slot = current;
  if (!slot?.token || looking || slot.over) return;
  if (slot.twoKeys) select(slot, button); else commit(button.value, button.dataset.label);
}

// Agreeing chooses the label that is agreed to, so that it is no shorter a way than any other answer.
function select(slot, button) {
  const same = ["agree", "other"].includes(button.value) && [...slot.node.querySelectorAll(".label-button")].find((one) => one.dataset.label === button.dataset.label);
  selected = same || button;
  for (const one of slot.node.querySelectorAll("#decision [name=answer]")) one.setAttribute("aria-pressed", String(one === selected));
  slot.node.querySelector(".commit").disabled = false;
  announce(`${selected.dataset.label}: Enter stores it.`);
}

// Enter: the chosen label, else the first answer once the model's is shown.
function commitChosen() {
  const button = selected ?? [...current.node.querySelectorAll(".label-button")].find((one) => current.first && one.dataset.label === current.first);
  if (button) commit(button.value, button.dataset.label);
}

function commit(answer, said) {
  const slot = current;
  if (slot.mode === "blind_first" && slot.hidden && answer.startsWith("label:")) { changed(slot, "first-answer/", { answer }); return; }
  if (outbox.full) {
    announce("No more decisions can be kept. Wait for the connection.");
    return;
  }
  const codes = [...form(slot).querySelectorAll(`[name="codes.${CSS.escape(answer.replace("label:", ""))}"]:checked, ${answer === "agree" || answer === "other" ? `[name="codes.${place(slot, said)}"]:checked` : "no"}`)].map((box) => box.value);
  const entry = outbox.add({
    token: slot.token, answer, said, note: noteOf(slot), codes, opened: slot.opened,
    seconds: (slot.activeMs / 1000).toFixed(1), first_input: slot.firstInput === null ? undefined : slot.firstInput.toFixed(2), input: how(),
  });
  deck.worked(performance.now() - slot.paintedAt);
  slot.activeMs = 0;
  past.push({ slot, entry, answer, said });
  if (past.length > REMEMBERED) past.shift();
  current = null;
  say(`${said}: on its way.`);
  advance(`${said}.`);
}

const place = (slot, label) => [...slot.node.querySelectorAll(".label-button")].findIndex((one) => one.dataset.label === label);

let lastPointer = "";
document.addEventListener("pointerdown", (event) => { lastPointer = event.pointerType; }, { capture: true, passive: true });
document.addEventListener("keydown", () => { lastPointer = ""; }, { capture: true, passive: true });
const how = () => (pressed === "key" || !lastPointer ? "key" : lastPointer === "touch" ? "touch" : "pointer");

function stored(entry, result, around) {
  letGo(`lease:${entry.token}`);
  if (around.done !== undefined && entry.slug === root.dataset.slug) counts(around.done, around.waiting);
  if (result.status === "saved") {
    // A lease that had run out may have been claimed ahead again meanwhile.
    if (result.lease !== entry.token) {
      deck.slots = deck.slots.filter((slot) => slot.token !== result.lease);
      letGo(`lease:${result.lease}`);
      if (current?.token === result.lease) { current = null; advance(); }
    }
    if (entry.slug === root.dataset.slug) undoable = String(result.decision);
    say(`Saved: ${result.label ?? "can’t tell"}. Undo${bound.undo ? ` (${bound.undo.toUpperCase()})` : ""}.`);
    if (busy) return;
    announce(`Saved: ${result.label ?? "can’t tell"}.`);
    return;
  }
  const mine = past.find((one) => one.entry === entry);
  past.splice(past.indexOf(mine), mine ? 1 : 0);
  if (result.status === "invalid" && mine) { invalid(mine, result.errors); return; }
  const told = result.told || Object.values(result.errors ?? {})[0] || "It was not used.";
  listLate(told, entry.said ?? "", entry.note);
  if (result.code === "withdrawn") {
    notice("superseded", { told });
    const newer = document.querySelector("[data-notices] [data-act=newer]");
    if (newer && result.newer) { newer.hidden = false; newer.dataset.token = entry.token; }
  } else notice("conflict", { told, ...(entry.note ? { said: true, "said-text": entry.note } : { said: false }) });
}

// The case comes back with its choice and its note, and the message stands at the field.
function invalid({ slot, answer }, errors) {
  if (current) deck.putBack(current);
  slot.over = slot.left <= 0;
  paint(slot);
  mark(slot, answer);
  const field = Object.keys(errors).find((name) => name === "note" || name === "rationale");
  const told = Object.values(errors)[0];
  if (field) {
    openNote(true);
    const note = slot.node.querySelector("#note");
    note.setAttribute("aria-invalid", "true");
    slot.node.querySelector("#note-error").textContent = told;
    note.focus();
  }
  notice("invalid", { name: `${slot.name}:`, told });
}

function mark(slot, answer) {
  for (const button of slot.node.querySelectorAll(".label-button, .bar-acts [name=answer]")) {
    button.classList.toggle("was", button.value === answer);
    button.querySelector(".former")?.remove();
    if (button.value !== answer) continue;
    const word = Object.assign(document.createElement("span"), { className: "small former", textContent: "your answer before" });
    button.append(word);
  }
}

// First answers and reveals: the same case comes back with the model's part in it; what was typed stays.
async function changed(slot, path, data = {}) {
  busy = true;
  stage.dataset.ready = "false";
  const answer = await post(slot.token + "/" + path, data);
  busy = false;
  if (current !== slot) return;
  keys.rearm();
  if (answer.kind === "ok") {
    const fresh = parse(answer.body.card).slots[0];
    carry(slot.node, fresh.node);
    slot.take(fresh.node);
    selected = null;
    stage.replaceChildren(slot.node);
    slot.node.querySelector(".case-model h2")?.setAttribute("tabindex", "-1");
    slot.node.querySelector(".case-model h2")?.focus({ preventScroll: true });
    announce(slot.node.querySelector("[data-prompt]").textContent, slot.node.querySelector(".case-model").textContent.slice(0, 200));
    lateExplanation(slot);
  } else if (answer.kind === "signed-out") askToSignIn(answer);
  else if (answer.kind === "refused") answer.body.code === "lease_expired" ? over(slot) : gone(slot, answer.body);
  else notice("invalid", { name: "", told: answer.body?.told ?? "The server did not answer. Press the key again." });
}

// What was typed and ticked goes along to another piece of the same case.
function carry(from, to) {
  const typed = from.querySelector("#note");
  const note = to.querySelector("#note");
  if (typed && note && typed.value) note.value = typed.value;
  const [begun, comment] = [from.querySelector("#comment"), to.querySelector("#comment")];
  if (begun?.value && comment) { comment.value = begun.value; comment.closest("details").open = true; }
  to.querySelector("#note-panel")?.toggleAttribute("data-closed", from.querySelector("#note-panel")?.hasAttribute("data-closed") ?? true);
  for (const box of from.querySelectorAll("#decision :checked")) {
    const twin = to.querySelector(`[name="${box.name}"][value="${CSS.escape(box.value)}"]`);
    if (twin) twin.checked = true;
  }
}

// Free for others; an answer of before that the server may have is taken back first, and what it hands out again freed.
function passOver(slots, reason) {
  for (const slot of slots) {
    outbox.recall(slot.token).then((answer) => {
      const [again] = answer?.body?.card ? parse(answer.body.card).slots : [];
      deck.giveBack([again ?? slot], reason);
    });
  }
}

function skip() {
  const slot = current;
  if (!slot?.token) return;
  current = null;
  passOver([slot], "skipped");
  deck.worked(performance.now() - slot.paintedAt);
  say("Skipped. Others see it first.");
  advance("Skipped.");
}

// ---- undo and history ----

async function undo() {
  if (busy) return;
  const last = past.pop();
  if (last && takenOnTheSpot(last)) return;
  busy = true;
  stage.dataset.ready = "false";
  say("Taking it back…");
  if (last) await outbox.landed(last.entry); else await outbox.idle();
  busy = false;
  // It did not arrive, as far as anybody knows.
  if (last && takenOnTheSpot(last)) return;
  const pk = last ? last.entry.result?.decision : "";
  if (last && !pk) return settle();
  if (!last && outbox.count) {
    say("Decisions still wait to be sent. Undo works again once they are.");
    announce(document.querySelector("[data-toast]").textContent);
    return settle();
  }
  busy = true;
  const answer = await post(`take-back/${pk ? `${pk}/` : ""}`);
  busy = false;
  if (answer.kind !== "ok") {
    if (last && answer.kind !== "refused") past.push(last);
    if (answer.kind === "signed-out") askToSignIn(answer);
    say(answer.body?.told ?? "The server did not answer. Nothing was undone; press the key again.");
    announce(document.querySelector("[data-toast]").textContent);
    return settle();
  }
  takenBack(answer.body);
}

// One that is not on its way needs no server to be taken back.
function takenOnTheSpot({ slot, entry, answer, said }) {
  if (!outbox.take(entry)) return false;
  bring(slot, answer, `Undone: ${said}. Decide again.`);
  return true;
}

function takenBack({ card, told, undone }) {
  const index = past.findIndex((one) => String(one.entry.result?.decision) === String(undone));
  if (index >= 0) past.splice(index, 1);
  say(told);
  const slot = card ? parse(card).slots[0] : null;
  if (!slot) { announce(told); return settle(); }
  seize(`lease:${slot.token}`);
  bring(slot, null, told);
}

// What was undone before the page was left is undone on the server too; the case comes next.
function recalled({ card, told }, slug) {
  say(told);
  const slot = card && slug === root.dataset.slug ? parse(card).slots[0] : null;
  if (!slot) return;
  if (paused) { deck.giveBack([slot], "paused"); return; }
  seize(`lease:${slot.token}`);
  deck.putBack(slot);
  if (!current && !looking) advance();
}

// Back on the stage; what was in hand waits as the next one.
function bring(slot, answer, told) {
  if (current && current !== slot) deck.putBack(current);
  if (answer !== null) mark(slot, answer);
  slot.over = slot.left <= 0;
  say(told);
  paint(slot, { told });
}

// Keys work again on whatever stands on the stage.
function settle() {
  stage.dataset.ready = "false";
  keys.rearm();
  if (!stage.firstElementChild && !current) advance();
}

let trail = null;
async function look(step) {
  const where = looking ? looking.place + step : step - 1;
  if (!looking && step < 0) return;
  if (where < 0) return present();
  if (!looking) trail = await pastDecisions();
  if (!trail?.[where]) { say("There is nothing earlier."); announce("There is nothing earlier."); return; }
  await lookAt(trail[where], where);
}

async function lookAt(pk, where = 0) {
  const answer = await get(`history/${pk}/`);
  if (answer.kind !== "ok") return;
  const holder = document.createElement("template");
  holder.innerHTML = answer.body;
  const node = holder.content.querySelector(".slot");
  trail ??= [pk];
  looking = { pk, place: where, node };
  stage.replaceChildren(node);
  stage.dataset.ready = "false";
  keys.rearm();
  window.scrollTo({ top: 0, behavior: "instant" });
  node.querySelector("#case-title").focus({ preventScroll: true });
  announce(node.querySelector(".bar").textContent, node.dataset.name);
}

function present() {
  looking = null;
  if (paused) ended(clone("own-pause")); else if (current) paint(current); else advance();
}

async function reopen(pk) {
  busy = true;
  const answer = await post(`take-back/${pk}/`);
  busy = false;
  looking = null;
  if (answer.kind === "ok") return takenBack(answer.body);
  say(answer.body?.told ?? "The server did not answer. Nothing was undone.");
  announce(document.querySelector("[data-toast]").textContent);
  present();
}

// ---- leases ----

function over(slot) {
  slot.over = true;
  slot.node.classList.add("over");
  if (current === slot && !looking) notice("expired");
}

async function reclaim(slot, told = `${slot.name} is with somebody else now.`) {
  const answer = await deck.again(slot.token);
  if (answer.kind !== "ok") {
    if (answer.kind === "signed-out") askToSignIn(answer);
    else say("The server did not answer. Try again.");
    return;
  }
  const fresh = parse(answer.body).slots[0];
  if (!fresh) return gone(slot, { told });
  letGo(`lease:${slot.token}`);
  deck.slots = deck.slots.filter((one) => one.token !== fresh.token);
  carry(slot.node, fresh.node);
  const former = slot.node.querySelector(".was")?.value;
  slot.take(fresh.node);
  if (former) mark(slot, former);
  slot.opened = 0;
  seize(`lease:${slot.token}`);
  unnotice("expired");
  if (current === slot) paint(slot, { told: "It is yours again." });
}

// Somebody else has it or it was withdrawn: what was typed is kept as a draft in the drawer.
function gone(slot, { code = "", told }) {
  letGo(`lease:${slot.token}`);
  const note = noteOf(slot);
  unnotice("expired", "ending");
  if (note || slot.over) listLate(told, selected?.dataset.label ?? "", note);
  if (code === "withdrawn") notice("superseded", { told });
  else notice("conflict", { told, ...(note ? { said: true, "said-text": note } : { said: false }) });
  deck.slots = deck.slots.filter((one) => one !== slot);
  if (current === slot) { current = null; advance(told); }
}

// ---- acts ----

function openNote(open) {
  const panel = current?.node.querySelector("#note-panel");
  if (!panel) return;
  const show = open ?? panel.hasAttribute("data-closed");
  panel.toggleAttribute("data-closed", !show);
  current.node.querySelector("[data-act=note]")?.setAttribute("aria-expanded", String(show));
  if (show) panel.querySelector("textarea").focus();
}

// Escape leaves the note with its text kept, then the history.
function leave() {
  if (document.activeElement?.closest("#note-panel")) {
    if (!noteOf(current)) openNote(false);
    current.node.querySelector("#case-title").focus({ preventScroll: true });
    return true;
  }
  if (looking) { present(); return true; }
  if (document.activeElement?.id === "comment") { current.node.querySelector("#case-title").focus({ preventScroll: true }); return true; }
  return false;
}

function pause() {
  if (paused) return;
  paused = { slot: current };
  deck.stopped = true;
  const back = [current, ...deck.slots].filter(Boolean);
  deck.slots = [];
  passOver(back.filter((slot) => outbox.recalls.has(slot.token)), "paused");
  deck.giveBack(back.filter((slot) => !outbox.recalls.has(slot.token)), "paused");
  unnotice("ending", "expired", "slow");
  ended(clone("own-pause"));
}

function unpause() {
  const { slot } = paused;
  paused = null;
  deck.stopped = false;
  deck.dryAt = -Infinity;
  return slot;
}

// A case that comes on the stage ends the pause, as by undo; the one that was in hand follows it, if it is still free.
async function goOn(slot) {
  const before = unpause();
  if (!before || before === slot) return;
  deck.stopped = true; // else it could be claimed a second time, as the next one
  const free = await retake(before);
  if (paused) { if (free) deck.giveBack([before], "paused"); return; }
  deck.stopped = false;
  if (free) deck.putBack(before);
  if (!current && !looking) advance(); else deck.refill();
}

async function retake(slot) {
  const answer = await deck.again(slot.token);
  const fresh = answer.kind === "ok" ? parse(answer.body).slots[0] : null;
  if (!fresh) return false;
  carry(slot.node, fresh.node);
  slot.take(fresh.node);
  slot.opened = 0;
  seize(`lease:${slot.token}`);
  return true;
}

async function resume() {
  const slot = unpause();
  blank();
  if (slot && (await retake(slot))) return paint(slot);
  advance();
}

function flag(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  const slot = current;
  button.setAttribute("aria-pressed", String(on));
  post(`${slot.token}/flag/`, { on: on ? "1" : "0" }).then((answer) => {
    if (answer.kind !== "ok") button.setAttribute("aria-pressed", String(!on));
    say(answer.body?.told ?? "The server did not answer. Nothing was flagged.");
    announce(document.querySelector("[data-toast]").textContent);
  });
}

function fold() {
  const folded = root.dataset.folded !== "1";
  root.dataset.folded = folded ? "1" : "0";
  for (const slot of [current, ...deck.slots].filter(Boolean)) slot.node.querySelector(".case-model").toggleAttribute("data-folded", folded);
  post("fold/", { folded: folded ? "1" : "0" });
}

const ACTS = {
  commit: commitChosen,
  skip,
  undo,
  note: () => openNote(),
  flag,
  why: fold,
  reveal: () => changed(current, "reveal/"),
  escalate: () => passOnTo("escalate", current, passedOn),
  hand_over: () => passOnTo("hand_over", current, passedOn),
  previous: () => look(1),
  next: () => look(-1),
  present,
  reopen: () => reopen(looking.pk),
  guidelines: () => openDrawer("guidelines"),
  history: () => openDrawer("history"),
  help: () => { help.showModal(); help.scrollTop = 0; },
  more: (button) => button.setAttribute("aria-expanded", String(button.closest(".bar").toggleAttribute("data-open"))),
  keep: () => leases.keep(current, { onOver: over, onGone: gone }),
  reclaim: () => reclaim(current),
  pause,
  resume: () => { if (paused) resume(); },
  look: () => { deck.stopped = false; deck.dryAt = -Infinity; deck.end = null; unnotice("slow"); blank(); advance(); },
  retry: () => outbox.retry(),
  dismiss: () => unnotice("conflict", "superseded"),
  newer: (button) => { unnotice("superseded"); takeNewer(button.dataset.token); },
  "copy-request": (button) => navigator.clipboard?.writeText(outbox.request).then(() => { button.textContent = "Copied"; }),
  "signed-in": backAgain,
  close: () => passOn.close(),
};

function passedOn(told) {
  const slot = current;
  letGo(`lease:${slot.token}`);
  current = null;
  say(told);
  advance(told);
}

async function takeNewer(token) {
  const answer = await post("cards/", { newer: token });
  const fresh = answer.kind === "ok" ? parse(answer.body).slots[0] : null;
  if (!fresh) return say("The new one is not free.");
  if (current?.token === fresh.token) return;
  deck.slots = deck.slots.filter((slot) => slot.token !== fresh.token);
  if (current) deck.putBack(current);
  seize(`lease:${fresh.token}`);
  paint(fresh);
}

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]");
  if (act && act.closest("#review")) {
    event.preventDefault();
    ACTS[act.dataset.act]?.(act);
    return;
  }
  const answer = event.target.closest("#decision [name=answer]");
  if (answer) { event.preventDefault(); if (!busy) choose(answer); return; }
  const hidden = event.target.closest("#stage [data-feature]");
  if (hidden) { if (current && !looking) showHidden(hidden, current); return; }
  const row = event.target.closest("[data-look], [data-reopen]");
  if (row) { closeDrawer(); if (row.dataset.look) { trail = null; lookAt(row.dataset.look); } else reopen(row.dataset.reopen); }
});

document.addEventListener("submit", (event) => {
  if (!event.target.closest("#stage")) return;
  event.preventDefault();
  if (event.target.matches(".own-comment") && current && !looking) comment(event.target, current);
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) {
    const typing = event.target.matches("input, textarea, select");
    if (!typing && !event.repeat && closes(event.key.toLowerCase(), bound)) event.preventDefault();
    return;
  }
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z" && !event.repeat && !event.target.matches("input, textarea, select") && Object.keys(bound).length) {
    event.preventDefault();
    undo();
  }
});

document.addEventListener("input", (event) => {
  if (event.target.id !== "note") return;
  event.target.removeAttribute("aria-invalid");
  current.node.querySelector("#note-error").textContent = "";
});

// ---- signing in again, and what becomes of the queue ----

function askToSignIn({ other = false } = {}) {
  if (other) signedOut.querySelector("[data-error]").textContent = `Somebody else is signed in now. Sign in as yourself to send what you decided.`;
  if (!signedOut.open) { for (const open of document.querySelectorAll("dialog[open]")) open.close(); signedOut.showModal(); }
}

signedOut.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { target } = event;
  const wrong = await signIn(target.dataset.signIn, { username: target.username.value, password: target.password.value });
  target.password.value = "";
  target.querySelector("[data-error]").textContent = wrong;
  if (!wrong) backAgain();
});

async function backAgain() {
  const answer = await state();
  if (answer.kind !== "ok") { askToSignIn(answer); return; }
  signedOut.close();
  outbox.retry();
  if (current) opened(current); else if (!paused) advance();
}

function notAllowed() {
  if (document.querySelector("[data-empty=not-allowed]")) return;
  deck.stopped = true;
  ended(clone("not-allowed"));
}

function counts(done, waiting) {
  document.querySelector("[data-done]").textContent = done;
  document.querySelector("[data-waiting]").textContent = waiting;
}

// New work is told in the title while nobody looks or nothing is in hand; an empty page goes on by itself.
async function poll() {
  if (paused || outbox.trouble === "signed-out" || signedOut.open) return;
  const idle = !current && !looking && !busy;
  if (!idle && document.visibilityState === "visible") { document.title = title; return; }
  const answer = await state();
  if (answer.kind === "signed-out") { if (idle) askToSignIn(answer); return; }
  if (answer.kind === "forbidden") { notAllowed(); return; }
  if (answer.kind !== "ok") return;
  counts(answer.body.done, answer.body.waiting);
  document.title = answer.body.takes && answer.body.waiting ? `(${answer.body.waiting}) ${title}` : title;
  if (!idle || current || looking || busy) return;
  // Work that nobody is there to take changes the title and the count alone.
  if (answer.body.takes) { if (leases.isAround()) ACTS.look(); return; }
  const { end } = parse(answer.body.empty);
  const before = stage.querySelector(".empty");
  if (end && before && end.textContent !== before.textContent && !before.contains(document.activeElement)) before.replaceWith(end);
  else if (end && before && end.dataset.empty !== before.dataset.empty) ended(end);
}

// ---- beginning and leaving ----

// The cases this tab has open, so that a reload finds them again.
function remember() {
  const open = [current, ...deck.slots].filter((slot) => slot?.opened).map((slot) => slot.token);
  try { sessionStorage.setItem(`review-open:${root.dataset.slug}`, open.join(",")); } catch { /* without it a reload takes any of one's own cases that no tab shows */ }
}

window.addEventListener("beforeunload", (event) => {
  if (outbox?.count) event.preventDefault();
});

window.addEventListener("pagehide", () => {
  const unseen = deck.slots.filter((slot) => !slot.opened).map((slot) => slot.token);
  if (unseen.length) beacon("give-back/", { tokens: unseen.join(","), reason: "unseen" });
  outbox?.leave();
});

window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible" && outbox) poll(); });

async function begin() {
  blank();
  const tab = await ownTab();
  outbox = new Outbox({
    slug: root.dataset.slug, me, tab, onResult: stored, onRecalled: recalled,
    onState(told) {
      connected(told);
      if (told.trouble === "signed-out") askToSignIn();
      if (told.here === "forbidden") notAllowed();
    },
  });
  const mine = (sessionStorage.getItem(`review-open:${root.dataset.slug}`) ?? "").split(",").filter(Boolean);
  const [answer] = await Promise.all([state(), outbox.load()]);
  leases.watch({ current: () => (paused ? null : current), isCounted: () => !looking, deck, onOver: over, onGone: gone, onUnheard: opened });
  setInterval(poll, POLL_MS);
  if (answer.kind === "signed-out") askToSignIn(answer);
  // What is decided and not yet stored is not shown again.
  const unsent = new Set(outbox.entries.map((entry) => entry.token));
  const held = answer.kind === "ok" ? answer.body.held.filter((token) => !unsent.has(token)) : [];
  const found = await orphans(held, mine);
  for (const slot of found) slot.opened = Date.now();
  deck.slots.push(...found);
  if (!current) advance();
}

begin();
