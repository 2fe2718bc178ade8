// What the chosen model takes the found images for: the classes that it confuses most, and all pairs by number.

import { by, count, element, isolated } from "./elements.js";
import { found } from "./filter.js";
import { taken } from "./outcomes.js";
import { hasPictures, thumbnail } from "./pictures.js";
import { C, classText, F, labelOf, labelSets, rows } from "./study.js";
import { answerer, state } from "./view.js";

/** Classes of the matrix, and pairs of the list. */
const CLASSES = 14;
const PAIRS = 100;

/** By label and class: how many of the found images, how many of them are right under ReGT, and the first. */
function counted() {
  const row = rows[state.shown];
  const size = C.names.length;
  const cells = new Map();
  for (const i of found.images) {
    const predicted = taken(row, i);
    if (predicted < 0) continue;
    const key = labelOf(i) * size + predicted;
    const cell = cells.get(key) ?? { label: labelOf(i), predicted, images: 0, regt: 0, first: i };
    cell.images += 1;
    if (row.flags[i] & F.regt) cell.regt += 1;
    cells.set(key, cell);
  }
  return { cells, size };
}

/** The classes of the most frequent pairs, as many as there is room for, those that are confused beside each other. */
function classesOf(pairs) {
  const classes = [];
  for (const { label, predicted } of pairs) {
    const missing = [label, predicted].filter((id) => !classes.includes(id));
    if (classes.length + missing.length > CLASSES) continue;
    for (const id of missing) {
      const beside = classes.indexOf(id === label ? predicted : label);
      classes.splice(beside < 0 ? classes.length : beside + 1, 0, id);
    }
  }
  return classes;
}

function pictured(cell) {
  const words = `${count(cell.images)} ${cell.images === 1 ? "image" : "images"}`;
  return labelSets.length > 1 && cell.label !== cell.predicted ? `${words}, ${count(cell.regt)} right under ReGT` : words;
}

function opens(cell, ...children) {
  const name = `${classText(cell.label)} taken for ${classText(cell.predicted)}: ${pictured(cell)}`;
  return element("button", { type: "button", "data-confused": `${cell.label}-${cell.predicted}`, title: name, "aria-label": name }, ...children);
}

function matrix(cells, size, classes) {
  const most = Math.max(1, ...[...cells.values()].filter((it) => it.label !== it.predicted && classes.includes(it.label)).map((it) => it.images));
  const head = element("tr", {}, element("td", { class: "corner" }, "ImGT ↓, taken for →"),
    ...classes.map((id) => element("th", { scope: "col", title: classText(id) }, element("span", {}, isolated(classText(id))))));
  const lines = classes.map((label) => element("tr", {},
    element("th", { scope: "row", title: classText(label) }, isolated(classText(label))),
    ...classes.map((predicted) => {
      const cell = cells.get(label * size + predicted);
      const it = element("td", { class: label === predicted ? "same" : "other" }, ...(cell ? [opens(cell, count(cell.images))] : []));
      if (cell && label !== predicted) it.style.background = `rgb(213 94 0 / ${(0.12 + 0.5 * (cell.images / most)).toFixed(3)})`;
      return it;
    })));
  return element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, ...lines));
}

function list(pairs, pictures) {
  const two = labelSets.length > 1;
  const heads = [...(pictures ? [""] : []), "ImGT", "Taken for", "Images", ...(two ? ["Right under ReGT"] : [])];
  return element("table", { class: "pairs" },
    element("thead", {}, element("tr", {}, ...heads.map((name) => element("th", { scope: "col", class: name ? undefined : "picture" }, name)))),
    element("tbody", {}, ...pairs.slice(0, PAIRS).map((cell) => {
      const picture = pictures ? thumbnail(cell.first) : undefined;
      picture?.setAttribute("loading", "lazy");
      return element("tr", {}, picture && element("td", { class: "picture" }, picture), element("td", {}, isolated(classText(cell.label))), element("td", {}, isolated(classText(cell.predicted))),
        element("td", {}, opens(cell, count(cell.images))),
        ...(two ? [element("td", { class: cell.regt ? "right" : "none" }, cell.regt ? `✓ ${count(cell.regt)}` : "0")] : []));
    })));
}

/** The view in parts, with a picture of each pair or, on paper, without. */
export function confusionParts(pictures) {
  const { cells, size } = counted();
  const pairs = [...cells.values()].filter((it) => it.label !== it.predicted)
    .sort((a, b) => b.images - a.images || a.label - b.label || a.predicted - b.predicted);
  const wrong = pairs.reduce((sum, it) => sum + it.images, 0);
  const right = pairs.reduce((sum, it) => sum + it.regt, 0);
  const words = [`${answerer(state.shown)} takes ${count(wrong)} of ${count(found.images.length)} images for another class than ImGT says`,
    ...(labelSets.length > 1 && wrong ? [`; ${count(right)} of these answers are right under ReGT`] : []),
    pairs.length ? ". A number opens its images." : "."];
  const classes = classesOf(pairs);
  return [element("p", {}, words.join("")),
    ...(pairs.length ? [element("div", { class: "both" },
      element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Matrix of confusions" }, element("h2", {}, "The classes that are confused most"), matrix(cells, size, classes)),
      element("div", {}, element("h2", {}, pairs.length > PAIRS ? `The first ${PAIRS} of ${count(pairs.length)} pairs` : "All pairs"), list(pairs, pictures)))] : [])];
}

export function drawConfusions() {
  by("confusions").replaceChildren(...confusionParts(hasPictures()));
}
