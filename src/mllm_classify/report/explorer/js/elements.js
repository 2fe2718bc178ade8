// Text on the page. Whatever comes from models, labels and files is text: it reaches the page through text nodes only, and
// what could change how text around it reads is shown by its number.

// controls, directions, and what has no width; line ends and tabs are shown as they are
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

export const by = (id) => document.getElementById(id);
export const count = (number) => number.toLocaleString("en");

export function seen(text) {
  return text.replace(UNSEEN, (it) => `⟦U+${it.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`);
}

/** An element; what is no node becomes text, apart from the direction of what stands around it. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export function isolated(text) {
  return element("bdi", {}, seen(text));
}
