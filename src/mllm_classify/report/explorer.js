// Shows what explorer.py packed. Whatever comes from models, labels and files is text: it reaches the page through text
// nodes only, and what could change how text around it reads is shown by its number.

const SIGNS = {
  right: ["✓", "right"], wrong: ["✗", "wrong"], oop: ["○", "out of prompt"], error: ["!", "error"], none: ["·", "not asked"],
};
const OUTCOMES = { right: "right", wrong: "wrong, or an error", oop: "out of prompt", error: "error", unasked: "not asked" };
const SHORT = 280;
const STEP = 20_000;
const PRINTED = 300;
const NOTHING = -32768;
// controls, directions, and what has no width; line ends and tabs are shown as they are
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
// float16 is read as its bits: not every browser has arrays of it
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array, float16: Uint16Array };

const by = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en");

function seen(text) {
  return text.replace(UNSEEN, (it) => `⟦U+${it.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`);
}

/** An element; what is no node becomes text, apart from the direction of what stands around it. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

function isolated(text) {
  return element("bdi", {}, seen(text));
}

/** The number that 16 bits stand for (IEEE 754, binary16). */
function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** The bytes that the page holds, unpacked piece by piece. */
async function unpack(block) {
  const text = block.textContent;
  block.remove();
  const piece = 4 * 2 ** 18;
  let at = 0;
  const source = new ReadableStream({
    pull(controller) {
      if (at >= text.length) return controller.close();
      const raw = atob(text.slice(at, at + piece));
      at += piece;
      const bytes = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
      controller.enqueue(bytes);
    },
  });
  return new Response(source.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** A list of texts that is one string, cut when it is asked for. */
class Texts {
  constructor(bytes, ends) {
    this.all = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    this.ends = ends;
    this.length = ends.length - 1;
  }

  at(index) {
    return this.all.slice(this.ends[index], this.ends[index + 1]);
  }

  /** 1 for each text that holds `wanted`, in lower case. */
  holding(wanted) {
    const found = new Uint8Array(this.length);
    const lower = (this.lower ??= this.all.toLowerCase());
    if (lower.length !== this.all.length) {
      // lower case of another length: the ends are elsewhere
      for (let i = 0; i < this.length; i++) found[i] = this.at(i).toLowerCase().includes(wanted);
      return found;
    }
    let index = 0;
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at)) {
      index = this.textAt(at, index);
      if (at + wanted.length <= this.ends[index + 1]) {
        found[index] = 1;
        at = this.ends[++index];
      } else at += 1;
      if (index >= this.length) break;
    }
    return found;
  }

  /** The text in which a position lies; it is none before `low`. */
  textAt(position, low) {
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle + 1] <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function read(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  for (const [name, [type, offset, size]] of Object.entries(head.columns)) {
    columns[name] = new TYPES[type](buffer, 4 + length + offset, size);
  }
  for (const name of head.texts) columns[name] = new Texts(columns[name], columns[`${name}_ends`]);
  return { ...head, columns };
}

const begun = performance.now();
const study = read(await unpack(by("data")));
const C = study.columns;
const F = study.flags;
const n = C.categories.length;
const CATEGORIES = study.subsets.A;
const labelSets = study.study.regt === null ? ["imgt"] : ["imgt", "regt"];
const setName = { imgt: `ImGT (${study.study.imgt})`, regt: `ReGT (${study.study.regt})` };
const shortName = { imgt: "ImGT", regt: "ReGT" };
const labels = Object.fromEntries(study.models.map(({ model, label }) => [model, label]));
const sets = Array.from({ length: C.sets.length }, (_, i) => (C.sets.at(i) ? C.sets.at(i).split("|").map(Number) : []));
const rows = study.rows.map((row, i) => ({
  ...row,
  sets: C[`set${i}`],
  flags: C[`flags${i}`],
  key: JSON.stringify([row.model, row.scoring, row.variant, row.repeat]),
}));
const answers = study.answers.map((answer) => ({ ...answer, texts: C[answer.column] }));
const rankings = study.rankings.map((ranking, i) => ({ ...ranking, classes: C[`ranking${i}`], scores: C[`scores${i}`] }));
const compared = rows.filter((row) => row.main);
const repeated = new Set(rows.filter((row) => row.repeat > 0).map((row) => JSON.stringify([row.model, row.scoring, row.variant])));

function rowName(row) {
  const parts = [row.scoring, row.variant];
  if (repeated.has(JSON.stringify([row.model, row.scoring, row.variant]))) parts.push(`repeat ${row.repeat + 1}`);
  return parts.filter(Boolean).join(" · ");
}

function className(id) {
  return C.names.at(id);
}

function setText(number) {
  return sets[number].map(className).join(" | ");
}

// how many of the compared rows are right, by label set, and how many different classes they name
const rights = Object.fromEntries(labelSets.map((set) => [set, new Uint16Array(n)]));
const distinct = new Uint16Array(n);
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

// --- what is looked for -------------------------------------------------------------------------------------------

const ORDERS = ["image", "category", "imgt", "regt", "answer", "right", "distinct"];

function fresh() {
  return {
    text: "", category: "", classId: null, where: "imgt", under: labelSets.at(-1), right: [null, null], distinct: [null, null],
    conditions: [], shown: 0, order: ["image", "asc"], image: null,
  };
}

let state = fresh();

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
  if (it.order.join() !== plain.order.join()) parts.set("order", it.order.join("-"));
  if (it.image !== null) parts.set("image", C.ids.at(it.image));
  return parts.toString();
}

