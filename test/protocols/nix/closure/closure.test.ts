import { describe, expect, it } from 'vitest'

import { closureOf } from '../../../../protocols/nix/closure/closure.ts'
import type { PathFacts } from '../../../../protocols/nix/closure/path-source.ts'
import { DepotError } from '../../../../src/errors.ts'

describe('a closure', () => {
  it('has each path once, references before what refers to them', async () => {
    const { paths, missing } = await closureOf(sourceOf({ top: ['a', 'b', 'top'], a: ['c'], b: ['a', 'c'], c: [] }), [
      'top',
      'b',
    ])
    expect(paths.map(({ baseName }) => baseName).join(' ')).toMatch(/^c a b top$/)
    expect(missing.size).toBe(0)
  })

  it('is of the paths alone when it is to be', async () => {
    const { paths } = await closureOf(sourceOf({ top: ['a'], a: [] }), ['top'], { rootsOnly: true })
    expect(paths.map(({ baseName }) => baseName)).toEqual(['top'])
  })

  it('goes on without what is not there or is refused, and tells why', async () => {
    const { paths, missing } = await closureOf(sourceOf({ top: ['gone', 'bad', 'a'], a: [] }), ['top'])
    expect(paths.map(({ baseName }) => baseName)).toEqual(['a', 'top'])
    expect([...missing].map(([name, { message }]) => [name, message])).toEqual([
      ['gone', 'it is not there'],
      ['bad', 'no signature'],
    ])
  })

  it('ends when the source is down', async () => {
    await expect(closureOf(sourceOf({ top: ['down'] }), ['top'])).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
  })

  it('comes to an end where somebody made up a cycle, and where a chain is long', async () => {
    const cycle = await closureOf(sourceOf({ a: ['b'], b: ['c'], c: ['a'] }), ['a'])
    expect(cycle.paths).toHaveLength(3)
    const chain = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`p${at}`, [`p${at + 1}`]]))
    const { paths } = await closureOf(sourceOf({ ...chain, p20000: [] }), ['p0'])
    expect([paths.length, paths[0]?.baseName, paths.at(-1)?.baseName]).toEqual([20_001, 'p20000', 'p0'])
  })
})

function sourceOf(references: Readonly<Record<string, readonly string[]>>) {
  return {
    async facts(baseName: string): Promise<PathFacts | undefined> {
      if (baseName === 'bad') throw new DepotError('CONTENT_MISMATCH', 'no signature')
      if (baseName === 'down') throw new DepotError('STORAGE_DOWN', 'down')
      const own = references[baseName]
      return own && { baseName, narHash: '00', narSizeBytes: 1, references: [...own], signatures: [] }
    },
  }
}
