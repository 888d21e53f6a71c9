// The composer: sending once, waiting for a server that is away, editing an earlier prompt.

"use strict";

const WAITS = "Your prompt is sent as soon as the server is back.";

const composer = document.getElementById("composer");
const prompt = document.getElementById("prompt");
const edits = document.getElementById("edits");
const isTouch = matchMedia("(pointer: coarse)").matches;

// Sending. `sent` is the text on its way, until the server says that it is saved or refused; meanwhile a
// second Enter sends nothing. What was under way when the socket broke is sent again, under the same key.

let sent = null;
let waits = false;
let promised = null; // what was to be sent as soon as the server is back, until it is saved
let keyed = { key: document.getElementById("prompt-key").value, text: null }; // a page from the browser's cache: used

function send() {
  composer.requestSubmit(composer.querySelector("[data-action=send]"));
}

function waitForServer() {
  waits = true;
  promised = prompt.value;
  say(WAITS, "status");
}

function stopWaiting() {
  if (waits) say("", "alert");
  sent = null;
  waits = false;
}

// A key counts once. Another text under one that may have arrived already would be taken for the first text.
function checkKey() {
  const field = document.getElementById("prompt-key");
  const text = `${edits.value} ${prompt.value}`;
  if (field.value === keyed.key && text !== keyed.text) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    field.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  keyed = { key: field.value, text };
}

composer.addEventListener("submit", (event) => {
  if (event.submitter?.dataset.action === "stop") return;
  if (sent !== null) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else {
    sent = prompt.value;
    checkKey();
  }
}, { capture: true });

composer.addEventListener("htmx:wsConfigSend", (event) => {
  if (event.target !== composer) return;
  delete event.detail.parameters.action; // htmx adds the button that was clicked last, perhaps Stop
  delete event.detail.parameters.message;
  if (isConnected()) return;
  event.preventDefault();
  waitForServer();
});

document.addEventListener("connection", ({ detail: { state, reason } }) => {
  if (state === "closed") {
    stopWaiting();
    complain(reason);
  } else if (state === "lost" && sent !== null) {
    if (prompt.value === sent) waitForServer();
    else stopWaiting();
  } else if (state === "open" && waits) {
    stopWaiting();
    send();
  }
});

// A server that is back may still be loading the model: what was promised is sent when that is ready.
function keepPromise() {
  if (promised !== null && prompt.value === promised && sent === null) setTimeout(send);
}

prompt.addEventListener("input", () => {
  promised = null;
  if (waits) stopWaiting(); // it is no longer what was sent
  grow();
});

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

grow();

// The server says that a prompt is saved: only then does the text leave the composer.
function clearSavedPrompt() {
  promised = null;
  if (prompt.value === sent) {
    prompt.value = "";
    if (edits.value) endEdit();
  }
  stopWaiting();
  follows = true;
  grow();
  if (!isTouch) prompt.focus({ preventScroll: true });
}

// Editing: an earlier prompt is in the composer; the draft that was there comes back afterwards.

let draft = "";

function isRunning() {
  return document.querySelector("#messages [data-status=streaming]") !== null;
}

function startEdit(message) {
  if (sent !== null && !waits) return;
  if (!edits.value) draft = prompt.value;
  stopWaiting();
  showEdit(message.id.replace("message-", ""), message.querySelector("[data-part=prompt]").textContent);
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
}

function endEdit() {
  stopWaiting();
  showEdit("", draft);
  draft = "";
  if (location.search) history.replaceState(null, "", location.pathname);
  if (!isTouch) prompt.focus();
}

function showEdit(pk, text) {
  edits.value = pk;
  prompt.value = text;
  document.getElementById("editing").hidden = !pk;
  grow();
}

prompt.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey && !isTouch) {
    event.preventDefault();
    send();
  }
  if (event.key === "ArrowUp" && !prompt.value && !edits.value && !isRunning()) {
    const last = [...document.querySelectorAll("#messages [data-role=user]")].at(-1);
    if (!last) return;
    event.preventDefault();
    startEdit(last);
  }
});
