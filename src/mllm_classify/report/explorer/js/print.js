// What goes on paper.

import { answersOf } from "./answers.js";
import { card } from "./cards.js";
import { CELLS, TITLES } from "./cells.js";
import { confusionParts } from "./confusions.js";
import { about } from "./detail.js";
import { by, element, isolated, seen } from "./elements.js";
import { found } from "./filter.js";
import { picture } from "./pictures.js";
import { C, labels, rowName, rows } from "./study.js";
import { answerer, described, state } from "./view.js";

const PRINTED = 300;

export function printable() {
  if (state.image !== null) {
    by("printed").replaceChildren(element("h2", {}, isolated(C.ids.at(state.image))), about(state.image), answersOf(state.image));
    return;
  }
  const some = Array.from(found.images.subarray(0, PRINTED));
  const filters = described(state);
  const row = rows[state.shown];
  const other = rows[state.other];
  const columns = CELLS.map((_, at) => at).filter((at) => other || at !== 5);
  const title = (it) => seen(`${labels[it.model]}: ${rowName(it)}`);
  const titles = columns.map((at) => ({ 4: title(row), 5: other && title(other) })[at] ?? TITLES[at]);
  const shown = [state.shown, ...(other ? [state.other] : [])];
  const legend = by("legend").cloneNode(true);
  legend.removeAttribute("id");
  for (const each of legend.querySelectorAll("[id]")) each.removeAttribute("id");
  if (state.layout === "confusions") {
    by("printed").replaceChildren(...confusionParts(false));
    return;
  }
  const list = () => element("table", { class: "list" },
    element("thead", {}, element("tr", {}, ...titles.map((name) => element("th", {}, name)))),
    element("tbody", {}, ...some.map((i) => element("tr", {}, ...columns.map((at) => element("td", {}, at ? CELLS[at](i) : isolated(C.ids.at(i))))))));
  const grid = () => element("ul", { class: "cards" }, ...some.map((i) => card(i, C.pictures ? picture(i) ?? "" : "")));
  by("printed").replaceChildren(
    element("p", {}, `${by("count").textContent}${filters ? `: ${filters}` : ""}. ${found.images.length > PRINTED ? `The first ${PRINTED} of them. ` : ""}${state.layout === "grid" ? `Answers of ${shown.map(answerer).join(", then ")}.` : ""}`),
    legend,
    state.layout === "grid" ? grid() : list());
}
