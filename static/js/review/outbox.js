// Decisions on their way to the server: kept until it has answered, sent again for as long as that takes.
//
// A lease token and its answer name the decision, so sending twice stores once. What is unsent also lies in IndexedDB
// (the answer and the note, never anything of the case) and goes out after a reload or a restart of the browser.

import { post } from "./http.js";
import { seize } from "./tabs.js";

const MOST_UNSENT = 20;
const MOST_SLOW = 120;
const BATCH = 20;
const BATCHES = 2;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
export const SLOW_MS = 1_000;

const FIELDS = ["token", "answer", "note", "codes", "seconds", "first_input", "input", "instead"];

export class Outbox {
  constructor({ slug, me, tab, onResult, onState }) {
    Object.assign(this, { slug, me, tab, onResult, onState });
    this.entries = [];
    this.failures = 0;
    this.trouble = "";
    this.request = "";
    this.flying = 0;
  }

  // While something is wrong no more is taken on than can be told and kept.
  get full() {
    return this.entries.length >= (this.trouble ? MOST_UNSENT : MOST_SLOW);
  }

  get count() {
    return this.entries.length;
  }

  // What tabs left behind that are gone.
  async load() {
    this.store = await openStore().catch(() => null);
    const found = this.store ? await all(this.store).catch(() => []) : [];
    for (const entry of found.sort((a, b) => a.at - b.at)) {
      if (entry.slug !== this.slug || entry.me !== this.me || this.entries.some((one) => one.token === entry.token)) continue;
      if (entry.tab !== this.tab && !(await seize(`tab:${entry.tab}`))) continue;
      this.entries.push({ ...entry, sent: false });
    }
    this.#told();
    this.flush();
  }

  add(entry) {
    const whole = { ...entry, slug: this.slug, me: this.me, tab: this.tab, at: Date.now(), sent: false };
    this.entries.push(whole);
    this.#keep(whole);
    this.#told();
    this.flush();
    setTimeout(() => this.#told(), SLOW_MS + 20);
    return whole;
  }

  // Takes an unsent decision back; false where it is on its way or was never here. One that was tried before may have
  // been stored without our hearing of it: the caller then says that the next answer comes instead.
  take(entry) {
    if (entry.sent || !this.entries.includes(entry)) return false;
    this.#drop(entry);
    this.#told();
    return true;
  }

  // Once a decision is no longer on its way: it has a result then, or nobody knows what became of it.
  landed(entry) {
    if (!entry.sent) return Promise.resolve();
    return new Promise((resolve) => { (entry.waiters ??= []).push(resolve); });
  }

  async idle() {
    for (const entry of [...this.entries]) await this.landed(entry);
  }

  retry() {
    clearTimeout(this.timer);
    this.timer = null;
    this.paused = false;
    this.flush();
  }

  flush() {
    if (this.paused || this.timer) return;
    while (this.flying < (this.trouble ? 1 : BATCHES)) {
      const batch = this.entries.filter((entry) => !entry.sent).slice(0, this.single ? 1 : BATCH);
      if (!batch.length) return;
      this.#send(batch);
    }
  }

  // The page is being left: one last try for what has not gone out.
  leave() {
    const waiting = this.entries.filter((entry) => !entry.sent).slice(0, BATCH);
    if (waiting.length) post("answers/", { answers: waiting.map(wire) }, { json: true, keepalive: true });
  }

  async #send(batch) {
    this.flying += 1;
    for (const entry of batch) { entry.sent = true; entry.attempted = true; }
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(16).slice(2)}`;
    const answer = await post("answers/", { answers: batch.map(wire) }, { json: true, id });
    this.flying -= 1;
    const verdicts = verdictsOf(answer, batch);
    for (const entry of batch) entry.sent = false;
    for (const entry of batch) if (verdicts.has(entry.token)) this.#settle(entry, verdicts.get(entry.token), answer.body);
    if (batch.every((entry) => verdicts.has(entry.token))) Object.assign(this, { failures: 0, trouble: "", single: false });
    else if (answer.kind === "invalid") this.single = true; // one of them is at fault; alone each is told apart
    else this.#failed(["offline", "signed-out", "forbidden"].includes(answer.kind) ? answer.kind : "broken", id);
    this.#told();
    // Whoever waits for one may take it back now, before it is tried again.
    for (const waiter of batch.flatMap((entry) => entry.waiters?.splice(0) ?? [])) waiter();
    await Promise.resolve();
    this.flush();
  }

  // Nobody knows what became of them: sent again by itself, or once the person has signed in or is allowed again.
  #failed(trouble, id) {
    this.failures += 1;
    this.request = id;
    this.trouble = trouble;
    this.paused = trouble === "signed-out" || trouble === "forbidden";
    const wait = Math.min(FIRST_WAIT_MS * 2 ** (this.failures - 1), LONGEST_WAIT_MS) * (0.5 + Math.random());
    clearTimeout(this.timer);
    this.timer = this.paused ? null : setTimeout(() => { this.timer = null; this.flush(); }, wait);
  }

  #settle(entry, result, body) {
    entry.result = result;
    this.#drop(entry);
    this.onResult(entry, entry.result, body);
  }

  #told() {
    const now = Date.now();
    const slow = this.entries.filter((entry) => now - entry.at >= SLOW_MS).length;
    this.onState({ trouble: this.trouble, count: this.count, slow, request: this.request, full: this.full });
  }

  #drop(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    if (this.store) change(this.store, (rows) => rows.delete(entry.token));
  }

  #keep(entry) {
    const { sent, attempted, waiters, result, ...kept } = entry;
    if (this.store) change(this.store, (rows) => rows.put(kept));
  }
}

// What the server itself said of each decision. Nothing else ends one: a refusal of the request as a whole is trouble,
// except of the body of a single one.
function verdictsOf({ kind, body }, batch) {
  if (kind === "ok" && Array.isArray(body?.results)) return new Map(body.results.map((result) => [result.token, result]));
  if (kind !== "invalid" || batch.length > 1) return new Map();
  const [{ token }] = batch;
  return new Map([[token, { token, status: "invalid", code: body.code, errors: { answer: body.told }, told: body.told }]]);
}

function wire(entry) {
  const sent = Object.fromEntries(FIELDS.filter((name) => entry[name] !== undefined).map((name) => [name, entry[name]]));
  if (entry.opened) sent.opened_ago = ((Date.now() - entry.opened) / 1000).toFixed(1);
  return sent;
}

function openStore() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("reviewhub-outbox", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("decisions", { keyPath: "token" });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

function all(store) {
  return new Promise((resolve, reject) => {
    const asked = store.transaction("decisions").objectStore("decisions").getAll();
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

// A private window may refuse to store; the page then keeps what is unsent in itself alone.
function change(store, act) {
  try {
    act(store.transaction("decisions", "readwrite").objectStore("decisions"));
  } catch { /* told by the warning on leaving */ }
}
