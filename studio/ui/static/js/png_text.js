// A text in a PNG: one iTXt chunk behind its header, as the PNG specification has it.

const HEAD = 33; // signature and IHDR
let table;

/** The same PNG with `text` under `keyword`; pixels are not touched. */
export function withText(png, keyword, text) {
  const letters = new TextEncoder();
  // keyword, not compressed (flag, method), no language, no translated keyword
  const body = new Uint8Array([...letters.encode(`iTXt${keyword}`), 0, 0, 0, 0, 0, ...letters.encode(text)]);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc(body));
  const out = new Uint8Array(png.length + chunk.length);
  out.set(png.subarray(0, HEAD));
  out.set(chunk, HEAD);
  out.set(png.subarray(HEAD), HEAD + chunk.length);
  return out;
}

/** CRC-32 as PNG and zip have it (polynomial 0xEDB88320, reflected). */
function crc(bytes) {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
