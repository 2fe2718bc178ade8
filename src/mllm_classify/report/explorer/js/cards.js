// A card of the grid: an image's picture, its labels, and what the chosen models answered.

import { marks, openCell, regtText } from "./cells.js";
import { element, isolated, seen } from "./elements.js";
import { named, outcome } from "./outcomes.js";
import { listed, saidBy } from "./path.js";
import { C, CATEGORIES, F, labels, labelSets, rows, setText } from "./study.js";
import { state } from "./view.js";

const LONGEST = 80;

function line(name, ...what) {
  const it = element("p", {}, name ? element("span", { class: "none" }, `${name} `) : "", ...what);
  it.title = it.textContent;
  return it;
}

/** A row's answer in lines: its marks and the class; and, where it answers in words, those. */
function answerLines(row, i, compared) {
  const lines = [element("p", { class: "taken" }, ...marks(row, i), " ", isolated(named(row, i)))];
  if (row.answer !== null) {
    const text = saidBy(row, i);
    const words = text ? C.texts.at(text - 1) : "";
    const oop = listed(row, i) && row.flags[i] & F.oop;
    lines.push(element("p", { class: "words" }, oop ? element("span", { class: "oop" }, "OOP ") : "", words ? "“" : "\u00a0",
      words ? element("bdi", {}, seen(words.slice(0, LONGEST))) : "", words ? (words.length > LONGEST ? "…”" : "”") : ""));
  }
  if (compared) lines.unshift(element("p", { class: "whose" }, isolated(labels[row.model])));
  for (const it of lines) it.title = it.textContent;
  return element("div", { class: `answer ${outcome(row, i, state.under)}` }, ...lines);
}

export function card(i, shown) {
  const chosen = [state.shown, ...(state.other === null ? [] : [state.other])];
  return element("li", { class: "card" },
    element("div", { class: "picture" }, shown),
    element("p", { class: "name" }, openCell(i), element("span", { class: "none" }, ` ${CATEGORIES[C.categories[i]] ?? ""}`)),
    line("ImGT", isolated(setText(C.imgt[i]))),
    ...(labelSets.length > 1 ? [line("ReGT", regtText(i))] : []),
    ...chosen.map((at) => answerLines(rows[at], i, chosen.length > 1)));
}
