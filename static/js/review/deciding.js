// From a button to a decision in the outbox, and the first of two answers.

import { askToSignIn } from "./access.js";
import { parse } from "./deck.js";
import { carry, codesOf, labelButton, noteOf } from "./form.js";
import { gone, over } from "./holding.js";
import { post } from "./http.js";
import { page, stage } from "./page.js";
import { advance, lateExplanation } from "./stage.js";
import { announce, notice, say } from "./states.js";

const REMEMBERED = 20;

let lastPointer = "";
document.addEventListener("pointerdown", (event) => { lastPointer = event.pointerType; }, { capture: true, passive: true });
document.addEventListener("keydown", () => { lastPointer = ""; }, { capture: true, passive: true });

function how() {
  if (page.pressed === "key" || !lastPointer) return "key";
  return lastPointer === "touch" ? "touch" : "pointer";
}

export function choose(button) {
  const slot = page.current;
  if (!slot?.token || page.looking || slot.over) return;
  if (slot.twoKeys) select(slot, button); else commit(button.value, button.dataset.label);
}

// Agreeing chooses the label that is agreed to, so that it is no shorter a way than any other answer.
function select(slot, button) {
  const same = ["agree", "other"].includes(button.value) && labelButton(slot, button.dataset.label);
  const selected = same || button;
  page.selected = selected;
  for (const one of slot.node.querySelectorAll("#decision [name=answer]")) one.setAttribute("aria-pressed", String(one === selected));
  slot.node.querySelector(".commit").disabled = false;
  announce(`${selected.dataset.label}: Enter stores it.`);
}

// Enter: the chosen label, else the first answer once the model's is shown.
export function commitChosen() {
  const { current, selected } = page;
  const button = selected ?? (current.first && labelButton(current, current.first));
  if (button) commit(button.value, button.dataset.label);
}

function commit(answer, said) {
  const slot = page.current;
  if (slot.mode === "blind_first" && slot.hidden && answer.startsWith("label:")) { changed(slot, "first-answer/", { answer }); return; }
  if (page.outbox.full) {
    announce("No more decisions can be kept. Wait for the connection.");
    return;
  }
  const entry = page.outbox.add({
    token: slot.token,
    answer,
    said,
    note: noteOf(slot),
    codes: codesOf(slot, answer, said),
    opened: slot.opened,
    seconds: (slot.activeMs / 1000).toFixed(1),
    first_input: slot.firstInput === null ? undefined : slot.firstInput.toFixed(2),
    input: how(),
  });
  page.deck.worked(performance.now() - slot.paintedAt);
  slot.activeMs = 0;
  page.past.push({ slot, entry, answer, said });
  if (page.past.length > REMEMBERED) page.past.shift();
  page.current = null;
  say(`${said}: on its way.`);
  advance(`${said}.`);
}

// The model's answer, where it is shown on request.
export const reveal = () => changed(page.current, "reveal/");

// First answers and reveals: the same case comes back with the model's part in it; what was typed stays.
async function changed(slot, path, data = {}) {
  page.busy = true;
  stage.dataset.ready = "false";
  const answer = await post(`${slot.token}/${path}`, data);
  page.busy = false;
  if (page.current !== slot) return;
  page.keys.rearm();
  if (answer.kind === "ok") showChanged(slot, parse(answer.body.card).slots[0]);
  else if (answer.kind === "signed-out") askToSignIn(answer);
  else if (answer.kind !== "refused") notice("invalid", { name: "", told: answer.body?.told ?? "The server did not answer. Press the key again." });
  else if (answer.body.code === "lease_expired") over(slot);
  else gone(slot, answer.body);
}

function showChanged(slot, fresh) {
  carry(slot.node, fresh.node);
  slot.take(fresh.node);
  page.selected = null;
  stage.replaceChildren(slot.node);
  const heading = slot.node.querySelector(".case-model h2");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  announce(slot.node.querySelector("[data-prompt]").textContent, slot.node.querySelector(".case-model").textContent.slice(0, 200));
  lateExplanation(slot);
}
