import { access } from 'node:fs/promises'
import { hostname } from 'node:os'

import { DepotError } from '../../src/errors.ts'
import type { CliIo, Command, ParsedArgs } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, sessionOf, URL_ARG, type OpenedDepot } from '../client/client.ts'
import { holdsToken, placeOf } from '../config-files/edits.ts'
import { createToken, nixPublicKeys, revokeToken } from '../client/depot-api.ts'
import { depotKey, IN_CLEAR, isInClear } from '../client/depot-url.ts'
import { parseDuration } from '../duration.ts'
import { planEdits, replacedBy, showPlan, writePlan, type FilePlan } from '../config-files/edit-plan.ts'
import { isOn, lastOf } from '../flags.ts'
import { changeProfiles, readProfiles, withDepot, type Profiles } from '../client/profiles.ts'
import { setUpClients } from './set-up-clients.ts'
import type { Environment } from '../environment.ts'
import { madeToken } from '../token/formats.ts'
import { USED_CLIENTS, useEdits, type UsedClient } from './edits.ts'
import { usedGrants } from './used-grants.ts'
import { addUse, type TokenUse } from './used-tokens.ts'

/** `depot use`: let this user's clients work with a depot. */
export function useCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'use',
    description:
      'Let nix, npm, pip and uv of this user work with a depot: makes one token and writes their files. What else stands ' +
      'there stays; depot logout takes it out again.',
    args: {
      url: URL_ARG,
      ...CLIENT_ARGS,
      nix: { type: 'boolean', description: 'nix.conf, and the netrc that it names' },
      npm: { type: 'boolean', description: '.npmrc' },
      pip: { type: 'boolean', description: 'pip.conf and .netrc' },
      uv: { type: 'boolean', description: 'uv.toml and .netrc' },
      write: { type: 'boolean', description: 'The token may write too' },
      expires: {
        type: 'string',
        description: 'When the token ends: 30d, 12h, 2026-12-31 (default: 90d)',
        valueHint: 'WHEN',
      },
      'dry-run': { type: 'boolean', description: 'Show what would change, and change nothing' },
    },
    notes: `Without --nix, --npm, --pip and --uv: all of them.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot use', 'depot use https://depot.example.org --npm --expires 30d', 'depot use --write --dry-run'],
    async run({ flags, positionals }) {
      const expires = lastOf(flags, 'expires')
      const seconds = expires === undefined ? {} : { seconds: parseDuration('--expires', expires, Date.now()) }
      const clients = clientsOf(flags)
      const depot = await openDepot({ url: positionals[0], flags, env, io })
      const session = await sessionOf(depot)
      const publicKeys = clients.has('nix') ? await nixPublicKeys(depot) : []
      const edits = await useEdits({ url: depot.url, clients, env, publicKeys, withToken: !session.open })
      const plan = await planEdits(edits)
      if (isOn(flags, 'dry-run')) {
        for (const line of showPlan(plan)) io.out(line)
        return 0
      }
      if (!session.open && isInClear(depot.url)) io.err(IN_CLEAR)
      const sharing = writesNetrc(plan) ? netrcReaders(depot.url, await readProfiles(env)) : []
      const grants = usedGrants(session.grants, new Set([...clients, ...sharing]), isOn(flags, 'write'))
      if (!session.open && grants.length === 0)
        throw new DepotError('FORBIDDEN', `${depotKey(depot.url)} lets you do nothing for ${[...clients].join(', ')}`)
      await carryOut({ depot, plan, env, io, token: session.open ? undefined : { grants, ...seconds } })
      if (clients.has('nix') && !session.open && (await hasDaemon())) io.err(DAEMON)
      return 0
    },
  }
}

const DAEMON =
  'depot: the Nix daemon reads no netrc of yours: where it fetches for you, put the machine line into /etc/nix/netrc and the\n' +
  '  substituter and its key into /etc/nix/nix.conf'

function hasDaemon(): Promise<boolean> {
  const socket = '/nix/var/nix/daemon-socket/socket'
  return access(socket).then(
    () => true,
    () => false,
  )
}

function writesNetrc(plan: readonly FilePlan[]): boolean {
  return plan.some(({ edits }) => edits.some(({ kind }) => kind === 'netrc'))
}

/** A netrc has one token a host: what is written there for one client must not take the others' rights away. */
function netrcReaders(url: URL, profiles: Profiles): readonly UsedClient[] {
  return setUpClients(url, profiles).filter((client) => client !== 'npm')
}

interface Work {
  readonly depot: OpenedDepot
  readonly plan: readonly FilePlan[]
  readonly env: Environment
  readonly io: CliIo
  /** Absent for a depot that asks for none. */
  readonly token: { readonly grants: readonly string[]; readonly seconds?: number } | undefined
}

/** The token is noted before it is written anywhere, so that `depot logout` finds it whatever happens here. */
async function carryOut({ depot, plan, env, io, token }: Work): Promise<void> {
  const made =
    token === undefined ? undefined : await createToken(depot, { name: `depot use on ${hostname()}`, ...token })
  const files = plan.filter(({ edits }) => edits.some(holdsToken)).map(({ file }) => file)
  const use = {
    edits: plan.flatMap((each) => each.made),
    tokens: made === undefined ? [] : [{ id: made.info.id, files }],
  }
  let replaced: readonly TokenUse[] = []
  await changeProfiles(env, (profiles) => {
    for (const line of takenOver(profiles, depot.url, plan)) io.err(`depot: ${line}`)
    const changed = withDepot(profiles, depotKey(depot.url), (profile) => {
      const added = addUse(profile, use)
      replaced = added.replaced
      return added.profile
    })
    return { ...changed, current: profiles.current ?? depotKey(depot.url) }
  })
  await writePlan(plan, made?.token ?? '')
  for (const { file, before, after } of plan) if (before !== after) io.out(`wrote ${file}`)
  for (const line of replacedBy(plan)) io.err(`depot: ${line}`)
  for (const { id } of replaced) await revokeToken(depot, id).catch((error: unknown) => toldRefusal(error, id, io))
  if (made === undefined)
    io.err(`depot: ${depotKey(depot.url)} asks nobody for credentials: only its addresses are written`)
  else io.err(madeToken(made.info))
}

/** A netrc knows hosts, and no ports: of two depots on one host, the last one has it. */
function takenOver({ depots }: Profiles, url: URL, plan: readonly FilePlan[]): string[] {
  const netrcs = new Set(plan.flatMap(({ edits }) => edits.filter(({ kind }) => kind === 'netrc').map(placeOf)))
  return Object.entries(depots)
    .filter(([other, { edits = [] }]) => other !== depotKey(url) && edits.some((edit) => netrcs.has(placeOf(edit))))
    .map(([other]) => `${other} loses its place in the netrc, which tells no ports apart`)
}

function toldRefusal(error: unknown, id: string, io: CliIo): void {
  if (!(error instanceof DepotError)) throw error
  io.err(`depot: the old token ${id} is not revoked: ${error.message}`)
}

function clientsOf(flags: ParsedArgs['flags']): ReadonlySet<UsedClient> {
  const named = USED_CLIENTS.filter((client) => isOn(flags, client))
  return new Set(named.length === 0 ? USED_CLIENTS : named)
}
