// What passes the filters, shown as a grid, a table, or what is confused with what.

import { drawConfusions } from "./confusions.js";
import { by, count, element, seen } from "./elements.js";
import { found, matching, sorted } from "./filter.js";
import { drawGrid } from "./grid.js";
import { hasPictures } from "./pictures.js";
import { everyMark, labelSets, n, shortName } from "./study.js";
import { drawTable, table } from "./table.js";
import { confusedText, keepLink, LAYOUTS, ORDERS, splitText, SPLITS, state } from "./view.js";

const DRAWN = { grid: drawGrid, table: drawTable, confusions: drawConfusions };
const NAMES = { grid: "Grid", table: "Table", confusions: "Confusions" };

export function refresh(unknown = []) {
  const start = performance.now();
  if (state.layout === "confusions") state.confused = null;
  if (state.other === null) state.split = null;
  found.images = sorted(matching(state), state.order, state);
  const share = n ? ` (${((100 * found.images.length) / n).toFixed(1)} %)` : "";
  by("count").textContent = `${count(found.images.length)} of ${count(n)} images${share}${unknown.length ? `. The link names what this study does not have: ${[...new Set(unknown)].join(", ")}.` : ""}`;
  showChoices();
  const appears = by(state.layout).hidden;
  for (const name of LAYOUTS) by(name).hidden = name !== state.layout;
  DRAWN[state.layout](appears);
  keepLink();
  performance.measure("filter", { start, end: performance.now() });
}

/** Which layout is shown; of two compared models, who is right; and the confusion whose images are shown. */
function showChoices() {
  for (const each of by("layouts").children) each.setAttribute("aria-pressed", each.dataset.layout === state.layout);
  by("judged").textContent = `${labelSets.length > 1 ? ". The first mark: under ImGT; the second: under ReGT" : ""}${state.layout === "grid" ? `. The colour: under ${shortName[state.under]}` : ""}.`;
  by("strip").hidden = state.layout !== "table" || !everyMark;
  by("legend").hidden = state.layout === "confusions";
  by("splits").hidden = state.other === null;
  by("splits").replaceChildren(...(state.other === null ? [] : SPLITS.map((split, at) =>
    element("button", { type: "button", "data-split": split, "aria-pressed": state.split === split }, `${splitText(state, split)}: ${count(found.splits[at])}`))));
  by("confused").hidden = !state.confused;
  by("confused-text").textContent = state.confused ? seen(confusedText(state)) : "";
}

/** Another view of the same study, by changes to the one that is shown. */
function change(values) {
  Object.assign(state, values);
  refresh();
}

by("layouts").append(...["grid", "table", "confusions"].map((name) => element("button", { type: "button", "data-layout": name }, NAMES[name])));
by("layouts").addEventListener("click", (event) => {
  const { layout } = event.target.dataset;
  if (layout) change({ layout });
});
by("splits").addEventListener("click", (event) => {
  const { split } = event.target.dataset;
  if (!split) return;
  change({ split: state.split === split ? null : split });
  by("splits").querySelector(`[data-split=${split}]`).focus();
});
by("confusions").addEventListener("click", (event) => {
  const pair = event.target.closest("[data-confused]")?.dataset.confused;
  if (!pair) return;
  change({ confused: pair.split("-").map(Number), layout: hasPictures() ? "grid" : "table" });
  by("confused-clear").focus();
});
by("confused-clear").addEventListener("click", () => change({ layout: "confusions" }));

table.on("order", () => {
  const [order] = table.order();
  const wanted = order?.[1] ? [ORDERS[order[0]], order[1]] : ["image", "asc"];
  if (wanted.join() !== state.order.join()) change({ order: wanted });
});
