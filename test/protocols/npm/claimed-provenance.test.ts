import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { publishOf, tarballOf, withProvenance } from '../../helpers/npm-fixtures.ts'
import { json, put, startNpmWorld } from '../../helpers/npm-world.ts'

const OWN = { name: 'proven', version: '1.0.0' }

describe('a publish', () => {
  it('cannot claim provenance that it does not bring along', async () => {
    await using world = await startNpmWorld()
    const attestations = {
      url: 'https://evil.example/x',
      provenance: { predicateType: 'https://slsa.dev/provenance/v1' },
    }
    const body = publishOf(OWN, await tarballOf(OWN), { dist: { attestations } })
    expect((await put(world, OWN.name, body)).status).toBe(201)
    expect((await json(await world.fetch('/npm/proven/1.0.0')))['dist']).not.toHaveProperty('attestations')
  })

  it('is refused with provenance of many megabytes, which would be read for everybody who asks for it', async () => {
    await using world = await startNpmWorld()
    const body = withProvenance(OWN, await tarballOf(OWN))
    const attachment = body._attachments['proven-1.0.0.sigstore']
    const data = `${attachment?.data ?? ''}${' '.repeat(LIMITS.npmProvenanceLengthMax)}`
    const attachments = { ...body._attachments, 'proven-1.0.0.sigstore': { ...attachment, data } }
    expect((await put(world, OWN.name, { ...body, _attachments: attachments })).status).toBe(413)
    expect((await world.fetch('/npm/proven')).status).toBe(404)
  })
})
