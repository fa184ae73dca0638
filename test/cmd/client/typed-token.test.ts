import { expect, it } from 'vitest'

import { typedToken } from '../../../cmd/client/typed-token.ts'

const told: string[] = []
const io = { out: () => {}, err: (line: string) => void told.push(line) }

it('a token that was typed is taken, with a word about who can read it, and not beside a key', async () => {
  expect(await typedToken({}, io)).toBeUndefined()
  expect(told).toEqual([])
  expect(await typedToken({ token: ['dpt_a', 'dpt_b'] }, io)).toBe('dpt_b')
  expect(told).toEqual([expect.stringContaining('everybody on this machine can read the arguments')])
  expect(told.join('')).not.toContain('dpt_')
  await expect(typedToken({ token: ['dpt_a'], identity: ['k'] }, io)).rejects.toThrow('--token or --identity')
})
