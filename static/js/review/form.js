// The form of an answer: its buttons, its note, its reasons.

export const noteOf = (slot) => slot.node.querySelector("#note")?.value ?? "";

export const labelButton = (slot, label) => [...slot.node.querySelectorAll(".label-button")].find((one) => one.dataset.label === label);

// The reasons ticked for the label that the answer stands for.
export function codesOf(slot, answer, label) {
  const value = ["agree", "other"].includes(answer) ? labelButton(slot, label)?.value : answer;
  if (!value?.startsWith("label:")) return [];
  const name = value.replace("label:", "codes.");
  return [...slot.node.querySelectorAll(`#decision [name="${name}"]:checked`)].map((box) => box.value);
}

export function openNote(slot, open) {
  const panel = slot?.node.querySelector("#note-panel");
  if (!panel) return;
  const show = open ?? panel.hasAttribute("data-closed");
  panel.toggleAttribute("data-closed", !show);
  slot.node.querySelector("[data-act=note]")?.setAttribute("aria-expanded", String(show));
  if (show) panel.querySelector("textarea").focus();
}

// The message stands at the note; none takes it away.
export function faultOfNote(slot, told = "") {
  const note = slot.node.querySelector("#note");
  if (told) note.setAttribute("aria-invalid", "true"); else note.removeAttribute("aria-invalid");
  slot.node.querySelector("#note-error").textContent = told;
}

export function mark(slot, answer) {
  for (const button of slot.node.querySelectorAll(".label-button, .bar-acts [name=answer]")) {
    button.classList.toggle("was", button.value === answer);
    button.querySelector(".former")?.remove();
    if (button.value !== answer) continue;
    const word = Object.assign(document.createElement("span"), { className: "small former", textContent: "your answer before" });
    button.append(word);
  }
}

// What was typed and ticked goes along to another piece of the same case.
export function carry(from, to) {
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
