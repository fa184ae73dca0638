import path from 'node:path'

import type { Row } from './report.ts'
import { scaleConnections } from './scale-connections.ts'
import { scaleFiles } from './scale-files.ts'
import { scaleRecords } from './scale-records.ts'

/** How cost grows: with the records there are, with the connections that ask, and with the size of a file. */
export async function scale(dir: string): Promise<readonly Row[]> {
  return [
    ...(await scaleRecords(path.join(dir, 'records'))),
    ...(await scaleConnections(path.join(dir, 'connections'))),
    ...(await scaleFiles(path.join(dir, 'files'))),
  ]
}
