// Practice: the keys that were taught press their buttons; Enter goes on. Without script the buttons do all.

import { Keys } from "./keys.js";

document.querySelector("[data-focus]")?.focus({ preventScroll: true });

const keys = new Keys(document, {
  isBusy: () => false,
  onReady: () => {},
  onKey(key) {
    const note = document.getElementById("note");
    if (key === "escape") { note?.blur(); return document.activeElement === note; }
    if (note && note.dataset.noteKey === key) { note.focus(); return true; }
    const button = document.querySelector(`[data-key="${CSS.escape(key)}"]:not([disabled])`);
    if (!button) return false;
    button.click();
    return true;
  },
});
keys.rearm();
