// What is wrong with the page, in words.

({ places, tags, attributes }) => {
  const problems = [...window.seen];
  const count = new Map();
  for (const { id } of document.querySelectorAll("[id]")) count.set(id, (count.get(id) ?? 0) + 1);
  for (const [id, number] of count) if (number > 1) problems.push(`id ${id} is there ${number} times`);
  for (const [child, parent] of Object.entries(places)) {
    const found = document.querySelectorAll(child);
    if (found.length !== 1 || !found[0].parentElement.closest(parent)) problems.push(`${child} is out of place`);
  }
  for (const element of document.querySelectorAll("article [data-part=answer] *")) {
    const name = element.localName;
    if (!tags.includes(name)) problems.push(`<${name}> in an answer`);
    for (const attribute of element.attributes) {
      const isPiece = element.matches("[data-part=answer] > .pieces[id$=-closed], [data-part=answer] > .pieces[id$=-open]");
      if (!attributes.includes(attribute.name) && !(attribute.name === "id" && isPiece)) {
        problems.push(`<${name} ${attribute.name}="${attribute.value}"> in an answer`);
      }
    }
    if (element.hasAttribute("href") && !/^(https?:\/\/|mailto:)/i.test(element.getAttribute("href"))) {
      problems.push(`a link to ${element.getAttribute("href")}`);
    }
    if (element.matches("button:not([data-action=copy-code]), input:not([type=checkbox]:disabled)")) {
      problems.push(`${element.outerHTML} in an answer`);
    }
    if (element.matches(".visually-hidden, .skip, .backdrop, .to-end, .alert")) {
      problems.push(`class ${element.className} in an answer`);
    }
  }
  const texts = "article [data-part=prompt] *, article [data-part=thinking] .text *";
  for (const element of document.querySelectorAll(texts)) problems.push(`${element.outerHTML} in a text`);
  for (const article of document.querySelectorAll("article")) {
    if (article.parentElement.id !== "messages") problems.push(`${article.id} is not among the messages`);
  }
  for (const wide of document.querySelectorAll("html, #scroller")) {
    if (wide.scrollWidth <= wide.clientWidth) continue;
    const isWide = (part) =>
      part.scrollWidth > part.clientWidth && getComputedStyle(part).overflowX === "visible" && part.clientWidth;
    const parts = [...wide.querySelectorAll(":not(.messages, .message)")].filter(isWide);
    problems.push(`${wide.localName} scrolls sideways: ${parts.map((part) => part.outerHTML.slice(0, 300)).join(" | ")}`);
  }
  if (document.body.children.length !== (window.children ?? document.body.children.length)) problems.push("something else is in the body");
  return problems;
}
