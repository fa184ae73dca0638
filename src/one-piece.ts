/** Bytes that are there already, for whoever takes them as they come. */
export async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
