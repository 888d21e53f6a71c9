// Runs in the page before its own scripts: notes when Enter was pressed and when the answer's text was there.

"use strict";

{
  const sighting = { pressed: null, texts: [], drawn: null, settled: null, message: 0, status: "" };
  let settle;
  const settled = new Promise((resolve) => (settle = resolve));
  let shownCharacters = 0;

  const article = () => document.querySelector("article[data-role=assistant]");
  const answer = () => article()?.querySelector("[data-part=answer]")?.textContent ?? "";
  const thinking = () => article()?.querySelector("[data-part=thinking] > .text")?.textContent ?? "";

  function note() {
    const now = performance.now();
    if (!article() || sighting.settled !== null) return;
    const characters = answer().length + thinking().length;
    if (characters !== shownCharacters) {
      shownCharacters = characters;
      sighting.texts.push([now, characters]);
      sighting.drawn = null;
    }
    const { id, dataset: { status } } = article();
    if (status !== "streaming") {
      Object.assign(sighting, { settled: now, status, message: Number(id.replace("message-", "")) });
    }
    if (sighting.drawn === null || sighting.settled !== null) awaitFrame();
  }

  // A message that is sent in a frame's callback comes when that frame has been laid out and painted.
  const { port1: afterFrame, port2: fromFrame } = new MessageChannel();
  let isAwaited = false;

  function awaitFrame() {
    if (isAwaited) return;
    isAwaited = true;
    requestAnimationFrame(() => fromFrame.postMessage(sighting.texts.length));
  }

  afterFrame.onmessage = ({ data: texts }) => {
    isAwaited = false;
    if (texts === sighting.texts.length) sighting.drawn ??= performance.now();
    else awaitFrame();
    if (sighting.settled !== null && sighting.drawn !== null) settle(sighting);
  };

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

  window.shown = () => ({ answer: answer(), thinking: thinking() });

  window.textOf = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.textContent;
  };
}
