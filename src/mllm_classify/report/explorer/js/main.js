// Shows the study that the page holds, as its address asks.

import { show } from "./detail.js";
import { by, element, isolated, seen } from "./elements.js";
import { fillForm, prepareForm } from "./form.js";
import { refresh } from "./layouts.js";
import { SIGNS } from "./outcomes.js";
import { printable } from "./print.js";
import { begun, compared, labels, rowName, study } from "./study.js";
import { narrow, table } from "./table.js";
import { fromHash, ORDERS, state } from "./view.js";

function restore() {
  const [wanted, unknown] = fromHash(location.hash.slice(1));
  Object.assign(state, wanted);
  fillForm();
  table.order([[ORDERS.indexOf(state.order[0]), state.order[1]]]);
  refresh(unknown);
  if (wanted.image === null) by("detail").close();
  else show(wanted.image);
}

document.title = seen(`Explorer: ${study.study.dataset}`);
by("title").replaceChildren("Explorer: ", isolated(study.study.dataset));
by("study").replaceChildren(isolated(study.study.said.slice(study.study.dataset.length + 2)));
by("legend").replaceChildren(
  element("p", {}, ...Object.entries(SIGNS).flatMap(([kind, [sign, word]]) =>
    [element("span", { class: `sign ${kind}` }, sign), kind === "oop" ? "wrong, out of prompt" : word]),
    element("span", { id: "judged" })),
  element("p", { id: "strip" }, "Models right, from the left: ", isolated(compared.map((row) => `${labels[row.model]} (${rowName(row)})`).join(", "))));
by("filter-box").open = !narrow.matches;
prepareForm();
restore();
addEventListener("hashchange", restore);
addEventListener("beforeprint", printable);
addEventListener("afterprint", () => by("printed").replaceChildren());

performance.measure("first view", { start: 0, end: performance.now() });
performance.measure("unpack", { start: begun, end: performance.now() });
document.documentElement.dataset.ready = "";
