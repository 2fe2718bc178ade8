// What stands in the table of images.

import { element, isolated, seen } from "./elements.js";
import { named, outcome, SIGNS } from "./outcomes.js";
import { C, CATEGORIES, compared, distinct, labels, labelSets, rights, rows, setText, shortName } from "./study.js";
import { state } from "./view.js";

export function verdict(row, i, set) {
  const kind = outcome(row, i, set);
  const [sign, word] = SIGNS[kind];
  return element("span", { class: `verdict ${kind}` }, `${sign} ${kind === "oop" ? "wrong" : word}`);
}

function openCell(i) {
  return element("button", { type: "button", class: "open", "data-image": i }, isolated(C.ids.at(i)));
}

function answerCell(i) {
  const row = rows[state.shown];
  const cell = element("span");
  for (const set of labelSets) {
    const kind = outcome(row, i, set);
    const words = `${shortName[set]}: ${SIGNS[kind][1]}`;
    cell.append(element("span", { class: `sign ${kind}`, title: words, role: "img", "aria-label": words }, SIGNS[kind][0]));
  }
  cell.append(" ", isolated(named(row, i)));
  return cell;
}

function rightCell(i) {
  const cell = element("span", { class: "strip", "aria-label": `${rights[state.under][i]} of ${compared.length} right`, role: "img" });
  cell.append(`${rights[state.under][i]} `.padStart(3, "\u2007"));
  if (compared.length <= 24) {
    for (const row of compared) {
      const kind = outcome(row, i, state.under);
      cell.append(element("span", { class: `sign ${kind}`, title: seen(`${labels[row.model]}: ${SIGNS[kind][1]}`) }, SIGNS[kind][0]));
    }
  }
  return cell;
}

export const CELLS = [
  openCell,
  (i) => element("span", {}, CATEGORIES[C.categories[i]] ?? "–"),
  (i) => isolated(setText(C.imgt[i])),
  (i) => (labelSets.length < 2 ? element("span", {}, "–") : C.regt[i] ? isolated(setText(C.regt[i])) : element("span", { class: "none" }, "none of the classes")),
  answerCell,
  rightCell,
  (i) => element("span", {}, String(distinct[i])),
];
export const TITLES = ["Image", "Category", "ImGT", "ReGT", "Answer", "Models right", "Classes"];