/** The view that a link stands for. What it names that is not in this study is left out and reported. */
function fromHash(text) {
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

function holds(outcome, set) {
  const right = F[set];
  return {
    right: (flags) => flags & right,
    wrong: (flags) => flags & F.asked && !(flags & right),
    oop: (flags) => flags & F.oop,
    error: (flags) => flags & F.error,
    unasked: (flags) => !(flags & F.asked) || flags & F.unasked,
  }[outcome];
}

/** Numbers of the images that pass all filters, in their own order. */
function matching(it) {
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
  const result = new Uint32Array(passes.reduce((sum, pass) => sum + pass, 0));
  for (let i = 0, at = 0; i < n; i++) if (passes[i]) result[at++] = i;
  return result;
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

function sorted(found, [column, direction], it) {
  if (column === "image" && direction === "asc") return found;
  const value = {
    image: () => (i) => i,
    category: () => (i) => C.categories[i],
    imgt: () => (i) => setPlaces()[C.imgt[i]],
    regt: () => (i) => setPlaces()[C.regt[i]],
    answer: () => (i) => setPlaces()[rows[it.shown].sets[i]],
    right: () => (i) => rights[it.under][i],
    distinct: () => (i) => distinct[i],
  }[column]();
  // one number to sort: the value, and the image's own place among equals
  const sign = direction === "asc" ? 1 : -1;
  const keys = Float64Array.from(found, (i) => sign * value(i) * n + i).sort();
  return Uint32Array.from(keys, (key) => ((key % n) + n) % n);
}

let found = new Uint32Array(0);

// --- the table ----------------------------------------------------------------------------------------------------

function outcome(row, i, set) {
  const flags = row.flags[i];
  if (!(flags & F.asked)) return "none";
  if (flags & F[set]) return "right";
  if (flags & F.error) return "error";
  return flags & F.oop ? "oop" : "wrong";
}

function verdict(row, i, set) {
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

function named(row, i) {
  if (row.sets[i]) return setText(row.sets[i]);
  const flags = row.flags[i];
  if (!(flags & F.asked)) return "–";
  if (flags & F.error) return "error";
  if (flags & F.empty) return "empty answer";
  return flags & F.unasked ? "not asked" : "no class";
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

const CELLS = [
  openCell,
  (i) => element("span", {}, CATEGORIES[C.categories[i]] ?? "–"),
  (i) => isolated(setText(C.imgt[i])),
  (i) => (labelSets.length < 2 ? element("span", {}, "–") : C.regt[i] ? isolated(setText(C.regt[i])) : element("span", { class: "none" }, "none of the classes")),
  answerCell,
  rightCell,
  (i) => element("span", {}, String(distinct[i])),
];
const TITLES = ["Image", "Category", "ImGT", "ReGT", "Answer", "Models right", "Classes"];
const strip = `${Math.max(9, 3.5 + 1.15 * Math.min(compared.length, 24))}em`;
const WIDTHS = ["22%", "6.6em", "16%", "20%", "24%", strip, "5.6em"];
const narrow = matchMedia("(max-width: 700px)");

const table = new globalThis.DataTable(by("images"), {
  serverSide: true,
  ajax: (asked, show) => {
    const slice = Array.from(found.subarray(asked.start, asked.start + Math.max(0, asked.length)), (i) => ({ i }));
    show({ draw: asked.draw, recordsTotal: n, recordsFiltered: found.length, data: slice });
  },
  columns: CELLS.map((cell, at) => ({
    data: "i",
    name: ORDERS[at],
    title: TITLES[at],
    width: WIDTHS[at],
    type: "string",
    visible: !narrow.matches || [0, 4].includes(at),
    // a node, never a string: strings would be taken for HTML
    render: (i, use) => (use === "display" ? cell(i) : ""),
  })),
  autoWidth: false,
  layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
  order: [[0, "asc"]],
  orderMulti: false,
  scroller: { loadingIndicator: false, serverWait: 0, displayBuffer: 4 },
  scrollY: "62vh",
  scrollCollapse: true,
  language: { emptyTable: "No image passes these filters.", zeroRecords: "No image passes these filters." },
});
const scrolled = document.querySelector(".dt-scroll-body");
scrolled.tabIndex = 0;
scrolled.setAttribute("role", "region");
scrolled.setAttribute("aria-label", "Images");

narrow.addEventListener("change", () => CELLS.forEach((_, at) => table.column(at).visible(!narrow.matches || [0, 4].includes(at))));
table.on("order", () => {
  const [order] = table.order();
  const wanted = order?.[1] ? [ORDERS[order[0]], order[1]] : ["image", "asc"];
  if (wanted.join() === state.order.join()) return;
  state.order = wanted;
  refresh();
});
scrolled.addEventListener("click", (event) => {
  const line = event.target.closest("tbody tr")?.querySelector("button.open");
  if (line) show(Number(line.dataset.image));
});
// scrolling makes rows anew: whoever was on one stays on it
let focused = null;
scrolled.addEventListener("focusin", (event) => (focused = event.target.dataset.image ?? null));
table.on("draw", () => {
  if (focused !== null && document.activeElement === document.body) {
    scrolled.querySelector(`button.open[data-image="${focused}"]`)?.focus({ preventScroll: true });
  }
});
scrolled.addEventListener("keydown", (event) => {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = step && event.target.closest("tbody tr")?.[step]?.querySelector("button.open");
  if (next) {
    event.preventDefault();
    next.focus();
  }
});

// --- filters ------------------------------------------------------------------------------------------------------

function options(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, seen(text))));
}

/** A choice among all rows, grouped by model. */
function rowOptions(select) {
  const groups = study.models.map(({ model, label }) =>
    element("optgroup", { label: seen(label) }, ...rows.flatMap((row, at) =>
      row.model === model ? [element("option", { value: at }, seen(`${label}: ${rowName(row)}`))] : [])));
  select.replaceChildren(...groups);
}

function wheres() {
  return [
    ...labelSets.map((set) => [set, setName[set]]),
    ["shown", "the answer shown"],
    ["any", "any model's answer"],
  ];
}

const duplicates = new Map();
for (let i = 0; i < C.names.length; i++) duplicates.set(className(i), (duplicates.get(className(i)) ?? 0) + 1);

function classText(id) {
  return duplicates.get(className(id)) > 1 ? `${seen(className(id))} (${id})` : seen(className(id));
}

const classIds = new Map();
for (let i = C.names.length - 1; i >= 0; i--) {
  classIds.set(classText(i).toLowerCase(), i);
  classIds.set(String(i), i);
}

function fillForm() {
  by("text").value = state.text;
  by("category").value = state.category;
  by("class").value = state.classId === null ? "" : classText(state.classId);
  by("class-problem").textContent = "";
  by("where").value = state.where;
  by("under").value = state.under;
  for (const key of ["right", "distinct"]) {
    by(`${key}-least`).value = state[key][0] ?? "";
    by(`${key}-most`).value = state[key][1] ?? "";
  }
  by("shown").value = state.shown;
  fillConditions();
}

function fillConditions() {
  by("conditions").replaceChildren(...state.conditions.map((condition, at) => {
    const number = at + 1;
    const row = element("select", { "aria-label": `Condition ${number}: model and task`, "data-key": "row" });
    rowOptions(row);
    const outcomes = element("select", { "aria-label": `Condition ${number}: outcome`, "data-key": "outcome" });
    options(outcomes, Object.entries(OUTCOMES));
    const set = element("select", { "aria-label": `Condition ${number}: label set`, "data-key": "set" });
    options(set, labelSets.map((name) => [name, `under ${setName[name]}`]));
    const remove = element("button", { type: "button", "aria-label": `Remove condition ${number}` }, "Remove");
    row.value = condition.row;
    outcomes.value = condition.outcome;
    set.value = condition.set;
    const judges = () => (set.hidden = !["right", "wrong"].includes(condition.outcome));
    judges();
    for (const choice of [row, outcomes, set]) {
      choice.addEventListener("change", () => {
        condition[choice.dataset.key] = choice === row ? Number(row.value) : choice.value;
        judges();
        refresh();
      });
    }
    remove.addEventListener("click", () => {
      state.conditions.splice(at, 1);
      fillConditions();
      by("add").focus();
      refresh();
    });
    return element("li", {}, row, outcomes, set, remove);
  }));
}

function prepareForm() {
  options(by("category"), [["", "any"], ...Object.keys(study.subsets).filter((name) => name !== "A").map((name) => [name, name])]);
  by("category").disabled = labelSets.length < 2;
  options(by("where"), wheres());
  options(by("under"), labelSets.map((set) => [set, setName[set]]));
  rowOptions(by("shown"));
  by("class-names").append(...Array.from({ length: C.names.length }, (_, i) => element("option", { value: classText(i) })));
  for (const key of ["right", "distinct"]) for (const end of ["least", "most"]) by(`${key}-${end}`).max = compared.length;
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  let waiting;
  by("text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.text = by("text").value;
      refresh();
    }, 120);
  });
  const react = (id, change) => by(id).addEventListener("change", () => {
    change(by(id).value);
    refresh();
  });
  react("category", (value) => (state.category = value));
  react("class", (value) => {
    const id = classIds.get(value.trim().toLowerCase());
    state.classId = value.trim() === "" || id === undefined ? null : id;
    by("class-problem").textContent = value.trim() && id === undefined ? "No class has this name; choose one from the list, or give its number." : "";
  });
  react("where", (value) => (state.where = value));
  react("under", (value) => (state.under = value));
  react("shown", (value) => (state.shown = Number(value)));
  for (const key of ["right", "distinct"]) {
    ["least", "most"].forEach((end, at) => react(`${key}-${end}`, (value) => {
      state[key][at] = /^\d{1,9}$/.test(value) ? Number(value) : null;
    }));
  }
  by("add").addEventListener("click", () => {
    const used = state.conditions.map((condition) => rows[condition.row].model);
    const next = compared.find((row) => !used.includes(row.model)) ?? rows[0];
    state.conditions.push({ row: rows.indexOf(next), outcome: used.length % 2 ? "wrong" : "right", set: state.under });
    fillConditions();
    by("conditions").lastChild.querySelector("select").focus();
    refresh();
  });
  by("reset").addEventListener("click", () => {
    state = fresh();
    fillForm();
    table.order([[0, "asc"]]);
    refresh();
  });
}

