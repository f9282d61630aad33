// Requests of the review page. Every answer is sorted into one of a few kinds; nothing here throws.
//
// ok, refused (409), invalid (400, 422), forbidden (the queue is not this person's), signed-out, broken (5xx and all
// else), offline (no answer). What refuses must be the product itself, which tells a code: a status alone may be of a
// proxy, or of a deployment that is half done.

const root = document.getElementById("review");
export const base = root.dataset.base;
export const me = root.dataset.me;
let csrf = root.dataset.csrf;

const PATIENCE_MS = 30_000;

// Where another queue's page stands.
export const baseOf = (slug) => base.replace(/[^/]+\/review\/$/, `${slug}/review/`);

async function request(path, options, id, at = base) {
  const headers = { "X-Requested-With": "fetch", ...options.headers };
  if (id) headers["X-Request-Id"] = id;
  let answer;
  try {
    answer = await fetch(at + path, { ...options, headers, redirect: "manual", credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    return { kind: "offline" };
  }
  // No view of this page redirects but the one that asks to sign in.
  if (answer.type === "opaqueredirect" || answer.status === 401) return { kind: "signed-out" };
  let body = null;
  try {
    body = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : await answer.text();
  } catch {
    return { kind: "offline" };
  }
  return { kind: kindOf(answer, body?.code), status: answer.status, body };
}

function kindOf({ ok, status }, code) {
  if (ok) return "ok";
  if (code === "not_allowed") return "forbidden";
  return (code && { 400: "invalid", 409: "refused", 422: "invalid" }[status]) ?? "broken";
}

export const get = (path) => request(path, {});

// How the queue stands; brings a fresh token for forms along.
export async function state() {
  const answer = await get("state/");
  if (answer.kind !== "ok") return answer;
  if (!answer.body?.me) return { ...answer, kind: "broken" };
  if (answer.body.me !== me) return { kind: "signed-out", other: true };
  csrf = answer.body.csrf;
  return answer;
}

export async function post(path, data = {}, { json = false, id = "", keepalive = false, at = base } = {}) {
  const send = () => {
    const headers = { "X-CSRFToken": csrf };
    if (json) headers["Content-Type"] = "application/json";
    return request(path, { method: "POST", headers, keepalive, body: json ? JSON.stringify(data) : new URLSearchParams(data) }, id, at);
  };
  const answer = await send();
  if (answer.status !== 403) return answer;
  // The token may be of a session that has ended, or of before one signed in again in another tab.
  const fresh = await state();
  if (fresh.kind !== "ok") return fresh;
  return send();
}

// For a page that is being left: nobody waits for the answer.
export function beacon(path, data) {
  navigator.sendBeacon?.(base + path, new URLSearchParams({ ...data, csrfmiddlewaretoken: csrf }));
}

// Sign in without leaving the page: the sign-in page's own form, filled in here. Tells what was wrong, else nothing.
export async function signIn(url, fields) {
  try {
    const page = new DOMParser().parseFromString(await (await fetch(url, { credentials: "same-origin" })).text(), "text/html");
    const token = page.querySelector("[name=csrfmiddlewaretoken]")?.value;
    if (!token) return "";
    const answer = await fetch(url, { method: "POST", redirect: "manual", credentials: "same-origin", body: new URLSearchParams({ ...fields, csrfmiddlewaretoken: token }) });
    if (answer.type === "opaqueredirect") return "";
    const shown = new DOMParser().parseFromString(await answer.text(), "text/html");
    return shown.querySelector(".errorlist, .notice-error, [role=alert]")?.textContent.trim().replace(/\s+/g, " ") || "That did not work.";
  } catch {
    return "The server did not answer.";
  }
}
