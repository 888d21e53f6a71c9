// What else HTML cannot do: alerts, orders, swaps that keep focus and place, scrolling with the answer, copying, clocks.

"use strict";

const NEAR_END_PIXELS = 60;
const UNREACHABLE = "The server cannot be reached. Try again in a moment.";

const scroller = document.getElementById("scroller");

function say(text, role) {
  const alert = document.getElementById("alert");
  alert.className = role === "alert" ? "alert" : "alert good";
  alert.setAttribute("role", role);
  alert.textContent = text;
  alert.hidden = !text;
}

function complain(text) {
  say(text, "alert");
}

document.addEventListener("htmx:sendError", () => complain(UNREACHABLE));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  complain(status === 404 ? "That is gone already. Reload the page." : `The server refused this (${status}).`);
});

document.addEventListener("connection", ({ detail: { state } }) => {
  if (state === "open" && document.getElementById("alert").textContent.startsWith(UNREACHABLE)) say("", "alert");
});

// Orders that a message's buttons give: one at a time, and never in store for a server that is away.

let isOrdered = false;
let anchor = null;

document.addEventListener("htmx:wsConfigSend", (event) => {
  if (event.target === composer) return;
  const { parameters, triggeringEvent } = event.detail;
  if (!isConnected()) complain(waits ? `${UNREACHABLE} ${WAITS}` : UNREACHABLE);
  const isStop = parameters.action === "stop";
  if (!isConnected() || (isOrdered && !isStop)) {
    event.preventDefault();
    return;
  }
  isOrdered = !isStop;
  followOrder(parameters, triggeringEvent?.submitter);
});

// The answer that comes is followed; another version appears where the person is looking.
function followOrder({ action, message }, button) {
  for (const menu of document.querySelectorAll("#messages details.menu[open]")) menu.open = false;
  hadFocus = true;
  if (action === "version") {
    anchor = { id: `message-${message}`, top: topOf(button.closest("article")), action: button.dataset.action };
  } else if (action !== "stop" && action !== "retry") {
    follows = true;
  }
}

function topOf(element) {
  return element.getBoundingClientRect().top;
}

// What the socket brings.

let hadFocus = false;

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target: old, fragment } = event.detail;
  if (old.id === "prompt-key") clearSavedPrompt();
  if (old.id === "alert" && fragment.querySelector("[role=alert]:not([hidden])")) {
    stopWaiting();
    anchor = null;
  }
  if (old.id === "alert" && fragment.querySelector("[role=status]:not([hidden])")) keepPromise();
  if (old.closest("main") && old.contains(document.activeElement)) hadFocus = true;
  // A block that the person opened or folded stays as they left it.
  for (const block of old.parentNode.querySelectorAll("details[data-touched]")) {
    const fresh = old.contains(block) && fragment.querySelector(`#${block.id}`);
    if (!fresh) continue;
    fresh.open = block.open;
    fresh.dataset.touched = "yes";
  }
});

document.addEventListener("htmx:wsAfterMessage", () => {
  isOrdered = false;
  const shown = anchor && document.getElementById(anchor.id);
  if (shown) {
    scroller.scrollTop += topOf(shown) - anchor.top;
    follows = isNearEnd();
  } else if (follows && scroller.scrollHeight !== height) {
    scroller.scrollTop = scroller.scrollHeight;
  }
  height = scroller.scrollHeight;
  showToEnd();
  tick();
  const current = document.querySelector("#conversation-list [aria-current]");
  if (current) document.title = `${current.textContent} · LocalAI`;
  if (hadFocus && document.activeElement === document.body) focusAgain(shown);
  hadFocus = false;
  if (shown) anchor = null;
});

// The button that had the focus was replaced: among versions to its successor, else to the composer.
function focusAgain(shown) {
  const successor =
    shown?.querySelector(`[data-action=${anchor.action}]:not(:disabled)`) ??
    shown?.querySelector(".versions button:not(:disabled)");
  if (successor) successor.focus({ preventScroll: true });
  else if (!isTouch) prompt.focus({ preventScroll: true });
}

// Scrolling: with the answer, until the person scrolls up.

const toEnd = document.querySelector("[data-action=to-end]");
let follows = true;
let height = 0; // as it was last followed: a heartbeat alone moves nothing

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

new ResizeObserver(() => {
  if (follows) scroller.scrollTop = scroller.scrollHeight;
}).observe(scroller);

toEnd.addEventListener("click", () => {
  follows = true;
  scroller.scrollTop = scroller.scrollHeight;
});

// Keys.

function leaveOff(target) {
  const menu = target.closest("details.menu[open]");
  const stop = composer.querySelector("[data-action=stop]:not([hidden])");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (edits.value) {
    endEdit();
  } else if (stop) {
    stop.click();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.target.matches("select")) return;
  if (event.key === "Escape") leaveOff(event.target);
  if (event.key === "Enter" && event.ctrlKey && event.shiftKey) {
    event.preventDefault();
    document.querySelector("#messages > :last-child [aria-keyshortcuts='Control+Shift+Enter']")?.click();
  }
});

// Clicks on what comes and goes.

async function copy(element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent);
  // Over plain HTTP browsers have no clipboard, but they still have the old command.
  getSelection().selectAllChildren(element);
  if (!document.execCommand("copy")) throw new Error("refused");
  getSelection().removeAllRanges();
}

const CLICKS = {
  "details:not(.menu) > summary": (summary) => (summary.parentElement.dataset.touched = "yes"),
  "[data-sample]": (sample) => {
    prompt.value = sample.dataset.sample;
    send();
  },
  "[data-action=edit]": (button, event) => {
    event.preventDefault();
    startEdit(button.closest("article"));
  },
  "[data-action=cancel-edit]": (link, event) => {
    event.preventDefault();
    endEdit();
  },
  "[data-action=copy]": (button) => {
    copy(button.closest("article").querySelector("[data-part=answer]"))
      .then(() => (button.textContent = "Copied"), () => (button.textContent = "Could not copy"))
      .then(() => setTimeout(() => (button.textContent = "Copy"), 1500));
  },
};

document.addEventListener("click", (event) => {
  for (const [selector, act] of Object.entries(CLICKS)) {
    const clicked = event.target.closest(selector);
    if (clicked) act(clicked, event);
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
