// What packing.py packed comes out of it again.

// float16 is read as its bits: not every browser has arrays of it
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array, float16: Uint16Array };

/** The number that 16 bits stand for (IEEE 754, binary16). */
export function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}

/** The bytes that the page holds, unpacked piece by piece. */
export async function unpack(block) {
  const text = block.textContent;
  block.remove();
  const piece = 4 * 2 ** 18;
  let at = 0;
  const source = new ReadableStream({
    pull(controller) {
      if (at >= text.length) return controller.close();
      const raw = atob(text.slice(at, at + piece));
      at += piece;
      const bytes = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
      controller.enqueue(bytes);
    },
  });
  return new Response(source.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** A list of texts that is one string, cut when it is asked for. */
class Texts {
  constructor(bytes, ends) {
    this.all = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    this.ends = ends;
    this.length = ends.length - 1;
  }

  at(index) {
    return this.all.slice(this.ends[index], this.ends[index + 1]);
  }

  /** 1 for each text that holds `wanted`, in lower case. */
  holding(wanted) {
    const found = new Uint8Array(this.length);
    const lower = (this.lower ??= this.all.toLowerCase());
    if (lower.length !== this.all.length) {
      // lower case of another length: the ends are elsewhere
      for (let i = 0; i < this.length; i++) found[i] = this.at(i).toLowerCase().includes(wanted);
      return found;
    }
    let index = 0;
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at)) {
      index = this.textAt(at, index);
      if (at + wanted.length <= this.ends[index + 1]) {
        found[index] = 1;
        at = this.ends[++index];
      } else at += 1;
      if (index >= this.length) break;
    }
    return found;
  }

  /** The text in which a position lies; it is none before `low`. */
  textAt(position, low) {
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle + 1] <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function read(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const columns = {};
  for (const [name, [type, offset, size]] of Object.entries(head.columns)) {
    columns[name] = new TYPES[type](buffer, 4 + length + offset, size);
  }
  for (const name of head.texts) columns[name] = new Texts(columns[name], columns[`${name}_ends`]);
  return { ...head, columns };
}
