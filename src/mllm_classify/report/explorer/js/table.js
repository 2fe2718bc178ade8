// The table of images, which makes the rows that are seen.

import { CELLS, TITLES } from "./cells.js";
import { by, seen } from "./elements.js";
import { found } from "./filter.js";
import { compared, everyMark, labels, n, rowName, rows } from "./study.js";
import { ORDERS, state } from "./view.js";

const strip = `${Math.max(9, everyMark ? 3.5 + 1.15 * compared.length : 0)}em`;
const WIDTHS = ["22%", "6.6em", "16%", "20%", "24%", "24%", strip, "5.6em"];
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
    visible: ORDERS[at] !== "other" && (!narrow.matches || ["image", "answer"].includes(ORDERS[at])),
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

/** Columns of the answers that are shown, among ORDERS. */
const [ANSWER, OTHER] = [4, 5];

function isVisible(at) {
  return at === OTHER ? state.other !== null : !narrow.matches || [0, ANSWER].includes(at);
}

function name(at, row) {
  // headers of DataTables are HTML
  const header = table.column(at).header();
  const title = header.querySelector(".dt-column-title") ?? header;
  title.textContent = row ? seen(`${labels[row.model]}: ${rowName(row)}`) : TITLES[at];
  title.title = title.textContent;
}

/** Draws what was found; `appears` where the table was hidden before. */
export function drawTable(appears) {
  const changed = CELLS.map((_, at) => at).filter((at) => table.column(at).visible() !== isVisible(at));
  for (const at of changed) table.column(at).visible(isVisible(at), false);
  name(ANSWER, rows[state.shown]);
  name(OTHER, rows[state.other]);
  if (appears || changed.length) {
    // nothing has a size while it is hidden
    table.columns.adjust();
    table.scroller.measure(false);
  }
  table.draw();
}

narrow.addEventListener("change", () => state.layout === "table" && drawTable(false));

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
