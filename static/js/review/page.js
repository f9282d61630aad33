// What the page knows: one object that its parts read and write, and what of it a reload finds again.

export const root = document.getElementById("review");
export const stage = document.getElementById("stage");
export const { slug } = root.dataset;
export const bound = JSON.parse(root.dataset.keys);

export const page = {
  deck: null, // the cases claimed ahead
  outbox: null, // the decisions on their way; there once the page has begun
  keys: null,
  current: null, // the case in hand
  looking: null, // a case of one's history that stands on the stage instead
  selected: null, // the label chosen where two keys are asked for
  busy: true,
  paused: null, // with what was in hand
  pressed: "", // how the click that is being handled came about
  past: [], // what this tab decided, the newest last
  title: document.title,
};

const OPEN = `review-open:${slug}`;

// The cases this tab has open, so that a reload finds them again.
export function remember() {
  const open = [page.current, ...page.deck.slots].filter((slot) => slot?.opened).map((slot) => slot.token);
  try { sessionStorage.setItem(OPEN, open.join(",")); } catch { /* without it a reload takes any of one's own cases that no tab shows */ }
}

export const remembered = () => (sessionStorage.getItem(OPEN) ?? "").split(",").filter(Boolean);
