// Signing in again without leaving the page.

import { askToSignIn } from "./access.js";
import { tellOpened } from "./holding.js";
import { signIn, state } from "./http.js";
import { page } from "./page.js";
import { advance } from "./stage.js";

const signedOut = document.getElementById("signed-out");

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
