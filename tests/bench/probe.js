// Runs in the page before its own scripts: notes when Enter was pressed and when the answer's text was there.

"use strict";

{
  const sighting = { pressed: null, texts: [], settled: null, message: 0, status: "" };
  let settle;
  const settled = new Promise((resolve) => (settle = resolve));
  let shownCharacters = 0;

  function charactersOf(article) {
    let characters = article.querySelector("[data-part=answer]")?.textContent.length ?? 0;
    for (const part of article.querySelectorAll("[data-part=thinking] > :not(summary)")) {
      characters += part.textContent.length;
    }
    return characters;
  }

  function note() {
    const now = performance.now();
    const article = document.querySelector("article[data-role=assistant]");
    if (!article || sighting.settled !== null) return;
    const characters = charactersOf(article);
    if (characters !== shownCharacters) {
      shownCharacters = characters;
      sighting.texts.push([now, characters]);
    }
    if (article.dataset.status !== "streaming") {
      sighting.settled = now;
      sighting.status = article.dataset.status;
      sighting.message = Number(article.id.replace("message-", ""));
      settle(sighting);
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") sighting.pressed ??= event.timeStamp;
  }, { capture: true });

  new MutationObserver(note).observe(document, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-status"],
  });

  window.sightingWithin = (milliseconds) => Promise.race([
    settled,
    new Promise((_, reject) => setTimeout(() => reject(new Error("The answer did not end in time.")), milliseconds)),
  ]);
}
