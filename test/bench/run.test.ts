import { execFile } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

const RUN = path.join(import.meta.dirname, 'run.ts')

it('the benches start outside the test run, and name their sections to whoever asks for another', async () => {
  const asked = promisify(execFile)(process.execPath, [RUN, 'nothing'])
  await expect(asked).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^nothing is none of reads, /) })
}, 240_000)
