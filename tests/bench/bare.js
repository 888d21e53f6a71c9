// The least that a page can do: ask, and append what comes.

"use strict";

const prompt = document.querySelector("textarea");

async function ask() {
  const answer = document.createElement("article");
  answer.id = "message-0";
  answer.dataset.role = "assistant";
  answer.dataset.status = "streaming";
  answer.innerHTML = "<div data-part=answer></div>";
  const text = answer.firstChild.appendChild(new Text());
  const response = await fetch("/bare", { method: "POST", body: JSON.stringify({ prompt: prompt.value }) });
  document.querySelector("main").append(answer);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text.appendData(piece.value);
  answer.dataset.status = "complete";
}

prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  ask();
});
