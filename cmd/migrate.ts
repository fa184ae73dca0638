import { openShared } from '../storage/open.ts'
import type { ServeConfig } from './settings/config.ts'

/** Bring the database up to date, and nothing else: no folder is made, no key, no server. @throws DepotError as a start would */
export async function migrate(config: ServeConfig): Promise<void> {
  const warn = (message: string): void => void process.stderr.write(`depot: ${message}\n`)
  const writer = await openShared({ ...config, schema: 'migrate', warn })
  await writer?.[Symbol.asyncDispose]()
  process.stdout.write('the database is up to date\n')
}
