// What is done on the card beside answering: comments, and looks at what is hidden by policy.

import { post } from "./http.js";
import { tell } from "./states.js";

const UNANSWERED = "The server did not answer. Nothing was kept; try again.";

export async function comment(form, slot) {
  const field = form.elements.text;
  const button = form.querySelector("[type=submit]");
  if (!slot?.token || !field.value.trim() || button.disabled) return;
  button.disabled = true;
  const answer = await post(`${slot.token}/comment/`, { text: field.value });
  button.disabled = false;
  if (answer.kind !== "ok") {
    form.querySelector(".errorlist").textContent = answer.body?.told ?? UNANSWERED;
    field.focus();
    return;
  }
  const section = slot.node.querySelector("[data-comments]");
  const fresh = piece(answer.body);
  section.replaceWith(fresh);
  if (fresh.isConnected) fresh.querySelector("h2").focus({ preventScroll: true });
  tell("Comment kept.");
}

// The row comes back with its value; where the reasons name the same feature, it stands there too.
export async function showHidden(button, slot) {
  const name = button.dataset.feature;
  button.disabled = true;
  const answer = await post(`${slot.token}/reveal-feature/`, { feature: name });
  button.disabled = false;
  if (answer.kind !== "ok") { tell(answer.body?.told ?? "The server did not answer. Nothing was shown; try again."); return; }
  const fresh = piece(answer.body);
  const value = fresh.querySelector(".value");
  button.closest("tr").replaceWith(fresh);
  for (const head of slot.node.querySelectorAll(`.factors th[title="${CSS.escape(name)}"]`)) head.parentElement.querySelector(".factor-value").textContent = value.textContent;
  value.tabIndex = -1;
  value.focus({ preventScroll: true });
  tell(`${fresh.querySelector("th").textContent}: ${value.textContent.trim()}. That you looked is recorded.`);
}

function piece(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}
