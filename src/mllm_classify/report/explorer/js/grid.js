// The grid of pictures, which makes the cards that are seen: rows of equal height in a page as high as all of them.

import { card } from "./cards.js";
import { by, element } from "./elements.js";
import { found } from "./filter.js";
import { chooser, thumbnail } from "./pictures.js";
import { C } from "./study.js";
import { state } from "./view.js";

const GAP = 12;
const BUFFER = 2;
/** Pixels that a card has at least, in wide and in narrow windows. */
const LEAST = [225, 150];
const cards = by("cards");
const made = new Map();
let columns = 1;
let height = 1;
let drawn = 0;

/** Makes all cards anew, for other images, other answers, or another width. */
export function drawGrid() {
  for (const it of made.values()) it.remove();
  made.clear();
  const width = by("grid").clientWidth;
  drawn = width;
  columns = Math.max(1, Math.floor((width + GAP) / (LEAST[width < 700 ? 1 : 0] + GAP)));
  cards.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  by("grid-empty").hidden = found.images.length > 0;
  if (found.images.length) {
    // all cards have as many lines of one height: the first says what it is
    const first = cards.appendChild(card(found.images[0], element("span")));
    height = first.offsetHeight + GAP;
    first.remove();
  }
  by("space").style.height = `${Math.ceil(found.images.length / columns) * height}px`;
  fill();
}

/** Makes the cards that are in sight, or nearly, and removes others. Those that stay are not touched. */
function fill() {
  if (state.layout !== "grid") return;
  const top = -by("space").getBoundingClientRect().top;
  const last = Math.ceil(found.images.length / columns);
  const from = Math.max(0, Math.min(last, Math.floor(top / height) - BUFFER));
  const to = Math.max(from, Math.min(last, Math.ceil((top + innerHeight) / height) + BUFFER));
  const [start, end] = [from * columns, Math.min(to * columns, found.images.length)];
  for (const [place, it] of made) {
    if (place < start || place >= end) {
      it.remove();
      made.delete(place);
    }
  }
  let next = cards.firstChild;
  for (let place = start; place < end; place++) {
    const known = made.get(place);
    if (known) next = known.nextSibling;
    else {
      const i = found.images[place];
      const it = card(i, thumbnail(i));
      made.set(place, it);
      cards.insertBefore(it, next);
    }
  }
  cards.style.transform = `translateY(${from * height}px)`;
}

/** Puts the focus on an image by its place among those that were found. */
function focusPlace(place) {
  if (place < 0 || place >= found.images.length) return;
  if (!made.has(place)) {
    const y = Math.floor(place / columns) * height;
    scrollTo({ top: y + by("space").getBoundingClientRect().top + scrollY - innerHeight / 2, behavior: "instant" });
    fill();
  }
  made.get(place).querySelector("button.open").focus();
}

export function focusInGrid(i) {
  focusPlace(found.images.indexOf(i));
}

by("grid").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -Infinity, End: Infinity }[event.key];
  const image = event.target.dataset.image;
  if (!step || image === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const place = found.images.indexOf(Number(image)) + step;
  focusPlace(Number.isFinite(place) ? place : step < 0 ? 0 : found.images.length - 1);
});
addEventListener("scroll", fill, { passive: true });
new ResizeObserver(() => {
  if (state.layout === "grid" && by("grid").clientWidth !== drawn) drawGrid();
}).observe(by("grid"));
if (!C.pictures) by("grid-folder").replaceChildren(...chooser());
document.addEventListener("pictures", () => {
  if (state.layout === "grid") drawGrid();
});
