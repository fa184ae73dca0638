/**
 * Free the memory of bytes that nobody will look at again, now rather than when the collector comes by: what an upload leaves behind would
 * have it look through the whole heap several times a second, amid everybody's answers.
 *
 * It frees what the bytes are the last part of, and all other views of it are empty then. A part that is not the last changes nothing, nor
 * one of memory that Node may have divided among many small buffers.
 */
export function freeMemory({ buffer, byteOffset, byteLength }: Uint8Array): void {
  if (buffer instanceof SharedArrayBuffer || byteLength === 0) return
  const isWhole = byteLength === buffer.byteLength
  const isLast = byteOffset + byteLength === buffer.byteLength && buffer.byteLength > Buffer.poolSize
  if (isWhole || isLast) buffer.transfer(0)
}
