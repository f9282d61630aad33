// How the queue stands, asked now and then.

import { askToSignIn, isAsking, notAllowed } from "./access.js";
import { parse } from "./deck.js";
import { state } from "./http.js";
import { isAround } from "./lease.js";
import { page, stage } from "./page.js";
import { ended, lookAgain } from "./stage.js";
import { counts } from "./states.js";

const isIdle = () => !page.current && !page.looking && !page.busy;

// New work is told in the title while nobody looks or nothing is in hand; an empty page goes on by itself.
export async function poll() {
  if (page.paused || page.outbox.trouble === "signed-out" || isAsking()) return;
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
