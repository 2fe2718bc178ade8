// The filters' form.

import { by, element, seen } from "./elements.js";
import { OUTCOMES } from "./outcomes.js";
import { refresh } from "./layouts.js";
import { C, classText, compared, labelSets, rowName, rows, setName, study } from "./study.js";
import { table } from "./table.js";
import { fresh, state, wheres } from "./view.js";

const classIds = new Map();
for (let i = C.names.length - 1; i >= 0; i--) {
  classIds.set(classText(i).toLowerCase(), i);
  classIds.set(String(i), i);
}

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

export function fillForm() {
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
  by("other").value = state.other ?? "";
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

export function prepareForm() {
  options(by("category"), [["", "any"], ...Object.keys(study.subsets).filter((name) => name !== "A").map((name) => [name, name])]);
  by("category").disabled = labelSets.length < 2;
  options(by("where"), wheres());
  options(by("under"), labelSets.map((set) => [set, setName[set]]));
  rowOptions(by("shown"));
  rowOptions(by("other"));
  by("other").prepend(element("option", { value: "" }, "no other"));
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
  react("other", (value) => (state.other = value === "" ? null : Number(value)));
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
    const { shown, other, layout } = state;
    Object.assign(state, fresh(), { shown, other, layout });
    fillForm();
    table.order([[0, "asc"]]);
    refresh();
  });
}
