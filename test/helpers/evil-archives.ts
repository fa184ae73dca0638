import { fileNar, narStrings, writeNar, type NarNode } from './nar.ts'

const FILE: NarNode = { type: 'regular', content: 'x' }

/** A directory with these entries, in this order. */
export function directory(...entries: [string, NarNode][]): NarNode {
  return { type: 'directory', entries }
}

/** Directories in each other. */
export function nested(levels: number): NarNode {
  let node: NarNode = directory()
  for (let level = 1; level < levels; level++) node = directory(['d', node])
  return node
}

export function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

/** A directory with one entry of this name, whatever it is. */
function named(name: string | Uint8Array): Buffer {
  return inDirectory(...entry(name))
}

function entry(name: string | Uint8Array): (string | Uint8Array)[] {
  return ['entry', '(', 'name', name, 'node', '(', 'type', 'symlink', 'target', 'x', ')', ')']
}

/** No UTF-8. */
const INVALID = Uint8Array.of(0xff, 0xfe)

function inDirectory(...strings: (string | Uint8Array)[]): Buffer {
  return narStrings('nix-archive-1', '(', 'type', 'directory', ...strings, ')')
}

function root(...strings: (string | Uint8Array)[]): Buffer {
  return narStrings('nix-archive-1', '(', ...strings)
}

function patched(nar: Buffer, change: (nar: Buffer) => void): Buffer {
  change(nar)
  return nar
}

/** An archive that nobody may take, and a part of the sentence that says why. */
export type Evil = [what: string, nar: Buffer, reason: string]

