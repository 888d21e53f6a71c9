// The messages: orders about them, what the socket brings to them, scrolling with the answer.

"use strict";

const NEAR_END_PIXELS = 60;
const EARLIER_PIXELS = 300;

const scroller = document.getElementById("scroller");

// Orders that a message's buttons give: one at a time, and never in store for a server that is away.

let isOrdered = false;
let anchor = null;

document.addEventListener("htmx:wsConfigSend", (event) => {
  if (event.target === composer) return;
  const { parameters, triggeringEvent } = event.detail;
  if (!isConnected()) complain(waits ? `${WORDS.unreachable} ${WORDS.waits}` : WORDS.unreachable);
  const isStop = parameters.action === "stop";
  if (!isConnected() || (isOrdered && !isStop)) {
    event.preventDefault();
    return;
  }
  isOrdered = !isStop;
  followOrder(parameters, triggeringEvent?.submitter);
});

document.addEventListener("connection", ({ detail: { state } }) => {
  const alert = document.getElementById("alert");
  if (state === "open" && alert.textContent.startsWith(WORDS.unreachable)) say("", "alert");
});

// The answer that comes is followed; another version, or what is earlier, appears where the person is looking.
function followOrder({ action, message }, button) {
  if (action !== "earlier") closeMenus((menu) => menu.closest("#messages"));
  hadFocus = action !== "earlier" || document.activeElement === button;
  const find = () => document.getElementById(`message-${message}`);
  if (action === "version") {
    anchor = { find, top: topOf(button.closest("article")), action: button.dataset.action };
  } else if (action === "earlier") {
    anchor = { find: () => !button.isConnected && find(), top: topOf(find()), action };
  } else if (action !== "stop" && action !== "retry") {
    follows = true;
  }
}

function topOf(element) {
  return element.getBoundingClientRect().top;
}

// What the socket brings.

let hadFocus = false;

document.addEventListener("htmx:wsBeforeMessage", noticeScroll);

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target: old, fragment } = event.detail;
  if (old.id === "prompt-key") clearSavedPrompt();
  if (old.id === "meter-refresh") prompt.dispatchEvent(new Event("draft")); // the meter asks, not what is swapped away
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
  const shown = anchor?.find();
  if (shown) {
    scroller.scrollTop += topOf(shown) - anchor.top;
    follows = isNearEnd();
  } else if (follows && scroller.scrollHeight !== height) {
    toEnd();
  }
  height = scroller.scrollHeight;
  lastTop = scroller.scrollTop;
  showToEnd();
  tick();
  const current = document.querySelector("#conversation-list [aria-current]");
  if (current) document.title = `${current.textContent.trim()} · LocalAI`;
  if (hadFocus && document.activeElement === document.body) focusAgain(shown);
  hadFocus = false;
  if (shown) anchor = null;
});

// The button that had the focus was replaced: it goes to its successor, else to the composer.
function focusAgain(shown) {
  const successor =
    anchor?.action === "earlier"
      ? document.querySelector("[data-action=earlier]") ?? scroller
      : shown?.querySelector(`[data-action=${anchor.action}]:not(:disabled)`) ??
        shown?.querySelector(".versions button:not(:disabled)");
  if (successor) successor.focus({ preventScroll: true });
  else if (!isTouch) prompt.focus({ preventScroll: true });
}

document.addEventListener("click", ({ target }) => {
  const summary = target.closest("#messages details:not(.menu) > summary");
  if (!summary) return;
  summary.parentElement.dataset.touched = "yes";
  setTimeout(() => (follows = isNearEnd())); // who opens something reads there
});

// Scrolling: with the answer, until the person scrolls up by however little; again from the end on.

const toEndButton = document.querySelector("[data-action=to-end]");
let follows = true;
let height = 0; // as it was last followed: a heartbeat alone moves nothing
let lastTop = 0;

function belowPixels() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
}

function isNearEnd() {
  return belowPixels() < NEAR_END_PIXELS;
}

function showToEnd() {
  toEndButton.hidden = isNearEnd();
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  lastTop = scroller.scrollTop;
}

// When something folds, the page moves up by itself; but then it stays at its end.
function noticeScroll() {
  const top = scroller.scrollTop;
  if (top < lastTop && belowPixels() > 1) follows = false;
  else if (top > lastTop && isNearEnd()) follows = true;
  lastTop = top;
}

// Who scrolls up to the first message on the page wants those before it.
function wantEarlier() {
  if (scroller.scrollTop < EARLIER_PIXELS && isConnected() && !isOrdered) document.querySelector("[data-action=earlier]")?.click();
}

scroller.addEventListener("scroll", () => {
  if (scroller.scrollTop < lastTop) wantEarlier();
  noticeScroll();
  showToEnd();
}, { passive: true });

// Before the page has moved, so that a frame that comes in between does not pull against the wheel.
scroller.addEventListener("wheel", ({ deltaY }) => {
  if (deltaY < 0 && scroller.scrollTop > 0) follows = false;
  else if (deltaY < 0) wantEarlier();
}, { passive: true });

new ResizeObserver(() => {
  if (follows) toEnd();
}).observe(scroller);

toEndButton.addEventListener("click", () => {
  follows = true;
  toEnd();
  if (!isTouch) prompt.focus({ preventScroll: true });
});

// A link to a message leads there, every other way to the end.
const linked = location.hash.startsWith("#message-") && document.getElementById(location.hash.slice(1));
if (linked) {
  linked.scrollIntoView();
  follows = isNearEnd();
  lastTop = scroller.scrollTop;
} else {
  toEnd();
}
showToEnd();
