// The study that the page holds: its images, classes and rows, and what is known of each image.

import { by, seen } from "./elements.js";
import { read, unpack } from "./packed.js";

export const begun = performance.now();
export const study = read(await unpack(by("data")));
export const C = study.columns;
export const F = study.flags;
export const n = C.categories.length;
export const CATEGORIES = study.subsets.A;
export const labelSets = study.study.regt === null ? ["imgt"] : ["imgt", "regt"];
export const setName = { imgt: `ImGT (${study.study.imgt})`, regt: `ReGT (${study.study.regt})` };
export const shortName = { imgt: "ImGT", regt: "ReGT" };
export const labels = Object.fromEntries(study.models.map(({ model, label }) => [model, label]));
export const sets = Array.from({ length: C.sets.length }, (_, i) => (C.sets.at(i) ? C.sets.at(i).split("|").map(Number) : []));
export const rows = study.rows.map((row, i) => ({
  ...row,
  sets: C[`set${i}`],
  flags: C[`flags${i}`],
  key: JSON.stringify([row.model, row.scoring, row.variant, row.repeat]),
}));
export const answers = study.answers.map((answer) => ({ ...answer, texts: C[answer.column] }));
export const rankings = study.rankings.map((ranking, i) => ({ ...ranking, classes: C[`ranking${i}`], scores: C[`scores${i}`] }));
export const compared = rows.filter((row) => row.main);
/** Whether the table has room for a mark of every model. */
export const everyMark = compared.length <= 24;
const repeated = new Set(rows.filter((row) => row.repeat > 0).map((row) => JSON.stringify([row.model, row.scoring, row.variant])));

export function rowName(row) {
  const parts = [row.scoring, row.variant];
  if (repeated.has(JSON.stringify([row.model, row.scoring, row.variant]))) parts.push(`repeat ${row.repeat + 1}`);
  return parts.filter(Boolean).join(" · ");
}

/** The class of an image by ImGT. */
export function labelOf(i) {
  return sets[C.imgt[i]][0];
}

export function className(id) {
  return C.names.at(id);
}

export function setText(number) {
  return sets[number].map(className).join(" | ");
}

const duplicates = new Map();
for (let i = 0; i < C.names.length; i++) duplicates.set(className(i), (duplicates.get(className(i)) ?? 0) + 1);

export function classText(id) {
  return duplicates.get(className(id)) > 1 ? `${seen(className(id))} (${id})` : seen(className(id));
}

// how many of the compared rows are right, by label set, and how many different classes they name
export const rights = Object.fromEntries(labelSets.map((set) => [set, new Uint16Array(n)]));
export const distinct = new Uint16Array(n);
for (const row of compared) {
  for (const set of labelSets) {
    const [total, bit] = [rights[set], F[set]];
    for (let i = 0; i < n; i++) if (row.flags[i] & bit) total[i] += 1;
  }
}
{
  const last = new Int32Array(sets.length).fill(-1);
  for (let i = 0; i < n; i++) {
    for (const row of compared) {
      const named = row.sets[i];
      if (named && last[named] !== i) {
        last[named] = i;
        distinct[i] += 1;
      }
    }
  }
}
