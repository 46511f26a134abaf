// A ZIP archive without compression (PKWARE APPNOTE 4.3), so that a project needs no library.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A Blob of files: name -> Uint8Array; names are ASCII. */
export function zip(files) {
  const parts = [], directory = [];
  let offset = 0, size = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const title = new TextEncoder().encode(name);
    // Version 2.0, no flags, stored, 1 January 1980; sizes; no extra field.
    const shared = [20, 0, 0, 0, 0x21, crc32(bytes), bytes.length, bytes.length];
    const local = record(0x04034b50, shared, [title.length, 0]);
    const central = record(0x02014b50, [20, ...shared], [title.length, 0, 0, 0, 0], [0, offset]);
    parts.push(local, title, bytes);
    directory.push(central, title);
    offset += local.length + title.length + bytes.length;
    size += central.length + title.length;
  }
  const count = Object.keys(files).length;
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, count, true);
  end.setUint16(10, count, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...directory, end.buffer], { type: "application/zip" });
}

/** Bytes of a header: a signature, versions and flags as 16 bits, then 32, 16 and 32 bits. */
function record(signature, numbers, shorts, longs = []) {
  const words = numbers.slice(0, -3), wide = numbers.slice(-3);
  const view = new DataView(
    new ArrayBuffer(4 + 2 * words.length + 4 * wide.length + 2 * shorts.length + 4 * longs.length),
  );
  let at = 0;
  const put = (value, bytes) => {
    bytes === 4 ? view.setUint32(at, value, true) : view.setUint16(at, value, true);
    at += bytes;
  };
  put(signature, 4);
  words.forEach((word) => put(word, 2));
  wide.forEach((word) => put(word, 4));
  shorts.forEach((word) => put(word, 2));
  longs.forEach((word) => put(word, 4));
  return new Uint8Array(view.buffer);
}
