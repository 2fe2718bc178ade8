// What stands in the table of images.

import { element, isolated, seen } from "./elements.js";
import { named, outcome, SIGNS } from "./outcomes.js";
import { C, CATEGORIES, compared, distinct, everyMark, labels, labelSets, rights, rows, setText, shortName } from "./study.js";
import { state } from "./view.js";

export function verdict(row, i, set) {
  const kind = outcome(row, i, set);
  const [sign, word] = SIGNS[kind];
  return element("span", { class: `verdict ${kind}` }, `${sign} ${kind === "oop" ? "wrong" : word}`);
}

export function openCell(i) {
  return element("button", { type: "button", class: "open", "data-image": i }, isolated(C.ids.at(i)));
}

/** A mark for each label set. */
export function marks(row, i) {
  return labelSets.map((set) => {
    const kind = outcome(row, i, set);
    const words = `${shortName[set]}: ${SIGNS[kind][1]}`;
    return element("span", { class: `sign ${kind}`, title: words, role: "img", "aria-label": words }, SIGNS[kind][0]);
  });
}

function answerCell(row, i) {
  return element("span", {}, ...marks(row, i), " ", isolated(named(row, i)));
}

export function regtText(i) {
  return C.regt[i] ? isolated(setText(C.regt[i])) : element("span", { class: "none" }, "none of the classes");
}

function rightCell(i) {
  const cell = element("span", { class: "strip", "aria-label": `${rights[state.under][i]} of ${compared.length} right`, role: "img" });
  cell.append(`${rights[state.under][i]} `.padStart(3, "\u2007"));
  if (everyMark) {
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
  (i) => (labelSets.length < 2 ? element("span", {}, "–") : regtText(i)),
  (i) => answerCell(rows[state.shown], i),
  (i) => (state.other === null ? element("span") : answerCell(rows[state.other], i)),
  rightCell,
  (i) => element("span", {}, String(distinct[i])),
];
export const TITLES = ["Image", "Category", "ImGT", "ReGT", "Answer", "Compared with", "Models right", "Classes"];
