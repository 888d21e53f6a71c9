// What HTML cannot do on any page: alerts, copying, keys, menus, clocks. Its texts are the server's: #words.

"use strict";

const WORDS = document.getElementById("words").dataset;
const COPIED_MS = 1500;

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

function announce(text) {
  document.getElementById("announcement").textContent = text;
}

function lastOf(selector) {
  return [...document.querySelectorAll(selector)].at(-1);
}

// The meter's requests come while the person types: what they miss is told when the prompt is sent.
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(name, (event) => {
    if (event.target.closest("#context-meter")) event.stopImmediatePropagation();
  }, { capture: true });
}

document.addEventListener("htmx:sendError", () => complain(WORDS.unreachable));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  complain(status === 404 ? WORDS.gone : WORDS.refused.replace("{status}", status));
});

// Copying.

const SOURCES = {
  copy: (button) => button.closest("article").querySelector("template[data-part=source]").content.textContent,
  "copy-thinking": (button) => button.closest("[data-part=thinking]").querySelector(".text").textContent,
  // Without its last line's end, which a terminal would take for Enter.
  "copy-code": (button) => button.closest(".code").querySelector("pre").textContent.replace(/\n$/, ""),
  "copy-context": (button) => button.closest(".exact").querySelector("pre").textContent,
};

async function write(text, beside) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain HTTP browsers have no clipboard, but they still have the old command, for what is selected.
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.className = "visually-hidden";
  field.value = text;
  beside.after(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  focused.focus({ preventScroll: true });
  if (!isDone) throw new Error("refused");
}

async function copy(button) {
  const label = (button.dataset.label ??= button.textContent);
  let outcome = WORDS.copied;
  try {
    await write(SOURCES[button.dataset.action](button), button);
  } catch {
    outcome = WORDS.notCopied; // the browser's own decision
  }
  button.textContent = outcome;
  announce(outcome);
  setTimeout(() => {
    button.textContent = label;
    if (document.getElementById("announcement").textContent === outcome) announce("");
  }, COPIED_MS);
}

// Clicks. Menus close when the person goes on elsewhere.

function closeMenus(isLeft) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (isLeft(menu)) menu.open = false;
  }
}

document.addEventListener("click", ({ target }) => {
  closeMenus((menu) => !menu.contains(target));
  const button = target.closest("[data-action^=copy], [data-action=shortcuts]");
  if (button) button.dataset.action === "shortcuts" ? showShortcuts() : copy(button);
});
document.addEventListener("focusin", ({ target }) => {
  closeMenus((menu) => !menu.contains(target) && !target.contains(menu)); // a click beside a field focuses what is around
});

// Keys. #shortcuts tells them; those of one character act only where nobody types.

const shortcuts = document.getElementById("shortcuts");
const sidebarToggle = document.getElementById("sidebar-toggle");

function showShortcuts() {
  if (!shortcuts.open) shortcuts.showModal();
}

function search() {
  if (sidebarToggle) sidebarToggle.checked = true; // on a phone it is behind the conversation
  const field = document.getElementById("search");
  field?.focus();
  field?.select();
}

function copyLastCode() {
  lastOf("#messages [data-action=copy-code]")?.click();
}

const KEYS = {
  "?": showShortcuts,
  "Control+/": showShortcuts,
  "/": search,
  "Control+K": search,
  "Control+Shift+O": () => document.querySelector("[data-action=new]").click(),
  "Control+Shift+C": () => lastOf("#messages [data-action=copy]")?.click(),
  "Control+;": copyLastCode,
  "Control+:": copyLastCode, // the same key with Shift, on many keyboards
  "Control+Shift+Enter": () => lastOf("#messages article")?.querySelector("[aria-keyshortcuts='Control+Shift+Enter']")?.click(),
  "Shift+Escape": () => document.getElementById("prompt").focus(),
};

// A sign has its own place with Shift on every keyboard, so only of letters and named keys Shift is told.
function nameOf({ key, ctrlKey, metaKey, shiftKey }) {
  const isSign = key.length === 1 && key.toUpperCase() === key.toLowerCase();
  return `${ctrlKey || metaKey ? "Control+" : ""}${shiftKey && !isSign ? "Shift+" : ""}${key.length === 1 ? key.toUpperCase() : key}`;
}

// What Escape ends, the nearest first; fields and dialogs have their own Escape.
function leaveOff(target) {
  const menu = target.closest("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (sidebarToggle?.checked) {
    sidebarToggle.checked = false;
  } else if (!target.matches("input, textarea:not(#prompt)")) {
    document.dispatchEvent(new CustomEvent("leave"));
  }
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.isComposing || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]") || target.closest("[popover], select")) return;
  const name = nameOf(event);
  const isTyped = key.length === 1 && name.length === 1;
  if (name === "Escape") leaveOff(target);
  else if (isTyped && target.closest("input, textarea")) return;
  else if (name in KEYS) {
    event.preventDefault();
    KEYS[name]();
  } else if (isTyped && key !== " " && target.matches("body, #scroller")) document.getElementById("prompt").focus();
});

// Clocks.

function tick() {
  for (const clock of document.querySelectorAll("time[data-since]")) {
    clock.textContent = `${Math.max(0, Math.round(Date.now() / 1000 - clock.dataset.since))} s`;
  }
}

setInterval(tick, 1000);
tick();
