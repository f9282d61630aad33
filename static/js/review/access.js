// Whom the server does not let go on: who has signed out, and who may no longer review here.

import { page } from "./page.js";
import { ended } from "./stage.js";
import { clone } from "./states.js";

const signedOut = document.getElementById("signed-out");

export function askToSignIn({ other = false } = {}) {
  if (other) signedOut.querySelector("[data-error]").textContent = "Somebody else is signed in now. Sign in as yourself to send what you decided.";
  if (signedOut.open) return;
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  signedOut.showModal();
}

export function notAllowed() {
  if (document.querySelector("[data-empty=not-allowed]")) return;
  page.deck.stopped = true;
  ended(clone("not-allowed"));
}
