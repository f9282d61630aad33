// How the queue stands: asked now and then, and at once when somebody has signed in again.

import { askToSignIn, notAllowed } from "./access.js";
import { parse } from "./deck.js";
import { tellOpened } from "./holding.js";
import { signIn, state } from "./http.js";
import { isAround } from "./lease.js";
import { page, stage } from "./page.js";
import { advance, ended, lookAgain } from "./stage.js";
import { counts } from "./states.js";

const signedOut = document.getElementById("signed-out");

const isIdle = () => !page.current && !page.looking && !page.busy;

// New work is told in the title while nobody looks or nothing is in hand; an empty page goes on by itself.
export async function poll() {
  if (page.paused || page.outbox.trouble === "signed-out" || signedOut.open) return;
  const idle = isIdle();
  if (!idle && document.visibilityState === "visible") { document.title = page.title; return; }
  const answer = await state();
  if (answer.kind === "signed-out") { if (idle) askToSignIn(answer); return; }
  if (answer.kind === "forbidden") { notAllowed(); return; }
  if (answer.kind !== "ok") return;
  const { done, waiting, takes, empty } = answer.body;
  counts(done, waiting);
  document.title = takes && waiting ? `(${waiting}) ${page.title}` : page.title;
  if (!idle || !isIdle()) return;
  // Work that nobody is there to take changes the title and the count alone.
  if (takes) { if (isAround()) lookAgain(); return; }
  const { end } = parse(empty);
  const before = stage.querySelector(".empty");
  if (end && before && end.textContent !== before.textContent && !before.contains(document.activeElement)) before.replaceWith(end);
  else if (end && before && end.dataset.empty !== before.dataset.empty) ended(end);
}

signedOut.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { target } = event;
  const wrong = await signIn(target.dataset.signIn, { username: target.username.value, password: target.password.value });
  target.password.value = "";
  target.querySelector("[data-error]").textContent = wrong;
  if (!wrong) backAgain();
});

export async function backAgain() {
  const answer = await state();
  if (answer.kind !== "ok") { askToSignIn(answer); return; }
  signedOut.close();
  page.outbox.retry();
  if (page.current) tellOpened(page.current); else if (!page.paused) advance();
}
