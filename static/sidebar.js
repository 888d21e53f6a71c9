// The list of conversations: keys of the search, titles renamed in place, what keeps the focus.

"use strict";

{
  const field = document.getElementById("search");
  const toggle = document.getElementById("sidebar-toggle");

  function clearSearch() {
    field.value = "";
    document.getElementById("search-results").replaceChildren();
    htmx.trigger(field, "search"); // in place of an answer that is still under way
    field.focus();
  }

  function keyInSearch(event) {
    const stops = [field, ...document.querySelectorAll("#search-results .hit :is(a, button)")];
    const place = stops.indexOf(event.target);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (place < 0 || event.isComposing || event.shiftKey) return;
    if (step && stops[place + step]) stops[place + step].focus();
    else if (event.key === "Escape" && field.value) clearSearch();
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", (event) => {
    const leave = event.key === "Escape" && event.target.closest(".renaming")?.querySelector("[data-action=leave]");
    if (!leave) return keyInSearch(event);
    event.preventDefault();
    leave.click();
  }, { capture: true });

  // The conversation that is open is not loaded again: a second click renames it, on a phone the first shows it.
  document.addEventListener("click", (event) => {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (isPlain && event.target.closest(".conversations [aria-current]")) {
      event.preventDefault();
      toggle.checked = false;
    }
    event.target.closest("[data-action=dismiss]")?.closest("form, p").remove();
  });

  document.addEventListener("dblclick", ({ target }) => {
    target.closest(".conversations [aria-current]")?.closest("li").querySelector("[data-action=rename]").click();
  });

  document.addEventListener("toggle", ({ target }) => {
    if (target.open && target.closest(".conversations")) target.lastElementChild.scrollIntoView({ block: "nearest" });
  }, { capture: true });

  // What had the focus was replaced, or taken away.
  document.addEventListener("htmx:afterSettle", ({ detail: { requestConfig } }) => {
    const line = requestConfig?.elt.closest("li[id^=conversation-]");
    if (line) document.querySelector(".renaming input:focus")?.select();
    if (!line || document.activeElement !== document.body) return;
    const link = document.querySelector(`#${line.id}:not([hidden]) > a`);
    (link ?? document.querySelector("#notice button") ?? field).focus();
  });

  // Whoever logs out leaves no drafts of the composer in the browser.
  document.addEventListener("submit", ({ target }) => {
    if (!target.matches("[data-form=log-out]")) return;
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(`draft:${target.dataset.person}:`)) localStorage.removeItem(key);
      }
    } catch {
      return; // the browser stores nothing: so there is none
    }
  });
}