/** What no `nix-store --dump` writes: each attacks whoever unpacks it, or makes two readers disagree. */
export function evilArchives(): Evil[] {
  const file = fileNar('hello')
  const contents = narStrings('nix-archive-1', '(', 'type', 'regular', 'contents')
  const inName = narStrings('nix-archive-1', '(', 'type', 'directory', 'entry', '(', 'name')
  const inTarget = root('type', 'symlink', 'target')
  const sameName = writeNar(directory(['a', FILE], ['a', directory()]))
  const throughLink = writeNar(
    directory(['a', { type: 'symlink', target: '/etc' }], ['a', directory(['passwd', FILE])]),
  )
  const deepEvil = writeNar(directory(['a', directory(['b', directory(['..', FILE])])]))
  const link = (target: string | Uint8Array): Buffer => root('type', 'symlink', 'target', target, ')')
  const names: Evil[] = [
    ['', 'entry named'],
    ['.', 'entry named'],
    ['..', 'entry named'],
    ['a/b', 'entry named'],
    ['/', 'entry named'],
    ['../../etc/passwd', 'entry named'],
    ['a\0b', 'entry named'],
    ['a~nix~case~hack~1', 'entry named'],
    ['n'.repeat(256), 'at most 255'],
    ['n'.repeat(5000), 'at most 255'],
  ].map(([name = '', reason = '']) => [
    `an entry named ${JSON.stringify(name.slice(0, 20))} (${name.length})`,
    named(name),
    reason,
  ])
  return [
    ...names,
    ['a name that comes twice', writeNar(directory(['a', FILE], ['a', FILE])), 'do not ascend'],
    ['names that descend', writeNar(directory(['b', FILE], ['a', FILE])), 'do not ascend'],
    ['names in the order of a language', writeNar(directory(['a', FILE], ['B', FILE])), 'do not ascend'],
    ['a name that comes again later', writeNar(directory(['a', FILE], ['b', FILE], ['a', FILE])), 'do not ascend'],
    ['a link to nowhere', link(''), 'nowhere'],
    ['a link with a NUL', link('a\0b'), 'nowhere'],
    ['a link of 4,096 bytes', link('t'.repeat(4096)), 'at most 4095'],
    [
      'a program whose marker says something',
      root('type', 'regular', 'executable', 'x', 'contents', '', ')'),
      'marker',
    ],
    ['a program that is one twice', root('type', 'regular', 'executable', '', 'executable', '', ')'), 'contents tag'],
    ['a file without content', root('type', 'regular', ')'), 'executable or contents'],
    ['content before the executable marker', root('type', 'regular', 'contents', '', 'executable', '', ')'), 'node )'],
    ['content twice', root('type', 'regular', 'contents', 'a', 'contents', 'b', ')'), 'node )'],
    ['a link without a target', root('type', 'symlink', ')'), 'target tag'],
    ['two targets', root('type', 'symlink', 'target', 'a', 'target', 'b', ')'), 'node )'],
    ['a type that is none', root('type', 'fifo', ')'), 'unknown type'],
    ['two types', root('type', 'symlink', 'type', 'regular'), 'target tag'],
    ['no type', root('contents', '', ')'), 'type tag'],
    ['an entry without a name', inDirectory('entry', '(', 'node'), 'name tag'],
    ['an entry without a node', inDirectory('entry', '(', 'name', 'a', ')'), 'node tag'],
    [
      'an entry with two nodes',
      inDirectory('entry', '(', 'name', 'a', 'node', '(', 'type', 'symlink', 'target', 'x', ')', 'node'),
      'entry )',
    ],
    ['something else than an entry', inDirectory('file'), 'entry or )'],
    ['another magic', narStrings('nix-archive-2', '('), 'magic'],
    ['no magic', narStrings('(', 'type'), 'magic'],
    ['a tag that is too long', root('t'.repeat(33)), 'at most 32'],
    ['a byte after the end', Buffer.concat([file, Buffer.of(0)]), 'after its end'],
    ['an archive after the end', Buffer.concat([file, file]), 'after its end'],
    ['padding of a file that is not zero', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 101)), 'padding'],
    ['padding of a tag that is not zero', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 23)), 'padding'],
    ['a file of 2^63 bytes', patched(fileNar('hello'), (nar) => nar.writeUInt8(0x80, 95)), 'longer than any disk'],
    ['a tag of 2^32 bytes', patched(fileNar('hello'), (nar) => nar.writeUInt8(1, 4)), 'at most 32'],
    [
      'a file that is longer than the archive',
      Buffer.concat([contents, uint64(1000n), Buffer.alloc(8)]),
      'ends in the middle',
    ],
    ['1,025 levels', writeNar(nested(1025)), 'nests deeper'],
    ['a million levels', Buffer.alloc(1_000_000 * 8, Buffer.concat([narStrings('nix-archive-1', '(')])), ''],
    ['a file of 2^53 bytes', Buffer.concat([contents, uint64(2n ** 53n)]), 'longer than any disk'],
    ['a name of 2^64 - 1 bytes', Buffer.concat([inName, uint64(2n ** 64n - 1n)]), 'longer than any disk'],
    ['a target of 2^32 + 1 bytes', Buffer.concat([inTarget, uint64(2n ** 32n + 1n)]), 'at most 4095'],
    ['a name with invalid bytes that comes twice', inDirectory(...entry(INVALID), ...entry(INVALID)), 'do not ascend'],
    ['names that UTF-16 orders otherwise', inDirectory(...entry('\u{1f600}'), ...entry('\u{ff5e}')), 'do not ascend'],
    ['a file and a directory of one name', sameName, 'do not ascend'],
    ['a link, and a directory of its name to write through it', throughLink, 'do not ascend'],
    ['an evil name in the depth', deepEvil, 'entry named'],
    [
      'padding of a name that is not zero',
      patched(named('abc'), (nar) => nar.write('x', nar.indexOf('abc') + 4)),
      'padding',
    ],
    ['padding of a target that is not zero', patched(link('t'), (nar) => nar.write('x', nar.length - 20)), 'padding'],
    ['zeros after the end', Buffer.concat([file, Buffer.alloc(512)]), 'after its end'],
    ['one parenthesis too many', Buffer.concat([file, narStrings(')')]), 'after its end'],
    ['a file instead of the archive', Buffer.from('hello\n'.repeat(20)), 'not a Nix archive'],
    ['text', Buffer.from('notanar'.repeat(10)), 'not a Nix archive'],
    ['nothing', Buffer.alloc(0), 'ends in the middle'],
  ]
}
