// What goes on paper.

import { answersOf } from "./answers.js";
import { CELLS, TITLES } from "./cells.js";
import { about } from "./detail.js";
import { by, element, isolated, seen } from "./elements.js";
import { found } from "./filter.js";
import { C, labels, rowName, rows } from "./study.js";
import { described, state } from "./view.js";

const PRINTED = 300;

export function printable() {
  if (state.image !== null) {
    by("printed").replaceChildren(element("h2", {}, isolated(C.ids.at(state.image))), about(state.image), answersOf(state.image));
    return;
  }
  const some = Array.from(found.images.subarray(0, PRINTED));
  const filters = described(state);
  const row = rows[state.shown];
  const titles = TITLES.with(4, seen(`${labels[row.model]}: ${rowName(row)}`));
  const legend = by("legend").cloneNode(true);
  legend.removeAttribute("id");
  by("printed").replaceChildren(
    element("p", {}, `${by("count").textContent}${filters ? `: ${filters}` : ""}. ${found.images.length > PRINTED ? `The first ${PRINTED} of them:` : ""}`),
    legend,
    element("table", { class: "list" },
      element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", {}, title)))),
      element("tbody", {}, ...some.map((i) => element("tr", {}, ...CELLS.map((cell, at) => element("td", {}, at ? cell(i) : isolated(C.ids.at(i)))))))));
}