/** All filters in words, for those who print or listen. */
function described(it) {
  const range = ([least, most], what) => (least === null && most === null ? [] : [`${what} ${least ?? 0} to ${most ?? "all"}`]);
  const named = Object.fromEntries(wheres());
  return [
    ...(it.text ? [`text “${seen(it.text)}”`] : []),
    ...(it.category ? [`category ${it.category}`] : []),
    ...(it.classId === null ? [] : [`${classText(it.classId)} is ${named[it.where]}`]),
    ...it.conditions.map(({ row, outcome, set }) =>
      seen(`${labels[rows[row].model]} (${rowName(rows[row])}) ${OUTCOMES[outcome]}${["right", "wrong"].includes(outcome) ? ` under ${setName[set]}` : ""}`)),
    ...range(it.right, `models right under ${setName[it.under]}:`),
    ...range(it.distinct, "different classes:"),
  ].join("; ");
}

function refresh(unknown = []) {
  const start = performance.now();
  found = sorted(matching(state), state.order, state);
  const shownRow = rows[state.shown];
  // headers of DataTables are HTML
  const title = [...table.column(4).header().querySelectorAll(".dt-column-title")][0] ?? table.column(4).header();
  title.textContent = seen(`${labels[shownRow.model]}: ${rowName(shownRow)}`);
  title.title = title.textContent;
  table.draw();
  const share = n ? ` (${((100 * found.length) / n).toFixed(1)} %)` : "";
  by("count").textContent = `${count(found.length)} of ${count(n)} images${share}${unknown.length ? `. The link names what this study does not have: ${[...new Set(unknown)].join(", ")}.` : ""}`;
  keepLink();
  performance.measure("filter", { start, end: performance.now() });
}

