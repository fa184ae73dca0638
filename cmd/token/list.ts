import { DepotError } from '../../src/errors.ts'
import { UsageError, type CliIo, type Command } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG } from '../client/client.ts'
import { listTokens, revokeToken, type TokenInfo } from '../client/depot-api.ts'
import { isOn, lastOf } from '../flags.ts'
import type { Environment } from '../environment.ts'
import { table, utcMinute } from '../terminal/table.ts'

/** `depot token list`. */
export function tokenListCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'token list',
    description: 'List your tokens, the youngest first. Their secrets are known to nobody but who has them.',
    args: { url: URL_ARG, ...CLIENT_ARGS, json: { type: 'boolean', description: 'One JSON object a line' } },
    notes: CREDENTIALS_NOTE,
    examples: ['depot token list', 'depot token list https://depot.example.org --json'],
    async run({ flags, positionals }) {
      const tokens = await listTokens(await openDepot({ url: positionals[0], flags, env, io }))
      const now = Date.now()
      if (isOn(flags, 'json')) {
        for (const info of tokens) io.out(JSON.stringify({ ...info, state: stateOf(info, now) }))
        return 0
      }
      const header = ['id', 'name', 'grants', 'created', 'expires', 'last used', 'state']
      for (const line of table([header, ...tokens.map((info) => row(info, now))])) io.out(line)
      return 0
    },
  }
}

/** `depot token revoke`. */
export function tokenRevokeCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'token revoke',
    description: 'End tokens at once, and those that were made with them. Needs the same rights as listing them.',
    args: {
      id: { type: 'positional', description: 'Ids of tokens, as token list shows them', required: true },
      ...CLIENT_ARGS,
      depot: {
        type: 'string',
        description: 'URL of the depot (default: DEPOT_URL, or the one of the last login)',
        valueHint: 'URL',
      },
    },
    repeats: true,
    notes: CREDENTIALS_NOTE,
    examples: ['depot token revoke 0aZbY1cXd2We', 'depot token revoke 0aZbY1cXd2We 3fVg4hUi5jTk'],
    async run({ flags, positionals }) {
      if (positionals.length === 0) throw new UsageError('which token? depot token list shows their ids')
      const bad = positionals.find((id) => !/^[0-9A-Za-z]{12}$/.test(id))
      // Not repeated: it may be a whole token.
      if (bad !== undefined)
        throw new UsageError('the id of a token has 12 letters and digits: depot token list shows them')
      const depot = await openDepot({ url: lastOf(flags, 'depot'), flags, env, io })
      let failed = 0
      for (const id of positionals) {
        try {
          await revokeToken(depot, id)
          io.out(`revoked ${id}`)
        } catch (error) {
          if (!(error instanceof DepotError)) throw error
          failed++
          io.err(`depot: ${id}: ${error.message}`)
        }
      }
      return failed === 0 ? 0 : 1
    },
  }
}

function stateOf({ revokedAt, expiresAt }: TokenInfo, now: number): 'good' | 'revoked' | 'expired' {
  return revokedAt !== undefined ? 'revoked' : expiresAt <= now ? 'expired' : 'good'
}

function row(info: TokenInfo, now: number): string[] {
  const { id, name, grants, createdAt, expiresAt, lastUsedAt } = info
  const used = lastUsedAt === undefined ? '-' : utcMinute(lastUsedAt)
  return [id, name, grants.join(' '), utcMinute(createdAt), utcMinute(expiresAt), used, stateOf(info, now)]
}
