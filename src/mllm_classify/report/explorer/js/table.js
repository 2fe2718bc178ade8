// The table of images, which makes the rows that are seen.

import { CELLS, TITLES } from "./cells.js";
import { by, count, seen } from "./elements.js";
import { found, matching, sorted } from "./filter.js";
import { compared, labels, n, rowName, rows } from "./study.js";
import { keepLink, ORDERS, state } from "./view.js";

const strip = `${Math.max(9, 3.5 + 1.15 * Math.min(compared.length, 24))}em`;
const WIDTHS = ["22%", "6.6em", "16%", "20%", "24%", strip, "5.6em"];
export const narrow = matchMedia("(max-width: 700px)");

export const table = new globalThis.DataTable(by("images"), {
  serverSide: true,
  ajax: (asked, show) => {
    const slice = Array.from(found.images.subarray(asked.start, asked.start + Math.max(0, asked.length)), (i) => ({ i }));
    show({ draw: asked.draw, recordsTotal: n, recordsFiltered: found.images.length, data: slice });
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

export const scrolled = document.querySelector(".dt-scroll-body");
scrolled.tabIndex = 0;
scrolled.setAttribute("role", "region");
scrolled.setAttribute("aria-label", "Images");

export function refresh(unknown = []) {
  const start = performance.now();
  found.images = sorted(matching(state), state.order, state);
  const shownRow = rows[state.shown];
  // headers of DataTables are HTML
  const title = [...table.column(4).header().querySelectorAll(".dt-column-title")][0] ?? table.column(4).header();
  title.textContent = seen(`${labels[shownRow.model]}: ${rowName(shownRow)}`);
  title.title = title.textContent;
  table.draw();
  const share = n ? ` (${((100 * found.images.length) / n).toFixed(1)} %)` : "";
  by("count").textContent = `${count(found.images.length)} of ${count(n)} images${share}${unknown.length ? `. The link names what this study does not have: ${[...new Set(unknown)].join(", ")}.` : ""}`;
  keepLink();
  performance.measure("filter", { start, end: performance.now() });
}

narrow.addEventListener("change", () => CELLS.forEach((_, at) => table.column(at).visible(!narrow.matches || [0, 4].includes(at))));
table.on("order", () => {
  const [order] = table.order();
  const wanted = order?.[1] ? [ORDERS[order[0]], order[1]] : ["image", "asc"];
  if (wanted.join() === state.order.join()) return;
  state.order = wanted;
  refresh();
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
