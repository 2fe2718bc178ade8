// What became of a row's answer to an image: its bits in words.

import { F, labelOf, sets, setText } from "./study.js";

export const SIGNS = {
  right: ["✓", "right"], wrong: ["✗", "wrong"], oop: ["○", "out of prompt"], error: ["!", "error"], none: ["·", "not asked"],
};
export const OUTCOMES = { right: "right", wrong: "wrong, or an error", oop: "out of prompt", error: "error", unasked: "not asked" };

export function holds(outcome, set) {
  const right = F[set];
  return {
    right: (flags) => flags & right,
    wrong: (flags) => flags & F.asked && !(flags & right),
    oop: (flags) => flags & F.oop,
    error: (flags) => flags & F.error,
    unasked: (flags) => !(flags & F.asked) || flags & F.unasked,
  }[outcome];
}

export function outcome(row, i, set) {
  const flags = row.flags[i];
  if (!(flags & F.asked)) return "none";
  if (flags & F[set]) return "right";
  if (flags & F.error) return "error";
  return flags & F.oop ? "oop" : "wrong";
}

/** The one class that an answer was taken for: the label, if it is among several; -1 where there is none. */
export function taken(row, i) {
  const classes = sets[row.sets[i]];
  const label = labelOf(i);
  return classes.includes(label) ? label : classes[0] ?? -1;
}

export function named(row, i) {
  if (row.sets[i]) return setText(row.sets[i]);
  const flags = row.flags[i];
  if (!(flags & F.asked)) return "–";
  if (flags & F.error) return "error";
  if (flags & F.empty) return "empty answer";
  return flags & F.unasked ? "not asked" : "no class";
}
