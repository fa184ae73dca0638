import { stat } from 'node:fs/promises'

import { DepotError } from '../../src/errors.ts'

/** Whether there is a file, or a link to one. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** Whether there is a folder, or a link to one. */
export async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** All of a stream as UTF-8 text. @throws DepotError `TOO_LARGE` calling it `name`, and what the stream throws */
export async function boundedText(stream: AsyncIterable<unknown>, name: string, bytesMax: number): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of stream) {
    bytes += (piece as Buffer).length
    if (bytes > bytesMax) throw new DepotError('TOO_LARGE', `${name} has more than ${bytesMax} bytes`)
    pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces).toString('utf8')
}
