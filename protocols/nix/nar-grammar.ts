import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { NAR_MAGIC } from './nar-format.ts'

/** The strings of an archive in their order: says what may come next. Texts are Latin-1, so that they compare as bytes do. */
export interface NarGrammar {
  readonly done: boolean
  /** The next string is a file's content: its length is all that is looked at. */
  readonly wantsContent: boolean
  /** Length of the longest text that may stand here. */
  readonly textBytesMax: number
  /** @throws DepotError `CONTENT_MISMATCH` when it may not stand here */
  text(value: string): void
  /** A file's content is over. */
  content(): void
}

type Expect =
  | 'magic'
  | 'node ('
  | 'type tag'
  | 'type'
  | 'executable or contents'
  | 'executable marker'
  | 'contents tag'
  | 'contents'
  | 'target tag'
  | 'target'
  | 'node )'
  | 'entry or )'
  | 'entry ('
  | 'name tag'
  | 'name'
  | 'node tag'
  | 'entry )'
  | 'nothing'

/** Steps that accept exactly one tag: which, and what follows it. */
const FIXED: Partial<Record<Expect, readonly [tag: string, next: Expect]>> = {
  magic: [NAR_MAGIC, 'node ('],
  'node (': ['(', 'type tag'],
  'type tag': ['type', 'type'],
  'executable marker': ['', 'contents tag'],
  'contents tag': ['contents', 'contents'],
  'target tag': ['target', 'target'],
  'entry (': ['(', 'name tag'],
  'name tag': ['name', 'name'],
  'node tag': ['node', 'node ('],
  'entry )': [')', 'entry or )'],
}

const TYPES: ReadonlyMap<string, Expect> = new Map([
  ['regular', 'executable or contents'],
  ['symlink', 'target tag'],
  ['directory', 'entry or )'],
])

/** Longer than any tag, shorter than any attack (nix: libutil/archive.cc reads tags up to this). */
const TAG_BYTES_MAX = 32

/** Tags in their one order, names that ascend and stay in their folder (thesis figure 5.2; nix: libutil/archive.cc). */
export function createNarGrammar(): NarGrammar {
  /** The last name seen in each open directory; no recursion, so that depth costs a number and not stack. */
  const lastNames: string[] = []
  let expect: Expect = 'magic'

  function nodeEnd(): Expect {
    return lastNames.length === 0 ? 'nothing' : 'entry )'
  }

  function onType(value: string): Expect {
    const next = TYPES.get(value)
    if (next === undefined) throw broken(`it has a node of the unknown type ${quote(value)}`)
    if (value === 'directory') lastNames.push('')
    if (lastNames.length > LIMITS.narDepthMax) throw broken(`it nests deeper than ${LIMITS.narDepthMax}`)
    return next
  }

  function onEntryOrEnd(value: string): Expect {
    if (value === 'entry') return 'entry ('
    if (value !== ')') throw unexpected('entry or )', value)
    lastNames.pop()
    return nodeEnd()
  }

  function onName(value: string): Expect {
    refuseName(value)
    const last = lastNames.length - 1
    if (value <= (lastNames[last] ?? '')) throw broken(`its names do not ascend: ${quote(value)}`)
    lastNames[last] = value
    return 'node tag'
  }

  function step(value: string): Expect {
    switch (expect) {
      case 'type':
        return onType(value)
      case 'executable or contents':
        if (value === 'executable') return 'executable marker'
        if (value === 'contents') return 'contents'
        break
      case 'target':
        if (value === '' || value.includes('\0')) throw broken('it has a symbolic link to nowhere')
        return 'node )'
      case 'node )':
        if (value === ')') return nodeEnd()
        break
      case 'entry or )':
        return onEntryOrEnd(value)
      case 'name':
        return onName(value)
      default: {
        const [tag, next] = FIXED[expect] ?? []
        if (next !== undefined && value === tag) return next
      }
    }
    throw unexpected(expect, value)
  }

  return {
    get done() {
      return expect === 'nothing'
    },
    get wantsContent() {
      return expect === 'contents'
    },
    get textBytesMax() {
      if (expect === 'name') return LIMITS.narNameBytesMax
      return expect === 'target' ? LIMITS.narTargetBytesMax : TAG_BYTES_MAX
    },
    text(value) {
      expect = step(value)
    },
    content() {
      expect = 'node )'
    },
  }
}

// oxlint-disable-next-line no-control-regex -- NUL ends a name for every system call
const BAD_NAME = /^\.{0,2}$|[/\0]|~nix~case~hack~/

/** Names that leave their folder, and those that Nix on macOS makes up for two names that differ in case only. */
function refuseName(value: string): void {
  if (BAD_NAME.test(value)) throw broken(`it has an entry named ${quote(value)}`)
}

function unexpected(expect: Expect, value: string): DepotError {
  return broken(`${quote(value)} stands where ${expect} belongs`)
}

/** The refusal of bytes that are no archive. */
export function broken(reason: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the body is not a Nix archive: ${reason}`)
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}
