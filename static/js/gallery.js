// Puts a page of the gallery into its state, with the functions by which the review page puts itself there.

import { clone, connected, fill, notice, say } from "./review/states.js";

const root = document.getElementById("review");
const state = JSON.parse(document.querySelector("[data-gallery]").dataset.gallery);
const slot = document.querySelector("#stage .slot");

if (state.connection) connected(state.connection);
if (state.notice) notice(state.notice[0], state.notice[1] ?? {});
if (state.toast) say(state.toast);
if (state.over) slot.classList.add("over");
if (state.note) {
  slot.querySelector("#note-panel").removeAttribute("data-closed");
  slot.querySelector("[data-act=note]")?.setAttribute("aria-expanded", "true");
  slot.querySelector("#note").value = state.note;
}
if (state.fault) {
  slot.querySelector("#note-error").textContent = state.fault;
  slot.querySelector("#note").setAttribute("aria-invalid", "true");
}
if (state.pressed !== undefined) {
  slot.querySelectorAll(".label-button").forEach((one, place) => one.setAttribute("aria-pressed", String(place === state.pressed)));
  slot.querySelector(".commit").disabled = false;
}
if (state.late) {
  const part = document.querySelector("[data-drawer=not-used]");
  part.hidden = false;
  for (const { note, ...told } of state.late) {
    const row = fill(clone("late"), told);
    if (note) { row.querySelector("[data-note-line]").hidden = false; row.querySelector("[data-note]").textContent = note; }
    part.querySelector("[data-late]").append(row);
  }
}
if (state.words) {
  for (const [selector, text] of Object.entries(state.words)) document.querySelector(selector).textContent = text;
}
for (const selector of state.shown ?? []) document.querySelector(selector).hidden = false;
if (state.open) document.getElementById(state.open).showModal();
if (state.scroll) document.querySelector(state.scroll).scrollIntoView();
root.dataset.state = "ready";
