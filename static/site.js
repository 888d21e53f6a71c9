// What HTML cannot do: Enter, Escape, copying, scrolling with the answer, clocks, the connection's state.

"use strict";

const NEAR_END_PIXELS = 60;
const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;
const CLOSED_FOR_GOOD = {
  4401: "You are logged out. Copy what you wrote, then reload the page and log in again.",
  4404: "This conversation was deleted. Copy what you wrote and start a new one.",
};

const scroller = document.getElementById("scroller");
const composer = document.getElementById("composer");
const prompt = document.getElementById("prompt");
const isTouch = matchMedia("(pointer: coarse)").matches;
let sentText = null;
let isOnItsWay = false;
let hadFocusOnActions = false;
let follows = true;

function complain(text) {
  const alert = document.getElementById("alert");
  alert.textContent = text;
  alert.className = "alert";
  alert.hidden = false;
}

// The connection: quick to come back, never slower than five seconds.

htmx.config.wsReconnectDelay = (attempt) =>
  Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 6)) * (0.6 + 0.4 * Math.random());

document.addEventListener("htmx:wsOpen", () => (document.body.dataset.connection = "open"));
document.addEventListener("htmx:wsClose", (event) => {
  // What was sent, but not answered, may be lost: it is still in the composer and may be sent again.
  if (isOnItsWay) sentText = null;
  isOnItsWay = false;
  const reason = CLOSED_FOR_GOOD[event.detail.event.code];
  document.body.dataset.connection = reason ? "closed" : "lost";
  if (reason) complain(reason);
});
document.addEventListener("htmx:sendError", () => complain("The server cannot be reached. Try again in a moment."));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  complain(status === 404 ? "That is gone already. Reload the page." : `The server refused this (${status}).`);
});

// The composer. One submit at a time: a second Enter before the server has answered sends nothing.

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

prompt.addEventListener("input", grow);
grow();

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !isTouch) {
    event.preventDefault();
    composer.requestSubmit(composer.querySelector("[data-action=send]"));
  }
});

composer.addEventListener("submit", (event) => {
  if (event.submitter?.dataset.action === "stop") return;
  if (sentText !== null) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else {
    sentText = prompt.value;
  }
}, { capture: true });

composer.addEventListener("htmx:wsAfterSend", () => (isOnItsWay = true));

document.addEventListener("keydown", (event) => {
  const isElsewhere = event.isComposing || event.target.closest("select, details.menu");
  const stop = composer.querySelector("[data-action=stop]:not([hidden])");
  if (event.key === "Escape" && stop && !isElsewhere) stop.click();
});

// The server says that a prompt is saved: only then does the text leave the composer.
function clearAcceptedPrompt() {
  if (prompt.value === sentText) prompt.value = "";
  sentText = null;
  isOnItsWay = false;
  follows = true;
  grow();
  if (!isTouch) prompt.focus();
}

// What the socket brings.

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const old = event.detail.target;
  if (old.id === "accepted") clearAcceptedPrompt();
  if (old.id === "alert") sentText = null;
  if (old.id === "actions") hadFocusOnActions = old.contains(document.activeElement);
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
  const current = document.querySelector("#conversation-list [aria-current]");
  if (current) document.title = `${current.textContent} · LocalAI`;
  if (hadFocusOnActions && !isTouch) prompt.focus();
  hadFocusOnActions = false;
});

// Scrolling: with the answer, until the person scrolls up.

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

// Clicks on what comes and goes.

async function copy(element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
  // Over plain HTTP browsers have no clipboard, but they still have the old command.
  getSelection().selectAllChildren(element);
  if (!document.execCommand("copy")) throw new Error("refused");
  getSelection().removeAllRanges();
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest("details.thinking > summary");
  if (summary) summary.parentElement.dataset.touched = "yes";

  const sample = event.target.closest("[data-sample]");
  if (sample) {
    prompt.value = sample.dataset.sample;
    composer.requestSubmit(composer.querySelector("[data-action=send]"));
  }

  const button = event.target.closest("[data-action=copy]");
  if (button) {
    copy(button.closest("article").querySelector("[data-part=answer]"))
      .then(() => (button.textContent = "Copied"), () => (button.textContent = "Could not copy"))
      .then(() => setTimeout(() => (button.textContent = "Copy"), 1500));
  }

  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Clocks.

function tick() {
  for (const clock of document.querySelectorAll("time[data-since]")) {
    clock.textContent = `${Math.max(0, Math.round(Date.now() / 1000 - clock.dataset.since))} s`;
  }
}

setInterval(tick, 1000);
tick();
scroller.scrollTop = scroller.scrollHeight;
