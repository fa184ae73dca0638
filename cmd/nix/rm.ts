import { LIMITS } from '../../src/limits.ts'
import { confirm } from '../terminal/ask.ts'
import { UsageError, type CliIo, type Command, type ParsedArgs } from '../cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, type OpenedDepot } from '../client/client.ts'
import { depotKey } from '../client/depot-url.ts'
import { isOn } from '../flags.ts'
import { deletePaths, type DeletionRequest, type GoingPath } from './api.ts'
import { PATHS_ARG, pathsAndUrl, storeHashOf } from './arguments.ts'
import { startProgress } from '../terminal/progress.ts'
import type { Environment } from '../environment.ts'

/** `depot nix rm`. */
export function nixRmCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'nix rm',
    description: 'Delete store paths from a depot. What another path there needs is refused, and so is all the rest.',
    args: {
      path: PATHS_ARG,
      ...CLIENT_ARGS,
      closure: { type: 'boolean', description: 'Also what they need, as far as nothing else there needs it' },
      referrers: { type: 'boolean', description: 'Also everything that needs them' },
      'dry-run': { type: 'boolean', description: 'Only show what would go' },
      yes: { type: 'boolean', description: 'Ask no questions' },
      json: { type: 'boolean', description: 'One JSON object a line' },
    },
    repeats: true,
    notes:
      `Needs the right to delete. Up to ${LIMITS.nixDeletedPathsMax} paths go at once, all or none; more go in several steps, of which each leaves\n` +
      'everything that is still there with all that it needs. Clients remember what they found for up to 30 days:\n' +
      `nix … --refresh asks again.\n\n${CREDENTIALS_NOTE}`,
    examples: [
      'depot nix rm --closure --dry-run /nix/store/s5b00ijzqx4db8vf1bcbzgmv3wb3ildz-hello',
      'depot nix rm --yes s5b00ijzqx4db8vf1bcbzgmv3wb3ildz https://depot.example.org',
    ],
    async run({ flags, positionals }) {
      const { hashes, url } = pathsAndUrl(positionals)
      const also = alsoOf(flags)
      const depot = await openDepot({ url, flags, env, io })
      const plan = await deletePaths(depot, { paths: hashes, ...also, dryRun: true })
      const print = (path: GoingPath, deleted: boolean): void =>
        io.out(
          isOn(flags, 'json')
            ? JSON.stringify({ ...path, deleted })
            : `${deleted ? 'deleted' : 'would delete'} ${path.path}`,
        )
      if (isOn(flags, 'dry-run')) {
        for (const path of plan) print(path, false)
        return 0
      }
      if (!isOn(flags, 'yes') && !(await agreed(depot, plan, io))) return 1
      await deleteInSteps(depot, plan, (path) => print(path, true))
      return 0
    },
  }
}

function alsoOf(flags: ParsedArgs['flags']): Pick<DeletionRequest, 'also'> {
  const [closure, referrers] = [isOn(flags, 'closure'), isOn(flags, 'referrers')]
  if (closure && referrers) throw new UsageError('--closure or --referrers, not both')
  return closure ? { also: 'closure' } : referrers ? { also: 'referrers' } : {}
}

async function agreed(depot: OpenedDepot, plan: readonly GoingPath[], io: CliIo): Promise<boolean> {
  for (const { path } of plan.slice(0, SHOWN_MAX)) io.err(path)
  if (plan.length > SHOWN_MAX) io.err(`and ${plan.length - SHOWN_MAX} more`)
  const bytes = plan.reduce((sum, { narSize }) => sum + narSize, 0)
  const what = plan.length === 1 ? 'this path' : `these ${plan.length} paths`
  const answer = await confirm(`Delete ${what} (${bytes} bytes unpacked) from ${depotKey(depot.url)}?`)
  if (answer === undefined) throw new UsageError('nobody to ask: --yes deletes, --dry-run shows what would go')
  return answer
}

const SHOWN_MAX = 20

/** In the order of the plan: whatever ends this in between, nothing that is left needs something that is gone. */
async function deleteInSteps(
  depot: OpenedDepot,
  plan: readonly GoingPath[],
  deleted: (path: GoingPath) => void,
): Promise<void> {
  using progress = startProgress(process.stdout.isTTY)
  for (let at = 0; at < plan.length; at += LIMITS.nixDeletedPathsMax) {
    progress.show(`${at} of ${plan.length} paths deleted`)
    const some = plan.slice(at, at + LIMITS.nixDeletedPathsMax)
    for (const path of await deletePaths(depot, { paths: some.map((one) => storeHashOf(one.path)) })) deleted(path)
  }
}
