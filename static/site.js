// What HTML cannot do: Enter, Escape, copying, scrolling with the answer, clocks, the connection's state.

"use strict";

const NEAR_END_PIXELS = 60;
const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;

const scroller = document.getElementById("scroller");
const composer = document.getElementById("composer");
const prompt = document.getElementById("prompt");
let sentText = null;
let follows = true;

// --- the connection: quick to come back, never slower than five seconds ---

htmx.config.wsReconnectDelay = (attempt) =>
  Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 6)) * (0.6 + 0.4 * Math.random());
document.addEventListener("htmx:wsOpen", () => (document.body.dataset.connection = "open"));
document.addEventListener("htmx:wsClose", () => (document.body.dataset.connection = "lost"));

// --- the composer ---

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    composer.requestSubmit(composer.querySelector("[data-action=send]"));
  }
});

document.addEventListener("keydown", (event) => {
  const stop = composer.querySelector("[data-action=stop]:not([hidden])");
  if (event.key === "Escape" && stop) stop.click();
});

composer.addEventListener("htmx:wsAfterSend", (event) => {
  if (event.target === composer) sentText = prompt.value;
});

// The server says that a prompt is saved: only then does the text leave the composer.
function clearAcceptedPrompt() {
  if (sentText !== null && prompt.value === sentText) prompt.value = "";
  sentText = null;
  follows = true;
  prompt.focus();
}

// --- what the socket brings ---

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const old = event.detail.target;
  if (old.id === "accepted") clearAcceptedPrompt();
  // A thinking block that the person opened or folded stays as they left it.
  const block = old.matches("details.thinking") ? old : old.querySelector("details.thinking");
  const fresh = event.detail.fragment.querySelector("details.thinking");
  if (block?.dataset.touched && fresh && block.id === fresh.id) {
    fresh.open = block.open;
    fresh.dataset.touched = "yes";
  }
});

document.addEventListener("htmx:wsAfterMessage", () => {
  if (follows) scroller.scrollTop = scroller.scrollHeight;
  showToEnd();
  tick();
});

// --- scrolling: with the answer, until the person scrolls up ---

const toEnd = document.querySelector("[data-action=to-end]");

function isNearEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PIXELS;
}

function showToEnd() {
  toEnd.hidden = isNearEnd();
}

scroller.addEventListener("scroll", () => {
  follows = isNearEnd();
  showToEnd();
}, { passive: true });

toEnd.addEventListener("click", () => {
  follows = true;
  scroller.scrollTop = scroller.scrollHeight;
});

// --- clicks on what comes and goes ---

document.addEventListener("click", async (event) => {
  const summary = event.target.closest("details.thinking > summary");
  if (summary) summary.parentElement.dataset.touched = "yes";

  const sample = event.target.closest("[data-sample]");
  if (sample) {
    prompt.value = sample.dataset.sample;
    composer.requestSubmit(composer.querySelector("[data-action=send]"));
  }

  const copy = event.target.closest("[data-action=copy]");
  if (copy) {
    const answer = copy.closest("article").querySelector("[data-part=answer]");
    await navigator.clipboard.writeText(answer.textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  }

  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// --- clocks ---

function tick() {
  for (const clock of document.querySelectorAll("time[data-since]")) {
    clock.textContent = `${Math.max(0, Math.round(Date.now() / 1000 - clock.dataset.since))} s`;
  }
}

setInterval(tick, 1000);
tick();
scroller.scrollTop = scroller.scrollHeight;
