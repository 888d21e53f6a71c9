// The socket's life: whether it is open, whether it brings anything, and getting it back.
// Others hear of it by the event "connection" on the document: { state, reason }.

"use strict";

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;
const STALL_SECONDS = 12; // the server says something at least every 5 seconds
const GIVE_UP_SECONDS = 25;
const POLITE_CODES = [1000, 1001, 1005];
const NOT_LOGGED_IN = 4401;
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
