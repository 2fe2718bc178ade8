// The picture of an image: the page's own, or one of the reader's files.

import { element, seen } from "./elements.js";
import { C } from "./study.js";

function shownPicture(i, src) {
  return element("img", { src, alt: `The image ${seen(C.ids.at(i))}` });
}

/** The JPEG that the page holds; undefined where there is none. */
function bytesOf(i) {
  const [start, end] = [C.picture_ends[i], C.picture_ends[i + 1]];
  return start === end ? undefined : C.pictures.subarray(start, end);
}

/** A picture in a grid. It is decoded when it is seen; nothing is kept of it when it is gone. */
export function thumbnail(i) {
  const blank = (words) => element("span", { class: "blank" }, words);
  const bytes = C.pictures && bytesOf(i);
  const source = C.pictures ? bytes && new Blob([bytes], { type: "image/jpeg" }) : ownFile(i);
  if (!source) return blank(hasPictures() ? "no picture here" : "");
  const src = URL.createObjectURL(source);
  const image = element("img", { src, alt: "", decoding: "async" });
  image.addEventListener("load", () => URL.revokeObjectURL(src));
  image.addEventListener("error", () => image.replaceWith(blank("cannot be shown")));
  return image;
}

export function picture(i) {
  if (!C.pictures) return ownPicture(i);
  const bytes = bytesOf(i);
  if (!bytes) return undefined;
  let raw = "";
  for (const byte of bytes) raw += String.fromCharCode(byte);
  return shownPicture(i, `data:image/jpeg;base64,${btoa(raw)}`);
}

// the reader's own files by their names, with and without ending, where the page holds no pictures
const own = new Map();

/** Whether there are pictures: in the page, or in a folder that the reader chose. */
export function hasPictures() {
  return Boolean(C.pictures || own.size);
}

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
  box.append(...chooser(own.size ? `No file in the folder is ${seen(C.files.at(i))}. ` : ""));
  document.addEventListener("pictures", () => box.isConnected && box.replaceWith(ownPicture(i)), { once: true });
  return box;
}

/** Asks for a folder with pictures; "pictures" is what happens to the document when there are some. */
export function chooser(missing = "") {
  const choose = element("input", { type: "file", webkitdirectory: "", "aria-label": "Folder with the pictures" });
  choose.addEventListener("change", () => {
    for (const each of choose.files) {
      for (const name of new Set([each.name, stem(each.name)])) own.set(name, [...(own.get(name) ?? []), each]);
    }
    document.dispatchEvent(new Event("pictures"));
  });
  return [
    element("label", {}, `${missing}The page holds no pictures. Those in a folder of this computer:`, choose),
    element("p", { class: "none" }, "Nothing leaves this computer, though browsers call it an upload."),
  ];
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
