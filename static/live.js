// The live page: the socket's life, what it brings to the messages, orders about them, scrolling with the answer.

"use strict";

// The connection: whether the socket is open, whether it brings anything, and getting it back.
// Others hear of it by the event "connection" on the document: { state, reason }.

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;
const STALL_SECONDS = 12; // the server says something at least every 5 seconds
const GIVE_UP_SECONDS = 25;
const POLITE_CODES = [1000, 1001, 1005];
const NOT_LOGGED_IN = 4401;
const TOO_MANY = 4429; // other pages of this person are open
const CLOSED_FOR_GOOD = { [NOT_LOGGED_IN]: WORDS.loggedOut, 4404: WORDS.deleted };
const HINTS = { open: "", stalled: WORDS.stalled, lost: WORDS.lost, closed: WORDS.closed };

let socket = null;
let reconnect = null;
let newsAt = Date.now();
let wasWelcome = false; // whether this page's sockets ever brought anything
let goodbye = ""; // why the server closed it for good

function isConnected() {
  return socket?.readyState === WebSocket.OPEN;
}

function showConnection(state, reason = "") {
  if (document.body.dataset.connection === state) return;
  document.body.dataset.connection = state;
  document.getElementById("connection").textContent = HINTS[state];
  document.getElementById("silence").textContent = "";
  document.dispatchEvent(new CustomEvent("connection", { detail: { state, reason } }));
}

htmx.config.wsReconnectDelay = (attempt) =>
  Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 6)) * (0.6 + 0.4 * Math.random());

// A socket that was given up may still speak, or close much later: nobody must hear it any more.
// These listeners are the socket's first, so the extension's come after them.
htmx.createWebSocket = (url) => {
  // What the page was served with is true of its first socket; after a gap it wants to be told everything it shows.
  const first = document.querySelector("#messages > article")?.id.replace("message-", "");
  const made = new WebSocket(socket ? `${url.split("?")[0]}${first ? `?from=${first}` : ""}` : url);
  socket = made;
  newsAt = Date.now();
  for (const name of ["open", "message", "close", "error"]) {
    made.addEventListener(name, (event) => {
      if (made !== socket) {
        event.stopImmediatePropagation();
        return;
      }
      newsAt = Date.now();
      if (name === "message" && isConnected()) {
        wasWelcome = true;
        showConnection("open");
      }
    });
  }
  return made;
};

document.addEventListener("htmx:wsOpen", (event) => {
  reconnect = event.detail.socketWrapper.reconnect;
  showConnection("open");
});

document.addEventListener("htmx:wsClose", ({ detail: { event, socketWrapper } }) => {
  const reason = (goodbye = CLOSED_FOR_GOOD[event.code] ?? "");
  showConnection(reason ? "closed" : "lost", reason);
  // The page leads to the log-in, or stays where the browser has another session by now. Drafts are kept.
  if (event.code === NOT_LOGGED_IN && wasWelcome) location.reload();
  // The extension does not come back from a polite good-bye, though it may be a proxy's that restarts.
  if (POLITE_CODES.includes(event.code)) setTimeout(socketWrapper.reconnect, LONGEST_DELAY_MS / 5);
  if (event.code === TOO_MANY) setTimeout(socketWrapper.reconnect, LONGEST_DELAY_MS);
});

// Silence. After a sleep it is as long as the sleep was: then the socket is given up at the first look.
function listen() {
  const silence = Math.floor((Date.now() - newsAt) / 1000);
  if (silence < STALL_SECONDS) return;
  if (socket?.readyState === WebSocket.CONNECTING) {
    socket.close(); // the extension tries again
  } else if (isConnected() && silence >= GIVE_UP_SECONDS) {
    showConnection("lost");
    reconnect();
  } else if (isConnected()) {
    showConnection("stalled");
    document.getElementById("silence").textContent = ` ${WORDS.silence.replace("{seconds}", silence)}`;
  }
}

setInterval(listen, 1000);
window.addEventListener("online", listen);
window.addEventListener("pageshow", listen);
document.addEventListener("visibilitychange", listen);

// The messages.

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