function keepLink() {
  const hash = toHash(state);
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
}

// --- one image ----------------------------------------------------------------------------------------------------

/** A text of any length: its beginning, and more of it on demand. */
function long(text, full, where) {
  const said = element("bdi", { class: "said", dir: "auto" });
  let end = text.length > SHORT ? SHORT : text.length;
  const cut = () => {
    // not between the halves of a character
    const code = text.charCodeAt(end - 1);
    if (end < text.length && code >= 0xd800 && code < 0xdc00) end += 1;
    said.textContent = seen(text.slice(0, end));
  };
  cut();
  const box = element("div", {}, said);
  if (end < text.length) {
    const more = element("button", { type: "button" });
    const tell = () => (more.textContent = `Show more (${count(end)} of ${count(text.length)} characters)`);
    tell();
    more.addEventListener("click", () => {
      end = Math.min(text.length, end + STEP);
      cut();
      if (end < text.length) tell();
      else more.remove();
    });
    box.append(more);
  }
  if (full > [...text.slice(0, full)].length) box.append(element("p", { class: "none" }, `Cut here: the answer has ${count(full)} characters; ${where} holds it.`));
  return box;
}

function shownPicture(i, src) {
  return element("img", { src, alt: `The image ${seen(C.ids.at(i))}` });
}

