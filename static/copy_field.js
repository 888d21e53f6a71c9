// Buttons that copy the field before them. Their texts are the server's.

"use strict";

{
  const SHOWN_MS = 3000;

  async function write(field) {
    field.select();
    if (navigator.clipboard) return navigator.clipboard.writeText(field.value);
    // Over plain HTTP browsers have no clipboard, but they still have the old command, for what is selected.
    if (!document.execCommand("copy")) throw new Error("refused");
  }

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-action=copy-field]");
    if (!button) return;
    const place = button.parentElement;
    const outcome = place.querySelector("[role=status]");
    try {
      await write(place.querySelector("input"));
      outcome.textContent = outcome.dataset.copied;
    } catch {
      outcome.textContent = outcome.dataset.notCopied; // the browser's own decision; the field is selected
    }
    button.focus({ preventScroll: true });
    setTimeout(() => (outcome.textContent = ""), SHOWN_MS);
  });
}
