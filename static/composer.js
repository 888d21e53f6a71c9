// The composer: sending once, waiting for a server that is away, drafts, editing an earlier prompt.

"use strict";

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
  say(WORDS.waits, "status");
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
  if (goodbye) {
    stopWaiting();
    complain(goodbye);
  } else {
    waitForServer();
  }
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
  writeDraft(prompt.value);
  grow();
});

function grow() {
  measure();
  if (CSS.supports("field-sizing", "content")) return;
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

// The meter (htmx, by the event "draft") hears of every change of the draft, whoever made it.

let measured = null; // until the page is ready, and htmx listens

function measure() {
  if (measured === null) return;
  const text = `${edits.value} ${prompt.value}`;
  if (text !== measured) prompt.dispatchEvent(new Event("draft"));
  measured = text;
}

document.addEventListener("DOMContentLoaded", () => {
  measured = `${edits.value} ${prompt.defaultValue}`;
  measure();
});

// The server says that a prompt is saved: only then does the text leave the composer.
function clearSavedPrompt() {
  promised = null;
  if (prompt.value === sent) {
    if (readDraft() === sent) writeDraft("");
    if (edits.value) endEdit();
    else prompt.value = readDraft(); // what a sample has put aside
  }
  stopWaiting();
  follows = true;
  grow();
  if (!isTouch) prompt.focus({ preventScroll: true });
}

// Drafts: what stands in the composer stays with the person's browser until it is sent, for each conversation
// and each edited prompt; all tabs of one show the same. An empty one was sent; one is missing after a log-out.

const drafts = new Map(); // what the browser refuses to store, denied or full

function draftKey() {
  return `draft:${composer.dataset.person}:${composer.dataset.conversation}:${edits.value}`;
}

function readDraft() {
  try {
    return drafts.get(draftKey()) ?? localStorage.getItem(draftKey()) ?? "";
  } catch {
    return "";
  }
}

function writeDraft(text) {
  try {
    localStorage.setItem(draftKey(), text);
    drafts.delete(draftKey());
  } catch {
    drafts.set(draftKey(), text);
  }
}

// What the server has put into the composer is newer.
function restoreDraft() {
  if (prompt.defaultValue) writeDraft(prompt.value);
  else prompt.value = readDraft() || prompt.value;
  grow();
}

window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key !== draftKey() || newValue === null || sent !== null || prompt.value !== (oldValue ?? "")) return;
  prompt.value = newValue;
  grow();
});

window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) restoreDraft();
});

// Editing: an earlier prompt is in the composer; the draft that was there comes back afterwards.

function isRunning() {
  return document.querySelector("#messages [data-status=streaming]") !== null;
}

function startEdit(message) {
  if (sent !== null && !waits) return;
  stopWaiting();
  showEdit(message.id.replace("message-", ""), message.querySelector("[data-part=prompt]").textContent);
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
}

function endEdit() {
  stopWaiting();
  writeDraft("");
  showEdit("", "");
  if (location.search) history.replaceState(null, "", location.pathname);
  if (!isTouch) prompt.focus();
}

function showEdit(pk, text) {
  edits.value = pk;
  prompt.value = readDraft() || text;
  document.getElementById("editing").hidden = !pk;
  grow();
}

// What a form or a link would do on a page without scripts.
const CLICKS = {
  "[data-action=edit]": (button) => startEdit(button.closest("article")),
  "[data-action=cancel-edit]": endEdit,
  "[data-sample]": (sample) => {
    prompt.value = sample.value;
    send();
  },
};

document.addEventListener("click", (event) => {
  for (const [selector, act] of Object.entries(CLICKS)) {
    const clicked = event.target.closest(selector);
    if (!clicked) continue;
    event.preventDefault();
    act(clicked);
  }
});

// Keys. Escape leaves the edit, else it stops the answer.

document.addEventListener("leave", () => {
  if (edits.value) endEdit();
  else composer.querySelector("[data-action=stop]:not([hidden])")?.click();
});

prompt.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey && !isTouch) {
    event.preventDefault();
    send();
  }
  if (event.key === "ArrowUp" && !prompt.value && !edits.value && !isRunning()) {
    const last = lastOf("#messages [data-role=user]");
    if (!last) return;
    event.preventDefault();
    startEdit(last);
  }
});

restoreDraft();
if (!isTouch && !location.hash && document.activeElement === document.body) prompt.focus({ preventScroll: true });
