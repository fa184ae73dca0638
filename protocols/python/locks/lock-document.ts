import { parse } from 'smol-toml'

import { parseJson } from '../../../src/http/body.ts'
import { messageOf } from '../../../src/thrown.ts'
import { malformed } from './lock-error.ts'

/** @throws DepotError `BAD_REQUEST` with the file, the line and the column */
export function parseTomlText(filename: string, text: string): unknown {
  try {
    return parse(text, { maxDepth: DEPTH_MAX })
  } catch (cause) {
    // The library's message goes on with a picture of the place.
    const [first = ''] = messageOf(cause).split('\n')
    throw malformed(`${filename}${placeIn(cause)}`, first, { cause })
  }
}

/** @throws DepotError `BAD_REQUEST`, `TOO_LARGE` */
export function parseJsonText(filename: string, text: string): unknown {
  try {
    return parseJson(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw malformed(filename, 'this is not JSON, or too large, or too deep', { cause })
  }
}

/** Real ones are four deep. */
const DEPTH_MAX = 64

function placeIn(error: unknown): string {
  if (!(error instanceof Error) || !('line' in error) || !('column' in error)) return ''
  return `:${Number(error.line)}:${Number(error.column)}`
}
