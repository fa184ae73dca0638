import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { z } from 'zod'

import { verifyChain, type ChainHead } from '../src/audit-chain.ts'
import { auditRows, newestAuditRows } from '../src/audit-log.ts'
import type { AuditRow, KvStore } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { systemCode } from '../src/thrown.ts'
import { openKv } from '../storage/open.ts'
import { auditJson, auditText } from './audit-line.ts'
import { UsageError, type Command, type ParsedArgs } from './cli.ts'
import { storageConfig } from './settings/parse-config.ts'
import { SERVE_SETTINGS, STORAGE_SETTINGS } from './settings/serve.ts'
import { isOn, lastOf } from './flags.ts'
import { CONFIG_ARGS, loadSettings, settingArgs, SETTINGS_NOTE } from './settings/load.ts'
import type { Environment } from './environment.ts'

const DATABASE_ARGS = {
  ...settingArgs({
    'store-path': STORAGE_SETTINGS['store-path'],
    'database-url': STORAGE_SETTINGS['database-url'],
  }),
  ...CONFIG_ARGS,
}

/** `depot audit list`: who did what last. */
export function auditListCommand(env: Environment): Command {
  return {
    name: 'audit list',
    description: 'Show who changed what, and who was refused. The newest line comes last.',
    args: {
      ...DATABASE_ARGS,
      limit: { type: 'string', description: 'Lines at most, the newest ones (default: 50)', valueHint: 'N' },
      since: { type: 'string', description: 'Nothing before 2026-01-31 or 2026-01-31T12:00:00Z', valueHint: 'DATE' },
      principal: { type: 'string', description: 'Only what this key or token did', valueHint: 'ID' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    notes: SETTINGS_NOTE,
    examples: ['depot audit list', 'depot audit list --since 2026-01-31 --principal token:Ab3dEf6hIj9k --json'],
    async run({ flags }) {
      const limit = flagOf(flags, 'limit', LIMIT) ?? 50
      const since = flagOf(flags, 'since', DATE) ?? -Infinity
      const principal = lastOf(flags, 'principal')
      const text = isOn(flags, 'json') ? auditJson : auditText
      const matches = (row: AuditRow): boolean =>
        row.at >= since && (principal === undefined || row.principal === principal)
      await using kv = await openDatabase(flags, env)
      const { rows, more } = await newestAuditRows(kv, limit, matches)
      await print(rows.map(text))
      if (more) process.stderr.write('depot: there are earlier lines: --limit shows more, depot audit export all\n')
      return 0
    },
  }
}

/** `depot audit verify`: whether the log is as it was written. */
export function auditVerifyCommand(env: Environment): Command {
  return {
    name: 'audit verify',
    description: 'Check that no line of the audit log was changed or removed. Safe beside a running server.',
    args: {
      ...DATABASE_ARGS,
      expect: { type: 'string', description: 'The head that an earlier check printed', valueHint: 'SEQ:HASH' },
    },
    notes:
      `${SETTINGS_NOTE}\n\nThe exit status is 1 when a line is not what it was. A log whose end was cut off, or that was written anew, is\n` +
      'whole in itself: keep the head elsewhere and give it to the next check.',
    examples: ['depot audit verify', 'depot audit verify --expect "$HEAD"'],
    async run({ flags }) {
      const expected = flagOf(flags, 'expect', HEAD)
      await using kv = await openDatabase(flags, env)
      const { verified, before, head, broken } = await verifyChain(auditRows(kv), expected)
      const lines = [`${verified} lines verified${before === 0 ? '' : `, ${before} from before the chain`}`]
      if (head !== undefined) lines.push(`head ${head.seq}:${head.hash}`)
      if (broken !== undefined) lines.push(`broken at line ${broken.seq}: ${broken.reason}`)
      await print(lines)
      return broken === undefined ? 0 : 1
    },
  }
}

/** `depot audit export`: all of it, for another program. */
export function auditExportCommand(env: Environment): Command {
  return {
    name: 'audit export',
    description: 'Print the whole audit log, one JSON object a line, oldest first.',
    args: DATABASE_ARGS,
    notes: SETTINGS_NOTE,
    examples: ['depot audit export >audit.jsonl'],
    async run({ flags }) {
      await using kv = await openDatabase(flags, env)
      await print(jsonLines(kv))
      return 0
    },
  }
}

async function* jsonLines(kv: KvStore): AsyncGenerator<string> {
  for await (const row of auditRows(kv)) yield auditJson(row)
}

async function openDatabase(flags: ParsedArgs['flags'], env: Environment): Promise<KvStore> {
  // The file may configure the server too, so it is read by the server's table.
  const { values, warnings, home } = loadSettings(SERVE_SETTINGS, flags, env)
  for (const warning of warnings) process.stderr.write(`depot: ${warning}\n`)
  return openKv({ ...storageConfig(values, env, home), existing: true })
}

/** As fast as it is read, and no further when nobody reads any more. */
async function print(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  async function* ended(): AsyncGenerator<string> {
    for await (const line of lines) yield `${line}\n`
  }
  try {
    await pipeline(Readable.from(ended()), process.stdout, { end: false })
  } catch (error) {
    if (systemCode(error) !== 'EPIPE') throw error
  }
}

function flagOf<T>(flags: ParsedArgs['flags'], name: string, schema: z.ZodType<T>): T | undefined {
  const text = lastOf(flags, name)
  if (text === undefined) return undefined
  const result = schema.safeParse(text)
  if (result.success) return result.data
  throw new UsageError(`--${name} takes ${result.error.issues[0]?.message ?? 'another value'}, not '${text}'`)
}

const LIMIT = z
  .string()
  .regex(/^\d{1,6}$/, { error: `a number from 1 to ${LIMITS.listPageMax}` })
  .transform(Number)
  .refine((limit) => limit >= 1 && limit <= LIMITS.listPageMax, { error: `a number from 1 to ${LIMITS.listPageMax}` })
const DATE = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], { error: 'a date, or a time with its zone' })
  .transform((text) => Date.parse(text))
const HEAD = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, { error: 'SEQ:HASH' })
  .transform((text): ChainHead => {
    const [seq = '', hash = ''] = text.split(':')
    return { seq: Number(seq), hash }
  })
