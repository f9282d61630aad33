// Small things every page may use. Nothing here is needed for a page to work.

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  const word = button.textContent;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const text = field.value ?? field.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      field.select?.();
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = word; }, 2000);
  });
}

// The account menu closes like a menu: on Escape and on a press elsewhere.
const account = document.querySelector("details.account");
if (account) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && account.open) {
      account.open = false;
      account.querySelector("summary").focus();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (account.open && !account.contains(event.target)) account.open = false;
  });
}
