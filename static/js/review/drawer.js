// The drawer at the side, the list of keys, and the form that passes a case on.

import { get, post } from "./http.js";
import { clone, fill } from "./states.js";

const drawer = document.getElementById("drawer");
const passOn = document.getElementById("pass-on");
const late = drawer.querySelector("[data-late]");

export async function openDrawer(section) {
  if (!drawer.open) drawer.showModal();
  const part = drawer.querySelector(`[data-drawer=${section}]`);
  (section === "guidelines" ? part : drawer.querySelector("#drawer-title")).focus({ preventScroll: section !== "guidelines" });
  if (section === "guidelines") part.scrollIntoView();
  const answer = await get("history/");
  if (answer.kind === "ok") drawer.querySelector("[data-history]").innerHTML = answer.body;
}

// The same key closes what it opened.
export function closes(key, bound) {
  if (drawer.open && (key === bound.history || key === bound.guidelines)) { drawer.close(); return true; }
  return false;
}

export const closeDrawer = () => drawer.close();

export function listLate(told, answer, note) {
  drawer.querySelector("[data-drawer=not-used]").hidden = false;
  const row = fill(clone("late"), { told, answer });
  if (note) { row.querySelector("[data-note-line]").hidden = false; row.querySelector("[data-note]").textContent = note; }
  late.prepend(row);
}

export async function pastDecisions() {
  const answer = await get("history/");
  if (answer.kind !== "ok") return null;
  const holder = document.createElement("template");
  holder.innerHTML = answer.body;
  return [...holder.content.querySelectorAll("[data-made]")].map((row) => row.dataset.made);
}

const PASSING = {
  escalate: { title: "Escalate this case", button: "Escalate", path: "escalate/" },
  hand_over: { title: "Hand this case over", button: "Hand over", path: "hand-over/" },
};

// Asks for the note, and for the colleague; ``onDone`` runs once the server has passed the case on.
export async function passOnTo(act, slot, onDone) {
  const words = PASSING[act];
  const form = passOn.querySelector("form");
  const picks = passOn.querySelector("[data-to-field]");
  form.reset();
  form.querySelector("[data-error]").textContent = "";
  passOn.querySelector("#pass-on-title").textContent = words.title;
  form.querySelector("[type=submit]").textContent = words.button;
  picks.hidden = act !== "hand_over";
  passOn.showModal();
  if (act === "hand_over") {
    const answer = await get(`${slot.token}/colleagues/`);
    const people = answer.kind === "ok" ? answer.body.colleagues : [];
    picks.querySelector("select").replaceChildren(...people.map((name) => new Option(name, name)));
    if (!people.length) form.querySelector("[data-error]").textContent = answer.kind === "ok" ? "Nobody else may review this model." : "The server did not answer.";
  }
  (act === "hand_over" ? picks.querySelector("select") : form.querySelector("textarea")).focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const answer = await post(`${slot.token}/${words.path}`, { note: form.note.value, ...(act === "hand_over" ? { to: form.to.value } : {}) });
    if (answer.kind !== "ok") {
      form.querySelector("[data-error]").textContent = answer.body?.told ?? "The server did not answer. Nothing was changed; try again.";
      return;
    }
    passOn.close();
    onDone(answer.body.told);
  };
}
