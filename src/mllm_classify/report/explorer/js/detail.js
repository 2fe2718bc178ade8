// One image, opened.

import { answersOf } from "./answers.js";
import { by, count, element, isolated } from "./elements.js";
import { found } from "./filter.js";
import { focusInGrid } from "./grid.js";
import { pathOf } from "./path.js";
import { picture } from "./pictures.js";
import { C, CATEGORIES, compared, distinct, labelSets, rights, setName, setText, shortName, study } from "./study.js";
import { scrolled } from "./table.js";
import { keepLink, state } from "./view.js";

export function about(i) {
  const facts = [
    ["Category", CATEGORIES[C.categories[i]] ?? "–"],
    [setName.imgt, setText(C.imgt[i])],
    ...(labelSets.length > 1 ? [[setName.regt, C.regt[i] ? setText(C.regt[i]) : `none of the classes: ${study.study.n_images === "excluded" ? "left out of ReGT accuracy" : "every answer is right"}`]] : []),
    ...labelSets.map((set) => [`Models right under ${shortName[set]}`, `${rights[set][i]} of ${compared.length}`]),
    ["Different classes", `${distinct[i]}`],
  ];
  const list = element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, isolated(name)), element("dd", {}, isolated(value))]));
  const paths = [state.shown, ...(state.other === null ? [] : [state.other])].map((at) => pathOf(at, i));
  return element("div", { class: "about" }, element("div", { class: "large" }, picture(i) ?? ""), element("div", { class: "facts" }, list, element("div", { class: "paths" }, ...paths)));
}

export function show(i) {
  state.image = i;
  const at = found.images.indexOf(i);
  by("detail-title").replaceChildren(isolated(C.ids.at(i)));
  if (at >= 0) by("detail-title").append(element("span", { class: "none" }, ` ${count(at + 1)} of ${count(found.images.length)}`));
  by("previous").disabled = at <= 0;
  by("next").disabled = at < 0 || at + 1 >= found.images.length;
  by("detail-body").replaceChildren(about(i), answersOf(i));
  if (!by("detail").open) by("detail").showModal();
  by("detail").scrollTop = 0;
  keepLink();
}

function step(by) {
  const at = found.images.indexOf(state.image);
  if (at >= 0 && found.images[at + by] !== undefined) show(found.images[at + by]);
}

by("previous").addEventListener("click", () => step(-1));
by("next").addEventListener("click", () => step(1));
by("close").addEventListener("click", () => by("detail").close());
by("detail").addEventListener("close", () => {
  const last = state.image;
  state.image = null;
  keepLink();
  if (state.layout === "grid") focusInGrid(last);
  else scrolled.querySelector(`button.open[data-image="${last}"]`)?.focus();
});
by("detail").addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) {
    event.preventDefault();
    step(by);
  }
});

for (const layout of ["grid", "table"]) {
  by(layout).addEventListener("click", (event) => {
    const button = event.target.closest("tbody tr, .card")?.querySelector("button.open");
    if (button) show(Number(button.dataset.image));
  });
}
