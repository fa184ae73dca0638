import { describe, expect, it } from 'vitest'

import { evaluate } from '../../../../protocols/nix/closure/evaluate.ts'
import type { Programs } from '../../../../src/client/programs.ts'

describe('what Nix says when it fails', () => {
  it('is told in one line that begins with its error, not with the warnings before', async () => {
    const said =
      "warning: the group 'nixbld' does not exist\nwarning: error: unable to download; retrying in 277 ms\nerror: unable\n       … while x\n"
    expect(await refusal(said)).toBe('nix build ended with 1: error: unable … while x')
  })

  it('is all of it where no line is an error', async () => {
    expect(await refusal('stopped\nby a signal\n')).toBe('nix build ended with 1: stopped by a signal')
  })
})

async function refusal(stderr: string): Promise<string> {
  const programs: Programs = {
    run: async () => ({ status: 1, stdout: '', stderr }),
    async *stream() {},
  }
  try {
    await evaluate({ programs, root: '/' }, 'x#y', { build: true })
  } catch (error) {
    if (error instanceof Error) return error.message
  }
  throw new Error('not refused')
}
