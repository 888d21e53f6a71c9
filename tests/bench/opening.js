// Runs in the page before its own scripts: when is its last message to be seen, and when can it be used?
// A page without a socket, as the floor is, can be used when it is there.

"use strict";

{
  const now = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))));

  const isShown = () => {
    const last = [...document.querySelectorAll("#messages > article")].at(-1);
    if (!last || document.readyState === "loading") return false;
    const { top, bottom } = last.getBoundingClientRect();
    return top < innerHeight && bottom > 0;
  };
  const isUsable = () => document.readyState !== "loading"
    && (document.body.dataset.connection === "open" || !document.querySelector("[ws-connect]"));

  const when = (isSo) => new Promise((resolve) => {
    const look = () => (isSo() ? now().then(resolve) : requestAnimationFrame(look));
    look();
  });

  window.opening = { shown: when(isShown), interactive: when(isUsable) };
}
