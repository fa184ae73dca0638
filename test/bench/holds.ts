import path from 'node:path'

import { auditHolds } from './holds-audit.ts'
import { nixHolds } from './holds-nix.ts'
import { npmHolds } from './holds-npm.ts'
import { pythonHolds } from './holds-python.ts'
import { searchHolds } from './holds-search.ts'
import type { Row } from './run.ts'

/** For how long everybody else waits while one client asks for what is much work, or was written to be. */
export async function holds(dir: string): Promise<readonly Row[]> {
  const parts = [searchHolds, npmHolds, auditHolds, pythonHolds, nixHolds]
  const rows: Row[] = []
  for (const part of parts) rows.push(...(await part(path.join(dir, part.name))))
  return rows
}
