// Which tab of this browser has what. A name is held by one tab at most, and let go when the tab ends, however it ends.
//
// Web Locks do that; where they are missing (plain http) the tabs ask each other.

const held = new Map();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("reviewhub-review") : null;
const ASK_MS = 150;

channel?.addEventListener("message", (event) => {
  if (event.data.ask && held.has(event.data.ask)) channel.postMessage({ taken: event.data.ask });
});

export function seize(name) {
  if (held.has(name)) return Promise.resolve(true);
  if (navigator.locks) {
    return new Promise((resolve) => {
      navigator.locks.request(`reviewhub:${name}`, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(false);
        return new Promise((release) => { held.set(name, release); resolve(true); });
      }).catch(() => resolve(true));
    });
  }
  if (!channel) { held.set(name, () => {}); return Promise.resolve(true); }
  return new Promise((resolve) => {
    const answer = (event) => { if (event.data.taken === name) done(false); };
    const done = (free) => { channel.removeEventListener("message", answer); clearTimeout(timer); if (free) held.set(name, () => {}); resolve(free); };
    const timer = setTimeout(() => done(true), ASK_MS);
    channel.addEventListener("message", answer);
    channel.postMessage({ ask: name });
  });
}

export function letGo(name) {
  held.get(name)?.();
  held.delete(name);
}

// A duplicated tab begins with a copy of the first one's storage; the name it can seize is its own.
export async function ownTab() {
  const before = sessionStorage.getItem("review-tab");
  for (let tries = 0; before && tries < 3; tries += 1) {
    if (await seize(`tab:${before}`)) return before;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const id = Math.random().toString(36).slice(2) + Date.now().toString(36);
  await seize(`tab:${id}`);
  sessionStorage.setItem("review-tab", id);
  return id;
}
