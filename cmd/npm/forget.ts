import { z } from 'zod'

import { parsePackageName } from '../../protocols/npm/package-name.ts'
import { parseVersion } from '../../protocols/npm/version.ts'
import { callApi } from '../client/api.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot } from '../client/client.ts'
import { plain } from '../terminal/plain.ts'
import type { Environment } from '../environment.ts'

/** `depot npm forget`. */
export function npmForgetCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'npm forget',
    description: 'Let the name and version of a deleted npm package be published again. Nothing else ever frees them.',
    args: {
      version: {
        type: 'positional',
        description: 'Name and version, like @acme/button@1.0.0; the URL of the depot may follow',
        required: true,
      },
      ...CLIENT_ARGS,
    },
    repeats: true,
    notes:
      'Needs the right to administer, and is written into the audit log. Those who installed what was deleted have its hash in their\n' +
      `lockfiles: they will not get other bytes under its name without being told.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot npm forget @acme/button@1.0.0', 'depot npm forget button@1.0.0 https://depot.example.org'],
    async run({ flags, positionals }) {
      const [text = '', url, ...more] = positionals
      if (more.length > 0) throw new UsageError('one version at a time, and the URL of the depot behind it')
      const key = parseKey(text)
      const depot = await openDepot({ url, flags, env, io })
      const path = `/npm/-/tombstones/${encodeURIComponent(key)}` as const
      const { deleted } = await callApi(depot, { method: 'DELETE', path }, FORGOTTEN)
      io.out(`${key} was deleted on ${deleted.slice(0, 10)}, and may be published again`)
      return 0
    },
  }
}

const FORGOTTEN = z.object({ deleted: z.string().transform(plain) })

/** @throws UsageError */
function parseKey(text: string): string {
  const at = text.indexOf('@', 1)
  const known = at > 0 && parsePackageName(text.slice(0, at)) !== undefined
  if (known && parseVersion(text.slice(at + 1)) !== undefined) return text
  throw new UsageError(`'${plain(text)}' is no name and version: say it like @acme/button@1.0.0`)
}