function picture(i) {
  if (!C.pictures) return ownPicture(i);
  if (C.picture_ends[i] === C.picture_ends[i + 1]) return undefined;
  const bytes = C.pictures.subarray(C.picture_ends[i], C.picture_ends[i + 1]);
  let raw = "";
  for (const byte of bytes) raw += String.fromCharCode(byte);
  return shownPicture(i, `data:image/jpeg;base64,${btoa(raw)}`);
}

// the reader's own files by their names, with and without ending, where the page holds no pictures
const own = new Map();

function stem(name) {
  return name.replace(/\.[^.]*$/, "");
}

/** The reader's file of an image: the only one of its name, or the one in a folder of the same name. */
function ownFile(i) {
  const wanted = C.files.at(i);
  const name = wanted.split("/").at(-1);
  const files = own.get(name) ?? own.get(stem(name)) ?? [];
  const alike = (file) => stem(`/${file.webkitRelativePath}`).endsWith(stem(`/${wanted}`));
  return files.find(alike) ?? (files.length === 1 ? files[0] : undefined);
}

/** The reader's own picture of an image, or a way to show it; files stay where they are. */
function ownPicture(i) {
  const box = element("div", { class: "own" });
  const file = ownFile(i);
  if (file) {
    const src = URL.createObjectURL(file);
    const image = shownPicture(i, src);
    image.addEventListener("load", () => URL.revokeObjectURL(src));
    image.addEventListener("error", () => box.append(element("p", { class: "problem" }, "This browser cannot show the file.")));
    box.append(image);
    checked(file, C.digests[i]).then((it) => box.append(element("p", { class: it === "another" ? "problem" : "none" }, FILES[it])));
    return box;
  }
  const choose = element("input", { type: "file", webkitdirectory: "", "aria-label": "Folder with the pictures" });
  choose.addEventListener("change", () => {
    for (const each of choose.files) {
      for (const name of new Set([each.name, stem(each.name)])) own.set(name, [...(own.get(name) ?? []), each]);
    }
    box.replaceWith(ownPicture(i));
  });
  const missing = own.size ? `No file in the folder is ${seen(C.files.at(i))}. ` : "";
  box.append(element("label", {}, `${missing}The page holds no pictures. Those in a folder of this computer:`, choose),
    element("p", { class: "none" }, "Nothing leaves this computer, though browsers call it an upload."));
  return box;
}

