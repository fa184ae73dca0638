import type { NarNode } from './nar.ts'

/** Read an archive that is known to be one: without checks, so that a wrong one comes out as something else than it was. */
export function readNar(nar: Buffer): NarNode {
  let offset = 0
  const next = (): Buffer => {
    const length = Number(nar.readBigUInt64LE(offset))
    const string = nar.subarray(offset + 8, offset + 8 + length)
    offset += 8 + Math.ceil(length / 8) * 8
    return string
  }
  const skip = (count: number): void => void Array.from({ length: count }, next)

  function node(): NarNode {
    skip(2)
    switch (next().toString()) {
      case 'regular': {
        const executable = next().toString() === 'executable'
        if (executable) skip(2)
        const content = next()
        skip(1)
        return { type: 'regular', executable, content }
      }
      case 'symlink': {
        skip(1)
        const target = next()
        skip(1)
        return { type: 'symlink', target }
      }
      default:
        return { type: 'directory', entries: entries() }
    }
  }

  function entries(): (readonly [Buffer, NarNode])[] {
    const found: (readonly [Buffer, NarNode])[] = []
    while (next().toString() === 'entry') {
      skip(2)
      const name = next()
      skip(1)
      found.push([name, node()])
      skip(1)
    }
    return found
  }

  skip(1)
  return node()
}
