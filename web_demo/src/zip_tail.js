/**
 * The zip archive at the end of a `.tflite`, in which its contract lies. Runtimes ignore it.
 *
 * All functions throw `UserError` for a damaged archive, and return null where the file does not end in one.
 */
import { UserError } from "./user_error.js";

const END = 0x06054b50; // "PK\5\6", the end of the directory
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const ENTRY_SIZE = 46;
const LOCAL_SIZE = 30;
const MAX_COMMENT = 0xffff;
const MAX_MEMBER = 16 << 20; // bytes; contracts have some thousand
const [STORED, DEFLATED] = [0, 8];

/**
 * The text of a member, and the size of what lies before the archive.
 *
 * @param {Uint8Array} file
 * @param {string} member
 * @returns {Promise<{text: string, before: number} | null>}
 */
export async function readZipTail(file, member) {
  const bytes = new DataView(file.buffer, file.byteOffset, file.byteLength);
  try {
    return await read(bytes, member);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) {
      throw new UserError("its archive is damaged"); // an offset outside the file, or data that are not deflated
    }
    throw error;
  }
}

async function read(bytes, member) {
  const end = findEnd(bytes);
  if (end === null) {
    return null;
  }
  const directory = end - bytes.getUint32(end + 12, true);
  const start = directory - bytes.getUint32(end + 16, true); // offsets count from here
  let [at, before, found] = [directory, bytes.byteLength, null];
  for (let left = bytes.getUint16(end + 10, true); left > 0; left--) {
    if (bytes.getUint32(at, true) !== ENTRY) {
      throw new UserError("its archive is damaged");
    }
    const nameSize = bytes.getUint16(at + 28, true);
    const local = start + bytes.getUint32(at + 42, true);
    before = Math.min(before, local);
    if (text(slice(bytes, at + ENTRY_SIZE, nameSize)) === member) {
      found = await unpack(bytes, at, local);
    }
    at += ENTRY_SIZE + nameSize + bytes.getUint16(at + 30, true) + bytes.getUint16(at + 32, true);
  }
  return found && { text: text(found), before };
}

function findEnd(bytes) {
  const last = bytes.byteLength - END_SIZE;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) {
    if (bytes.getUint32(at, true) === END && at + END_SIZE + bytes.getUint16(at + 20, true) === bytes.byteLength) {
      return at;
    }
  }
  return null;
}

async function unpack(bytes, entry, local) {
  const method = bytes.getUint16(entry + 10, true);
  const size = bytes.getUint32(entry + 24, true);
  if (bytes.getUint32(local, true) !== LOCAL || size > MAX_MEMBER) {
    throw new UserError("its archive is damaged");
  }
  if (method !== STORED && method !== DEFLATED) {
    throw new UserError(`its archive uses method ${method}`);
  }
  const data = local + LOCAL_SIZE + bytes.getUint16(local + 26, true) + bytes.getUint16(local + 28, true);
  const packed = slice(bytes, data, bytes.getUint32(entry + 20, true));
  const content = method === DEFLATED ? await inflate(packed) : packed;
  if (content.length !== size || crc32(content) !== bytes.getUint32(entry + 16, true)) {
    throw new UserError("its archive is damaged");
  }
  return content;
}

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function slice(bytes, start, size) {
  if (start < 0 || start + size > bytes.byteLength) {
    throw new RangeError();
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, size);
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}

function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
    }
  }
  return ~sum >>> 0;
}