const FILES = {
  same: "Your file; the one that models saw.",
  another: "Your file has this name, but it is another than models saw.",
  unknown: "Your file, by its name.",
};

async function checked(file, digest) {
  if (!digest || !globalThis.crypto?.subtle) return "unknown";
  const found = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return new DataView(found).getUint32(0) === digest ? "same" : "another";
}

function similarity(text) {
  const number = (value) => (value === NOTHING ? "–" : (value / study.fixed).toFixed(3));
  return element("div", {}, isolated(C.nearest[text] ? setText(C.nearest[text]) : "–"),
    element("br"), `similarity ${number(C.similarity[text])}, margin ${number(C.margin[text])}`);
}

/** The first classes of a ranking, with their scores. */
function ranked({ classes, scores, depth }, i) {
  const list = element("ol", { class: "ranking" });
  for (let at = i * depth; at < (i + 1) * depth && classes[at]; at++) {
    const score = scores ? half(scores[at]) : NaN;
    list.append(element("li", {}, isolated(className(classes[at] - 1)), Number.isNaN(score) ? "" : element("span", { class: "none" }, ` ${score.toPrecision(3)}`)));
  }
  return list;
}

function about(i) {
  const facts = [
    ["Category", CATEGORIES[C.categories[i]] ?? "–"],
    [setName.imgt, setText(C.imgt[i])],
    ...(labelSets.length > 1 ? [[setName.regt, C.regt[i] ? setText(C.regt[i]) : `none of the classes: ${study.study.n_images === "excluded" ? "left out of ReGT accuracy" : "every answer is right"}`]] : []),
    ...labelSets.map((set) => [`Models right under ${shortName[set]}`, `${rights[set][i]} of ${compared.length}`]),
    ["Different classes", `${distinct[i]}`],
  ];
  const list = element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, isolated(name)), element("dd", {}, isolated(value))]));
  return element("div", { class: "about" }, picture(i), list);
}

function answersOf(i) {
  const heads = ["Model", "Task", "Answer", "Nearest class", "Scored as", "Taken for", "In prompt", ...labelSets.map((set) => shortName[set])];
  const body = element("tbody");
  const asked = rows.filter((row) => row.flags[i] & F.asked);
  asked.forEach((row, at) => {
    const before = asked[at - 1];
    const task = (it) => JSON.stringify([it.model, it.task, it.variant, it.repeat]);
    const spanOf = (same) => {
      let span = 1;
      while (asked[at + span] && same(asked[at + span])) span += 1;
      return span;
    };
    const line = element("tr");
    if (before?.model !== row.model) {
      line.className = "first";
      line.append(element("th", { scope: "rowgroup", rowspan: spanOf((other) => other.model === row.model) }, isolated(labels[row.model])));
    }
    if (!before || task(before) !== task(row)) {
      const rowspan = spanOf((other) => task(other) === task(row));
      const text = row.answer === null ? 0 : answers[row.answer].texts[i];
      const name = [row.task, row.variant, row.repeat ? `repeat ${row.repeat + 1}` : ""].filter(Boolean).join(" · ");
      line.append(element("td", { rowspan, "data-name": "Task" }, isolated(name)));
      if (text) {
        const kept = `results/predictions (${row.model})`;
        const state = row.flags[i] & F.error ? [element("span", { class: "verdict error" }, "! error")] : [];
        line.append(
          element("td", { rowspan, "data-name": "Answer" }, ...state, C.texts.at(text - 1) === "" ? element("span", { class: "none" }, "empty") : long(C.texts.at(text - 1), C.full_lengths[text - 1], seen(kept))),
          element("td", { rowspan, "data-name": "Nearest class" }, similarity(text - 1)));
      } else {
        const known = row.ranking === null ? 0 : rankings[row.ranking].classes[i * rankings[row.ranking].depth];
        const answer = known ? ranked(rankings[row.ranking], i) : element("span", { class: "none" }, row.flags[i] & F.unasked ? "not asked" : "ranks classes");
        line.append(element("td", { rowspan, "data-name": "Answer" }, answer), element("td", { rowspan, class: "void" }, "–"));
      }
    }
    // only words in answer to a list are in a prompt, or out of it
    const words = row.answer !== null && answers[row.answer].texts[i];
    const listed = row.task !== "OW" && words && !(row.flags[i] & (F.error | F.unasked));
    const oop = row.flags[i] & F.oop;
    line.append(
      element("td", { "data-name": "Scored as" }, isolated(row.scoring)),
      element("td", { "data-name": "Taken for" }, isolated(named(row, i))),
      element("td", listed ? { "data-name": "In prompt" } : { class: "void" }, listed ? element("span", oop ? { class: "verdict oop" } : {}, oop ? "○ no" : "yes") : "–"),
      ...labelSets.map((set) => element("td", { "data-name": shortName[set] }, verdict(row, i, set))));
    body.append(line);
  });
  const head = element("thead", {}, element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name))));
  return element("table", { class: "answers" }, head, body);
}

