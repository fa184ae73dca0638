import { z } from 'zod'

import { asBytes, asText } from '../user-file.ts'
import { getIni, hasSection, NPMRC, PIP_CONF, removeEmptySection, removeIni, setIni, type IniDialect } from './ini.ts'
import { removeNetrc, setNetrc } from './netrc.ts'
import { addNixValue, addNixWord, removeNixValue, removeNixWord } from './nix-conf.ts'
import { isStoredToken, isTokenOf } from './stored-token.ts'
import { removeUvIndex, setUvIndex } from './uv-toml.ts'

const FILE = { file: z.string() }

/** One thing that `depot use` has written into a file of the user's: enough to write it again, and to take it out. No secrets. */
export const EDIT = z.discriminatedUnion('kind', [
  z.object({ ...FILE, kind: z.literal('netrc'), host: z.string() }),
  z.object({ ...FILE, kind: z.literal('nix-word'), setting: z.string(), word: z.string() }),
  z.object({ ...FILE, kind: z.literal('nix-value'), setting: z.string(), value: z.string() }),
  z.object({
    ...FILE,
    kind: z.enum(['npmrc', 'pip-conf']),
    section: z.string(),
    key: z.string(),
    /** Absent: the token stands there. */
    value: z.string().optional(),
    /** What stood there before. */
    previous: z.string().optional(),
    /** Its section was made for it. */
    newSection: z.boolean().optional(),
  }),
  z.object({ ...FILE, kind: z.literal('uv-index'), url: z.string() }),
])

export type Edit = z.infer<typeof EDIT>

/** Whether the token is written by it. */
export function holdsToken(edit: Edit): boolean {
  return edit.kind === 'netrc' || (isIni(edit) && edit.value === undefined)
}

/**
 * Write it into the text of its file, one character a byte. Doing it twice is the same as once.
 *
 * @param token for the edits that hold it
 * @returns undefined when what is there is in the way.
 */
export function applyEdit(edit: Edit, text: string, token: string): string | undefined {
  switch (edit.kind) {
    case 'netrc':
      return setNetrc(text, edit.host, token)
    case 'nix-word':
      return addNixWord(text, edit.setting, edit.word)
    case 'nix-value':
      return addNixValue(text, edit.setting, asBytes(edit.value))
    case 'uv-index':
      return mapDefined(setUvIndex(asText(text), edit.url), asBytes)
    default: {
      // What holds somebody's password, or several values, is not taken away: it could not be brought back.
      const old = getIni(text, edit, DIALECT[edit.kind]) ?? ''
      const foreign = edit.value === undefined ? old !== '' && !isStoredToken(old) : /:\/\/[^/]*@|\n/.test(old)
      return foreign ? undefined : setIni(text, edit, edit.value ?? token, DIALECT[edit.kind])
    }
  }
}

/**
 * Take it out again, and bring back what it replaced. What somebody has changed since stays.
 *
 * @param ids of the tokens that were written: another depot's may have taken the place
 */
export function undoEdit(edit: Edit, text: string, ids: ReadonlySet<string>): string {
  switch (edit.kind) {
    case 'netrc':
      return removeNetrc(text, edit.host, (password) => isTokenOf(password, ids))
    case 'nix-word':
      return removeNixWord(text, edit.setting, edit.word)
    case 'nix-value':
      return removeNixValue(text, edit.setting, asBytes(edit.value))
    case 'uv-index':
      return asBytes(removeUvIndex(asText(text), edit.url))
    default: {
      const value = getIni(text, edit, DIALECT[edit.kind])
      const own = value !== undefined && (edit.value === undefined ? isTokenOf(value, ids) : value === edit.value)
      if (!own) return text
      if (edit.previous !== undefined) return setIni(text, edit, edit.previous, DIALECT[edit.kind])
      const without = removeIni(text, edit, DIALECT[edit.kind])
      return edit.newSection === true ? removeEmptySection(without, edit.section) : without
    }
  }
}

/** The edit with what must be known of the text before it, to bring that back. Never a secret. */
export function withPrevious(edit: Edit, text: string): Edit {
  if (!isIni(edit)) return edit
  const previous = getIni(text, edit, DIALECT[edit.kind])
  if (previous !== undefined) return edit.value === undefined || previous === edit.value ? edit : { ...edit, previous }
  return hasSection(text, edit.section) ? edit : { ...edit, newSection: true }
}

/** Names the place that an edit writes: a later one of the same place takes it over. */
export function placeOf(edit: Edit): string {
  const { file, kind } = edit
  switch (edit.kind) {
    case 'netrc':
      return JSON.stringify([file, kind, edit.host])
    case 'nix-word':
      return JSON.stringify([file, kind, edit.setting, edit.word])
    case 'nix-value':
      return JSON.stringify([file, kind, edit.setting])
    case 'uv-index':
      return JSON.stringify([file, kind])
    default:
      return JSON.stringify([file, kind, edit.section, edit.key])
  }
}

const DIALECT: Readonly<Record<'npmrc' | 'pip-conf', IniDialect>> = { npmrc: NPMRC, 'pip-conf': PIP_CONF }

function isIni(edit: Edit): edit is Extract<Edit, { kind: 'npmrc' | 'pip-conf' }> {
  return edit.kind === 'npmrc' || edit.kind === 'pip-conf'
}

function mapDefined<T, U>(value: T | undefined, map: (value: T) => U): U | undefined {
  return value === undefined ? undefined : map(value)
}
