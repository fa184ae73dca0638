import { createHash } from 'node:crypto'

/** What an archive is made of. A directory's entries are written in the order they are given. */
export type NarNode =
  | { readonly type: 'regular'; readonly content: Uint8Array | string; readonly executable?: boolean }
  | { readonly type: 'symlink'; readonly target: Uint8Array | string }
  | { readonly type: 'directory'; readonly entries: readonly (readonly [name: Uint8Array | string, node: NarNode])[] }

/** A Nix archive (thesis, figure 5.2). */
export function writeNar(node: NarNode): Buffer {
  return narStrings('nix-archive-1', ...nodeStrings(node))
}

/** The archive of one file. */
export function fileNar(content: Uint8Array | string, executable = false): Buffer {
  return writeNar({ type: 'regular', content, executable })
}

function nodeStrings(node: NarNode): (string | Uint8Array)[] {
  switch (node.type) {
    case 'regular':
      return [
        '(',
        'type',
        'regular',
        ...(node.executable === true ? ['executable', ''] : []),
        'contents',
        node.content,
        ')',
      ]
    case 'symlink':
      return ['(', 'type', 'symlink', 'target', node.target, ')']
    case 'directory': {
      const entries = node.entries.flatMap(([name, child]) => [
        'entry',
        '(',
        'name',
        name,
        'node',
        ...nodeStrings(child),
        ')',
      ])
      return ['(', 'type', 'directory', ...entries, ')']
    }
  }
}

/** Strings as archives have them: length, bytes, zeros up to a multiple of eight. */
export function narStrings(...strings: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(strings.map((string) => narString(typeof string === 'string' ? Buffer.from(string) : string)))
}

function narString(bytes: Uint8Array): Buffer {
  const field = Buffer.alloc(8 + Math.ceil(bytes.byteLength / 8) * 8)
  field.writeBigUInt64LE(BigInt(bytes.byteLength))
  field.set(bytes, 8)
  return field
}

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'

/** A hash in Nix's base 32, worked out as a number and so apart from the code under test. */
export function nix32(hash: Uint8Array): string {
  let rest = hash.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
  let text = ''
  for (let bits = 0; bits < hash.byteLength * 8; bits += 5, rest /= 32n)
    text = ALPHABET.charAt(Number(rest % 32n)) + text
  return text
}

export function sha256Nix32(bytes: Uint8Array): string {
  return nix32(createHash('sha256').update(bytes).digest())
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