function show(i) {
  state.image = i;
  const at = found.indexOf(i);
  by("detail-title").replaceChildren(isolated(C.ids.at(i)));
  if (at >= 0) by("detail-title").append(element("span", { class: "none" }, ` ${count(at + 1)} of ${count(found.length)}`));
  by("previous").disabled = at <= 0;
  by("next").disabled = at < 0 || at + 1 >= found.length;
  by("detail-body").replaceChildren(about(i), answersOf(i));
  if (!by("detail").open) by("detail").showModal();
  by("detail").scrollTop = 0;
  keepLink();
}

function step(by) {
  const at = found.indexOf(state.image);
  if (at >= 0 && found[at + by] !== undefined) show(found[at + by]);
}

by("previous").addEventListener("click", () => step(-1));
by("next").addEventListener("click", () => step(1));
by("close").addEventListener("click", () => by("detail").close());
by("detail").addEventListener("close", () => {
  const button = scrolled.querySelector(`button.open[data-image="${state.image}"]`);
  state.image = null;
  keepLink();
  button?.focus();
});
by("detail").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) {
    event.preventDefault();
    step(by);
  }
});

// --- printing -----------------------------------------------------------------------------------------------------

function printable() {
  if (state.image !== null) {
    by("printed").replaceChildren(element("h2", {}, isolated(C.ids.at(state.image))), about(state.image), answersOf(state.image));
    return;
  }
  const some = Array.from(found.subarray(0, PRINTED));
  const filters = described(state);
  const row = rows[state.shown];
  const titles = TITLES.with(4, seen(`${labels[row.model]}: ${rowName(row)}`));
  const legend = by("legend").cloneNode(true);
  legend.removeAttribute("id");
  by("printed").replaceChildren(
    element("p", {}, `${by("count").textContent}${filters ? `: ${filters}` : ""}. ${found.length > PRINTED ? `The first ${PRINTED} of them:` : ""}`),
    legend,
    element("table", { class: "list" },
      element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", {}, title)))),
      element("tbody", {}, ...some.map((i) => element("tr", {}, ...CELLS.map((cell, at) => element("td", {}, at ? cell(i) : isolated(C.ids.at(i)))))))));
}

addEventListener("beforeprint", printable);
addEventListener("afterprint", () => by("printed").replaceChildren());

// --- beginning ----------------------------------------------------------------------------------------------------

function restore() {
  const [wanted, unknown] = fromHash(location.hash.slice(1));
  const image = wanted.image;
  state = { ...wanted, image };
  fillForm();
  table.order([[ORDERS.indexOf(state.order[0]), state.order[1]]]);
  refresh(unknown);
  if (image === null) by("detail").close();
  else show(image);
}

document.title = seen(`Explorer: ${study.study.dataset}`);
by("title").replaceChildren("Explorer: ", isolated(study.study.dataset));
by("study").replaceChildren(isolated(study.study.said.slice(study.study.dataset.length + 2)));
by("legend").replaceChildren(
  element("p", {}, ...Object.entries(SIGNS).flatMap(([kind, [sign, word]]) =>
    [element("span", { class: `sign ${kind}` }, sign), kind === "oop" ? "wrong, out of prompt" : word])),
  element("p", {}, "Models right, from the left: ", isolated(compared.map((row) => `${labels[row.model]} (${rowName(row)})`).join(", "))));
by("filter-box").open = !narrow.matches;
prepareForm();
restore();
addEventListener("hashchange", restore);
performance.measure("first view", { start: 0, end: performance.now() });
performance.measure("unpack", { start: begun, end: performance.now() });
document.documentElement.dataset.ready = "";
