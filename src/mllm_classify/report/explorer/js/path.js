// The path of an answer: what was said, whether it is a class of the list, the nearest class, and whether that is right.

import { verdict } from "./cells.js";
import { element, isolated, seen } from "./elements.js";
import { named } from "./outcomes.js";
import { answers, C, F, labels, labelSets, rowName, rows, setText, shortName, study } from "./study.js";

const LONGEST = 300;
const NOTHING = -32768;

/** A similarity or margin in words. */
export function decimals(value) {
  return value === NOTHING ? "–" : (value / study.fixed).toFixed(3);
}

/** What a row's model said of an image, counted from 1; 0 where it did not answer in words. */
export function saidBy(row, i) {
  return row.answer === null ? 0 : answers[row.answer].texts[i];
}

/** Whether an answer stood in answer to a list of classes, so that it is in the prompt or out of it. */
export function listed(row, i) {
  return Boolean(row.task !== "OW" && saidBy(row, i) && !(row.flags[i] & (F.error | F.unasked)));
}

function step(name, ...what) {
  return element("li", {}, element("span", { class: "step" }, name), element("span", { class: "what" }, ...what));
}

export function pathOf(at, i) {
  const row = rows[at];
  const text = saidBy(row, i);
  const steps = [];
  if (text) {
    const words = C.texts.at(text - 1);
    steps.push(step("Answer", element("bdi", { dir: "auto" }, words ? seen(words.slice(0, LONGEST)) : "empty", words.length > LONGEST ? " …" : "")));
    if (listed(row, i)) {
      const oop = row.flags[i] & F.oop;
      steps.push(step("In prompt", element("span", { class: oop ? "verdict oop" : "verdict" }, oop ? "○ no: out of prompt (OOP)" : "yes")));
    }
    const near = C.nearest[text - 1];
    if (near) steps.push(step("Nearest class", isolated(setText(near)), ` · similarity ${decimals(C.similarity[text - 1])}`));
  }
  steps.push(step("Taken for", isolated(named(row, i))));
  for (const set of labelSets) steps.push(step(shortName[set], verdict(row, i, set)));
  return element("section", { class: "path" }, element("h3", {}, isolated(labels[row.model]), element("span", { class: "none" }, ` ${seen(rowName(row))}`)),
    element("ol", {}, ...steps));
}
