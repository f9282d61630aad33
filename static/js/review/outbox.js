// Decisions on their way to the server: kept until it has answered, sent again for as long as that takes.
//
// A lease token and its answer name the decision, so sending twice stores once. What is unsent also lies in IndexedDB
// (the answer and the note, never anything of the case) and goes out after a reload or a restart of the browser, from
// the page of whichever queue its person opens next. Each queue has a lane of its own: trouble in one holds up no other.

import { baseOf, post } from "./http.js";
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
  constructor({ slug, me, tab, onResult, onState, onRecalled }) {
    Object.assign(this, { slug, me, tab, onResult, onState, onRecalled });
    this.entries = [];
    this.recalls = new Map(); // by token: undone here, and nobody knows whether the server has it
    this.lanes = new Map();
    this.here = this.#lane(slug);
  }

  #lane(slug) {
    if (!this.lanes.has(slug)) this.lanes.set(slug, { slug, at: baseOf(slug), failures: 0, trouble: "", request: "", flying: 0, paused: false, single: false, timer: null });
    return this.lanes.get(slug);
  }

  // The lane whose trouble is told: this queue's before the others'.
  get #troubled() {
    return [this.here, ...this.lanes.values()].find((lane) => lane.trouble && this.#waiting(lane).length) ?? this.here;
  }

  #waiting(lane) {
    return this.entries.filter((entry) => entry.slug === lane.slug);
  }

  get trouble() {
    return this.#troubled.trouble;
  }

  get request() {
    return this.#troubled.request;
  }

  // While something is wrong no more is taken on than can be told and kept.
  get full() {
    return this.#waiting(this.here).length >= (this.here.trouble ? MOST_UNSENT : MOST_SLOW);
  }

  get count() {
    return this.entries.length;
  }

  // What tabs left behind that are gone, whichever queue they were at.
  async load() {
    this.store = await openStore().catch(() => null);
    const found = this.store ? await all(this.store).catch(() => []) : [];
    for (const entry of found.sort((a, b) => a.at - b.at)) {
      if (entry.me !== this.me || this.entries.some((one) => one.token === entry.token)) continue;
      if (entry.tab !== this.tab && !(await seize(`tab:${entry.tab}`))) continue;
      if (entry.recall) this.recalls.set(entry.token, entry);
      else this.entries.push({ ...entry, sent: false, attempted: true });
    }
    this.#told();
    this.flush();
    for (const token of this.recalls.keys()) this.#recallLater(token);
  }

  add(entry) {
    const whole = { ...entry, ...this.#mark(), sent: false };
    // The new answer takes the former one back by itself.
    if (this.recalls.delete(entry.token)) whole.instead = true;
    this.entries.push(whole);
    this.#keep(whole);
    this.#told();
    // After what the next case needs: that is what the person waits for.
    queueMicrotask(() => this.flush());
    setTimeout(() => this.#told(), SLOW_MS + 20);
    return whole;
  }

  // Takes an unsent decision back; false where it is on its way or was never here. One that was tried before may have
  // been stored without our hearing of it: that it is taken back is kept until another answer takes its place, or until
  // the server has heard of it, by ``recall`` or from whichever page is opened next.
  take(entry) {
    if (entry.sent || !this.entries.includes(entry)) return false;
    this.#drop(entry);
    if (entry.attempted) {
      const kept = { token: entry.token, recall: true, ...this.#mark(), slug: entry.slug };
      this.recalls.set(entry.token, kept);
      this.#keep(kept);
    }
    this.#told();
    return true;
  }

  // Tells the server that what it may have stored under this token is taken back; nothing where nothing is to be told.
  // Gives its answer, else null, as where the case was answered anew meanwhile.
  async recall(token) {
    const kept = this.recalls.get(token);
    if (!kept) return null;
    const answer = await post("take-back/", { token }, { at: this.#lane(kept.slug).at });
    if (this.recalls.get(token) !== kept) return null;
    if (answer.kind !== "ok" && answer.kind !== "refused") {
      setTimeout(() => this.#recallLater(token), LONGEST_WAIT_MS * (0.5 + Math.random()));
      return null;
    }
    this.recalls.delete(token);
    this.#forget(token);
    return answer;
  }

  async #recallLater(token) {
    const slug = this.recalls.get(token)?.slug;
    const answer = await this.recall(token);
    if (answer?.kind === "ok") this.onRecalled(answer.body, slug);
  }

  #mark() {
    return { slug: this.slug, me: this.me, tab: this.tab, at: Date.now() };
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
    for (const lane of this.lanes.values()) {
      clearTimeout(lane.timer);
      Object.assign(lane, { timer: null, paused: false });
    }
    this.flush();
  }

  flush() {
    for (const { slug } of this.entries) this.#lane(slug);
    for (const lane of this.lanes.values()) this.#flush(lane);
  }

  #flush(lane) {
    if (lane.paused || lane.timer) return;
    while (lane.flying < (lane.trouble ? 1 : BATCHES)) {
      const batch = this.#waiting(lane).filter((entry) => !entry.sent).slice(0, lane.single ? 1 : BATCH);
      if (!batch.length) return;
      this.#send(lane, batch);
    }
  }

  // The page is being left: one last try for what has not gone out.
  leave() {
    for (const lane of this.lanes.values()) {
      const waiting = this.#waiting(lane).filter((entry) => !entry.sent).slice(0, BATCH);
      if (waiting.length) post("answers/", { answers: waiting.map(wire) }, { json: true, keepalive: true, at: lane.at });
    }
    for (const { token, slug } of this.recalls.values()) post("take-back/", { token }, { keepalive: true, at: this.#lane(slug).at });
  }

  async #send(lane, batch) {
    lane.flying += 1;
    for (const entry of batch) { entry.sent = true; entry.attempted = true; }
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(16).slice(2)}`;
    const answer = await post("answers/", { answers: batch.map(wire) }, { json: true, id, at: lane.at });
    lane.flying -= 1;
    const verdicts = verdictsOf(answer, batch);
    for (const entry of batch) entry.sent = false;
    for (const entry of batch) if (verdicts.has(entry.token)) this.#settle(entry, verdicts.get(entry.token), answer.body);
    if (batch.every((entry) => verdicts.has(entry.token))) Object.assign(lane, { failures: 0, trouble: "", single: false });
    else if (answer.kind === "invalid") lane.single = true; // one of them is at fault; alone each is told apart
    else this.#failed(lane, ["offline", "signed-out", "forbidden"].includes(answer.kind) ? answer.kind : "broken", id);
    this.#told();
    // Whoever waits for one may take it back now, before it is tried again.
    for (const waiter of batch.flatMap((entry) => entry.waiters?.splice(0) ?? [])) waiter();
    await Promise.resolve();
    this.#flush(lane);
  }

  // Nobody knows what became of them: sent again by itself, or once the person has signed in or is allowed again.
  #failed(lane, trouble, id) {
    clearTimeout(lane.timer);
    Object.assign(lane, { failures: lane.failures + 1, request: id, trouble, paused: trouble === "signed-out" || trouble === "forbidden" });
    const wait = Math.min(FIRST_WAIT_MS * 2 ** (lane.failures - 1), LONGEST_WAIT_MS) * (0.5 + Math.random());
    lane.timer = lane.paused ? null : setTimeout(() => { lane.timer = null; this.#flush(lane); }, wait);
  }

  #settle(entry, result, body) {
    entry.result = result;
    this.#drop(entry);
    this.onResult(entry, entry.result, body);
  }

  #told() {
    const now = Date.now();
    const slow = this.entries.filter((entry) => now - entry.at >= SLOW_MS).length;
    this.onState({ trouble: this.trouble, here: this.here.trouble, count: this.count, slow, request: this.request, full: this.full });
  }

  #drop(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    if (!this.entries.some((one) => one.token === entry.token)) this.#forget(entry.token);
  }

  #forget(token) {
    if (this.store) change(this.store, (rows) => rows.delete(token));
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
