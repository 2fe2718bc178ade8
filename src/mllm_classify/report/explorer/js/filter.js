// The images that pass all filters, in the order of the view.

import { holds, taken } from "./outcomes.js";
import { answers, C, CATEGORIES, compared, distinct, F, labelOf, n, rights, rows, sets, setText, study } from "./study.js";
import { SPLITS } from "./view.js";

/** Numbers of the images that pass all filters, in their own order. */
export function matching(it) {
  const passes = new Uint8Array(n).fill(1);
  const keep = (test) => {
    for (let i = 0; i < n; i++) if (passes[i] && !test(i)) passes[i] = 0;
  };
  if (it.category) {
    const among = new Uint8Array(256);
    for (const name of study.subsets[it.category]) among[CATEGORIES.indexOf(name)] = 1;
    keep((i) => among[C.categories[i]]);
  }
  if (it.classId !== null) {
    const among = Uint8Array.from(sets, (ids) => ids.includes(it.classId));
    if (it.where === "any") keep((i) => compared.some((row) => among[row.sets[i]]));
    else {
      const column = it.where === "shown" ? rows[it.shown].sets : C[it.where];
      keep((i) => among[column[i]]);
    }
  }
  for (const { row, outcome, set } of it.conditions) {
    const [flags, test] = [rows[row].flags, holds(outcome, set)];
    keep((i) => test(flags[i]));
  }
  for (const [[least, most], values] of [[it.right, rights[it.under]], [it.distinct, distinct]]) {
    if (least !== null) keep((i) => values[i] >= least);
    if (most !== null) keep((i) => values[i] <= most);
  }
  if (it.confused) {
    const [label, predicted] = it.confused;
    keep((i) => labelOf(i) === label && taken(rows[it.shown], i) === predicted);
  }
  if (it.text) {
    const wanted = it.text.toLowerCase();
    const found = C.ids.holding(wanted);
    const said = C.texts.holding(wanted);
    if (said.includes(1)) {
      for (const { texts } of answers) {
        for (let i = 0; i < n; i++) if (texts[i] && said[texts[i] - 1]) found[i] = 1;
      }
    }
    keep((i) => found[i]);
  }
  if (it.other !== null) {
    const parts = splitOf(it);
    found.splits.fill(0);
    for (let i = 0; i < n; i++) if (passes[i]) found.splits[parts(i)] += 1;
    if (it.split) keep((i) => parts(i) === SPLITS.indexOf(it.split));
  }
  const result = new Uint32Array(passes.reduce((sum, pass) => sum + pass, 0));
  for (let i = 0, at = 0; i < n; i++) if (passes[i]) result[at++] = i;
  return result;
}

/** By image, the place in SPLITS of two models of which both, one or neither are right. */
function splitOf({ shown, other, under }) {
  const [one, two, right] = [rows[shown].flags, rows[other].flags, F[under]];
  return (i) => (one[i] & right ? 0 : 2) + (two[i] & right ? 0 : 1);
}

/** Places of texts in alphabetical order, so that sorting compares numbers. */
function places(length, text) {
  const order = Array.from({ length }, (_, i) => i);
  const texts = order.map(text);
  order.sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : 0));
  const result = new Uint32Array(length);
  order.forEach((index, place) => (result[index] = place));
  return result;
}

const cached = {};
function setPlaces() {
  return (cached.sets ??= places(sets.length, setText));
}

export function sorted(found, [column, direction], it) {
  if (column === "image" && direction === "asc") return found;
  const value = {
    image: () => (i) => i,
    category: () => (i) => C.categories[i],
    imgt: () => (i) => setPlaces()[C.imgt[i]],
    regt: () => (i) => setPlaces()[C.regt[i]],
    answer: () => (i) => setPlaces()[rows[it.shown].sets[i]],
    other: () => (i) => setPlaces()[rows[it.other ?? it.shown].sets[i]],
    right: () => (i) => rights[it.under][i],
    distinct: () => (i) => distinct[i],
  }[column]();
  // one number to sort: the value, and the image's own place among equals
  const sign = direction === "asc" ? 1 : -1;
  const keys = Float64Array.from(found, (i) => sign * value(i) * n + i).sort();
  return Uint32Array.from(keys, (key) => ((key % n) + n) % n);
}

/** What passes the filters of the view that is shown; and, before they are split, how many are in each of SPLITS. */
export const found = { images: new Uint32Array(0), splits: [0, 0, 0, 0] };
