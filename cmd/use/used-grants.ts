import type { UsedClient } from './edits.ts'

/**
 * What a token for these clients is asked for: of what its maker has, what concerns them, and reading only unless it may write.
 *
 * @param held as they are written: `npm:read:@acme/*`
 */
export function usedGrants(
  held: readonly string[],
  clients: ReadonlySet<UsedClient>,
  write: boolean,
): readonly string[] {
  const wanted = new Set([...clients].map((client) => ECOSYSTEM[client]))
  const all = new Set(Object.values(ECOSYSTEM))
  const grants = held.flatMap((grant) => {
    const [ecosystem = '', action = '', ...pattern] = grant.split(':')
    const narrowed = narrow(action, write)
    if (narrowed === undefined) return []
    const ecosystems =
      ecosystem !== '*'
        ? [ecosystem].filter((each) => wanted.has(each))
        : wanted.size === all.size
          ? ['*']
          : [...wanted]
    return ecosystems.map((each) => [each, narrowed, ...pattern].join(':'))
  })
  return [...new Set(grants)]
}

const ECOSYSTEM: Readonly<Record<UsedClient, string>> = { nix: 'nix', npm: 'npm', pip: 'python', uv: 'python' }

/** `write` includes `read`. */
function narrow(action: string, write: boolean): string | undefined {
  if (action === 'read') return 'read'
  return action === 'write' || action === '*' ? (write ? 'write' : 'read') : undefined
}
