// What is looked for, how it stands in the page's address, and how it is said in words.

import { seen } from "./elements.js";
import { OUTCOMES } from "./outcomes.js";
import { C, classText, labels, labelSets, n, rowName, rows, setName, study } from "./study.js";

export const ORDERS = ["image", "category", "imgt", "regt", "answer", "other", "right", "distinct"];
/** How images are shown; pictures first, where the page holds them. */
export const LAYOUTS = C.pictures ? ["grid", "table", "confusions"] : ["table", "grid", "confusions"];
/** Which of two compared models are right. */
export const SPLITS = ["both", "first", "second", "neither"];

export function fresh() {
  return {
    text: "", category: "", classId: null, where: "imgt", under: labelSets.at(-1), right: [null, null], distinct: [null, null],
    conditions: [], shown: 0, order: ["image", "asc"], image: null, other: null, split: null, confused: null, layout: LAYOUTS[0],
  };
}

/** The view that is shown, changed in place. */
export const state = fresh();

export function wheres() {
  return [
    ...labelSets.map((set) => [set, setName[set]]),
    ["shown", "the answer shown"],
    ["any", "any model's answer"],
  ];
}

function toHash(it) {
  const parts = new URLSearchParams();
  const plain = fresh();
  if (it.text) parts.set("text", it.text);
  if (it.category) parts.set("category", it.category);
  if (it.classId !== null) {
    parts.set("class", it.classId);
    parts.set("is", it.where);
  }
  if (it.under !== plain.under) parts.set("under", it.under);
  for (const key of ["right", "distinct"]) if (it[key].some((end) => end !== null)) parts.set(key, it[key].map((end) => end ?? "").join("-"));
  for (const { row, outcome, set } of it.conditions) parts.append("if", JSON.stringify([...JSON.parse(rows[row].key), outcome, set]));
  if (it.shown) parts.set("shown", rows[it.shown].key);
  if (it.other !== null) parts.set("with", rows[it.other].key);
  if (it.split) parts.set("split", it.split);
  if (it.confused) parts.set("confused", it.confused.join("-"));
  if (it.layout !== plain.layout) parts.set("layout", it.layout);
  if (it.order.join() !== plain.order.join()) parts.set("order", it.order.join("-"));
  if (it.image !== null) parts.set("image", C.ids.at(it.image));
  return parts.toString();
}

/** The view that a link stands for. What it names that is not in this study is left out and reported. */
export function fromHash(text) {
  const parts = new URLSearchParams(text);
  const it = fresh();
  const unknown = [];
  const known = (name, value, among, otherwise) => {
    if (value === null) return otherwise;
    if (among.includes(value)) return value;
    unknown.push(name);
    return otherwise;
  };
  const rowOf = (name, key) => {
    const row = rows.findIndex((other) => other.key === key);
    if (row < 0) unknown.push(name);
    return row;
  };
  it.text = parts.get("text") ?? "";
  it.category = known("category", parts.get("category"), Object.keys(study.subsets), "");
  if (parts.has("class")) {
    const id = Number(parts.get("class"));
    if (Number.isInteger(id) && id >= 0 && id < C.names.length) it.classId = id;
    else unknown.push("class");
    it.where = known("is", parts.get("is"), wheres().map(([value]) => value), "imgt");
  }
  it.under = known("under", parts.get("under"), labelSets, it.under);
  for (const key of ["right", "distinct"]) {
    const found = /^(\d{0,9})-(\d{0,9})$/.exec(parts.get(key) ?? "-");
    if (found) it[key] = [found[1], found[2]].map((end) => (end === "" ? null : Number(end)));
    else unknown.push(key);
  }
  for (const wanted of parts.getAll("if")) {
    let condition = null;
    try {
      const [model, scoring, variant, repeat, outcome, set] = JSON.parse(wanted);
      const row = rows.findIndex((other) => other.key === JSON.stringify([model, scoring, variant, repeat]));
      if (row >= 0 && Object.hasOwn(OUTCOMES, outcome) && labelSets.includes(set)) condition = { row, outcome, set };
    } catch {
      // reported below
    }
    if (condition) it.conditions.push(condition);
    else unknown.push("if");
  }
  if (parts.has("shown")) it.shown = Math.max(0, rowOf("shown", parts.get("shown")));
  if (parts.has("model")) {
    const row = rows.findIndex((other) => other.main && other.model === parts.get("model"));
    if (row < 0) unknown.push("model");
    else it.shown = row;
  }
  if (parts.has("with")) {
    const row = rowOf("with", parts.get("with"));
    if (row >= 0) it.other = row;
  }
  it.split = known("split", parts.get("split"), it.other === null ? [] : SPLITS, null);
  it.layout = known("layout", parts.get("layout"), LAYOUTS, it.layout);
  if (parts.has("confused")) {
    const pair = /^(\d{1,9})-(\d{1,9})$/.exec(parts.get("confused"))?.slice(1).map(Number);
    if (pair?.every((id) => id < C.names.length)) it.confused = pair;
    else unknown.push("confused");
  }
  const [column, direction] = (parts.get("order") ?? "image-asc").split("-");
  if (ORDERS.includes(column) && ["asc", "desc"].includes(direction)) it.order = [column, direction];
  else unknown.push("order");
  if (parts.has("image")) {
    const wanted = parts.get("image");
    for (let i = 0; i < n && it.image === null; i++) if (C.ids.at(i) === wanted) it.image = i;
    if (it.image === null) unknown.push("image");
  }
  return [it, unknown];
}

export function keepLink() {
  const hash = toHash(state);
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
}

/** A row's model and task. */
export function answerer(row) {
  return seen(`${labels[rows[row].model]} (${rowName(rows[row])})`);
}

export function confusedText({ confused: [label, taken], shown }) {
  return `ImGT ${classText(label)}, taken for ${classText(taken)} by ${answerer(shown)}`;
}

export function splitText({ shown, other }, split) {
  const [one, two] = [answerer(shown), answerer(other)];
  return { both: "both right", first: `only ${one} right`, second: `only ${two} right`, neither: "neither right" }[split];
}

/** All filters in words, for those who print or listen. */
export function described(it) {
  const range = ([least, most], what) => (least === null && most === null ? [] : [`${what} ${least ?? 0} to ${most ?? "all"}`]);
  const named = Object.fromEntries(wheres());
  return [
    ...(it.text ? [`text “${seen(it.text)}”`] : []),
    ...(it.category ? [`category ${it.category}`] : []),
    ...(it.classId === null ? [] : [`${classText(it.classId)} is ${named[it.where]}`]),
    ...it.conditions.map(({ row, outcome, set }) =>
      seen(`${labels[rows[row].model]} (${rowName(rows[row])}) ${OUTCOMES[outcome]}${["right", "wrong"].includes(outcome) ? ` under ${setName[set]}` : ""}`)),
    ...(it.confused ? [`${confusedText(it)}`] : []),
    ...(it.split ? [`${splitText(it, it.split)} under ${setName[it.under]}`] : []),
    ...range(it.right, `models right under ${setName[it.under]}:`),
    ...range(it.distinct, "different classes:"),
  ].join("; ");
}
