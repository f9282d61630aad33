// Single keys for buttons. A button carries its key in data-key; pressing the key presses the button.
//
// The printed character decides, so CapsLock and every Latin layout work. The key's place on the
// keyboard counts only where the layout prints something outside ASCII, and for the row of digits,
// which some layouts print only with Shift.

const GUARD_MS = 120;
const SIGN = /^[!-/:-@[-`{-~]$/;

export function keyOf(event) {
  // AltGr prints signs on many layouts, and counts as Ctrl+Alt on some systems.
  if (event.getModifierState?.("AltGraph") && SIGN.test(event.key)) return event.key;
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (event.isComposing || event.key === "Process" || event.key === "Dead" || event.key === "Unidentified") return null;
  if (event.key === "?") return "?";
  if (event.key === "Escape") return "escape";
  if (event.key === "Enter") return event.shiftKey ? null : "enter";
  if (/^[0-9]$/.test(event.key)) return event.key;
  if (/^Digit[0-9]$/.test(event.code) && !event.shiftKey && !/^[a-z0-9]$/i.test(event.key)) return event.code.slice(5);
  if (SIGN.test(event.key)) return event.key;
  if (event.shiftKey && !event.getModifierState?.("CapsLock")) return null;
  if (/^[\x20-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  if (event.key.length === 1 && /^Key[A-Z]$/.test(event.code)) return event.code.slice(3).toLowerCase();
  return null;
}

export function isEditable(target) {
  return target instanceof Element && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio], [type=button]), textarea, select"));
}

// One press, one decision: after a new case is painted, keys wait until whatever was held is let go
// and a moment has passed.
export class Keys {
  constructor(root, { onKey, isBusy, onReady }) {
    this.root = root;
    this.onKey = onKey;
    this.isBusy = isBusy;
    this.onReady = onReady;
    this.held = new Set();
    this.openAt = 0;
    this.waitingFor = new Set();
    root.addEventListener("keydown", (event) => this.#down(event));
    root.addEventListener("keyup", (event) => this.#up(event));
    window.addEventListener("blur", () => { this.held.clear(); this.waitingFor.clear(); this.#settle(); });
  }

  // A new case is on screen.
  rearm() {
    this.openAt = performance.now() + GUARD_MS;
    this.waitingFor = new Set(this.held);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#settle(), GUARD_MS);
  }

  get ready() {
    return this.waitingFor.size === 0 && performance.now() >= this.openAt;
  }

  #settle() {
    if (this.ready) this.onReady();
  }

  #up(event) {
    this.held.delete(event.code);
    if (this.waitingFor.delete(event.code)) this.#settle();
  }

  #down(event) {
    this.held.add(event.code);
    if (event.repeat || event.defaultPrevented) return;
    const key = keyOf(event);
    if (key === null) return;
    if (key !== "escape" && (isEditable(event.target) || document.querySelector("dialog[open]"))) return;
    // Enter presses the button or follows the link that has the focus.
    if (key === "enter" && event.target.closest?.("button, a, summary")) return;
    if (this.isBusy() || !this.ready) return;
    if (this.onKey(key, event)) event.preventDefault();
  }
}
