import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { nix32 } from '../helpers/nar.ts'
import { drive, median, output, roundsOf } from './load.ts'
import type { Row } from './report.ts'
import { type BenchServer, startNginx } from './servers.ts'
import { digestOf, treeArchive } from './uploads.ts'

const ROUNDS = 3
const SECONDS = 4
const SIZE_BYTES = 256 * 1024 * 1024

/** The slowest of a hot document's readers while an archive comes in, beside nginx whose readers have the same upload to the depot going on. */
export async function busyReads(dir: string, depot: BenchServer, narinfoPath: string): Promise<Row> {
  const folder = path.join(dir, 'files')
  mkdirSync(folder, { recursive: true })
  const file = await treeArchive(path.join(dir, 'archive.nar'), SIZE_BYTES)
  const upload = `${depot.url}/nix/nar/${nix32(await digestOf(file))}.nar`
  const document = await fetch(depot.url + narinfoPath)
  writeFileSync(path.join(folder, 'narinfo'), await document.text())
  await using nginx = await startNginx(path.join(dir, 'nginx'), folder)
  const p99s = { depot: [] as number[], nginx: [] as number[] }
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    p99s.nginx.push(await p99During(`${nginx.url}/narinfo`, file, upload))
    p99s.depot.push(await p99During(depot.url + narinfoPath, file, upload))
  }
  const [ours, theirs] = [median(p99s.depot), median(p99s.nginx)]
  return {
    name: 'p99 of a narinfo GET, 16 connections, while 256 MiB come in',
    ours: `${ours.toFixed(1)} ms`,
    peer: `nginx ${theirs.toFixed(1)} ms`,
    ratio: theirs / ours,
    target: '>= 0.5',
    met: theirs / ours >= 0.5,
  }
}

/** Read for some seconds, all the while the file is sent, again and again. */
async function p99During(url: string, file: string, upload: string): Promise<number> {
  let reading = true
  const sending = async (): Promise<void> => {
    while (reading) {
      const flags = ['-sS', '-T', file, '-H', 'Expect:', '-o', '/dev/null', '-w', '%{http_code}']
      const status = await output('curl', [...flags, upload])
      if (!status.startsWith('2')) throw new Error(`PUT ${upload}: ${status}`)
    }
  }
  const sent = sending()
  const { p99Ms, failures } = await drive({ url, connections: 16, seconds: SECONDS })
  reading = false
  await sent
  if (failures > 0) throw new Error(`${failures} reads failed`)
  return p99Ms
}
