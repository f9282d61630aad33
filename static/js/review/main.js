// The review page: one case, one key, the next case already there.
//
// A key paints the next case at once; the decision goes out through the outbox. The server makes every case (a piece of
// HTML), the modules here move them about; this one puts them together, begins and leaves.

import { askToSignIn, notAllowed } from "./access.js";
import { listen } from "./acts.js";
import { Deck, orphans } from "./deck.js";
import { recalled } from "./history.js";
import { gone, over, takeInHand, tellOpened } from "./holding.js";
import { beacon, me, state } from "./http.js";
import * as leases from "./lease.js";
import { Outbox } from "./outbox.js";
import { page, remember, remembered, root, slug } from "./page.js";
import { goOn } from "./passing.js";
import { poll } from "./polling.js";
import { stored } from "./results.js";
import { SLOW_MS, advance, blank, whenPainted } from "./stage.js";
import { connected, notice } from "./states.js";
import { ownTab } from "./tabs.js";

const POLL_MS = 15_000;

page.deck = new Deck({
  ahead: Number(root.dataset.ahead),
  escalated: "escalated" in root.dataset,
  onSlots() {
    page.deck.drop(page.current?.token);
    if (!page.current && !page.looking && !page.paused) advance();
    remember();
  },
  onTrouble(answer, waiting) {
    if (answer.kind === "signed-out") askToSignIn(answer);
    else if (answer.kind === "forbidden") notAllowed();
    else if (waiting) { notice("slow"); setTimeout(() => { if (!page.current && !page.paused) page.deck.refill(true); }, SLOW_MS); }
  },
});

whenPainted((slot) => {
  if (page.paused) goOn(slot);
  takeInHand(slot);
});

async function begin() {
  listen();
  blank();
  const tab = await ownTab();
  const outbox = new Outbox({
    slug, me, tab, onResult: stored, onRecalled: recalled,
    onState(told) {
      connected(told);
      if (told.trouble === "signed-out") askToSignIn();
      if (told.here === "forbidden") notAllowed();
    },
  });
  page.outbox = outbox;
  const mine = remembered();
  const [answer] = await Promise.all([state(), outbox.load()]);
  leases.watch({ current: () => (page.paused ? null : page.current), isCounted: () => !page.looking, deck: page.deck, onOver: over, onGone: gone, onUnheard: tellOpened });
  setInterval(poll, POLL_MS);
  if (answer.kind === "signed-out") askToSignIn(answer);
  // What is decided and not yet stored is not shown again.
  const unsent = new Set(outbox.entries.map((entry) => entry.token));
  const held = answer.kind === "ok" ? answer.body.held.filter((token) => !unsent.has(token)) : [];
  const found = await orphans(held, mine);
  for (const slot of found) slot.opened = Date.now();
  page.deck.slots.push(...found);
  if (!page.current) advance();
}

begin();

// ---- leaving ----

window.addEventListener("beforeunload", (event) => {
  if (page.outbox?.count) event.preventDefault();
});

window.addEventListener("pagehide", () => {
  const unseen = page.deck.slots.filter((slot) => !slot.opened).map((slot) => slot.token);
  if (unseen.length) beacon("give-back/", { tokens: unseen.join(","), reason: "unseen" });
  page.outbox?.leave();
});

window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible" && page.outbox) poll(); });
