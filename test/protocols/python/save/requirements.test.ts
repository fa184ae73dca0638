import { describe, expect, it } from 'vitest'

import { requirementsIn } from '../../../../protocols/python/save/build-requirements.ts'
import { readReport } from '../../../../protocols/python/save/pip-resolver.ts'
import { readPins } from '../../../../protocols/python/save/uv-resolver.ts'

describe('what builds an sdist', () => {
  it('stands in its pyproject.toml', () => {
    expect(
      requirementsIn('[build-system]\nrequires = ["hatchling >=1.2", "x[y]; python_version < \'3.9\'"]\n'),
    ).toEqual(['hatchling >=1.2', "x[y]; python_version < '3.9'"])
    expect(requirementsIn('[build-system]\nrequires = []\n')).toEqual([])
  })

  it('is setuptools where it says nothing, and wheel with it, as pip has it', () => {
    expect(requirementsIn('[project]\nname = "x"\n')).toEqual(['setuptools>=40.8.0', 'wheel'])
    expect(requirementsIn('[build-system]\nrequires = ["setuptools>=61"]\n')).toEqual(['setuptools>=61', 'wheel'])
  })

  it.each([
    'requires = "setuptools"',
    'requires = [1]',
    'requires = ["-r /etc/passwd"]',
    'requires = ["--index-url=https://evil.example/"]',
    'requires = ["x\\n--index-url https://evil.example/"]',
    'requires = ["x @ https://evil.example/x.whl"]',
    'requires = ["https://evil.example/x.whl"]',
    'requires = ["./x.whl"]',
    'requires = ["/etc/x"]',
    'requires = [',
  ])('is not looked for when it says %s', (line) => {
    expect(() => requirementsIn(`[build-system]\n${line}\n`)).toThrow(/its pyproject.toml cannot be used/)
  })
})

describe('the versions that were found', () => {
  it('are read from what uv prints', () => {
    const text = `# a comment
asgiref==3.13.0 ; python_full_version >= '3.11'
My.Pkg[extra]==1.0+local.1
direct @ https://example.org/direct-1.0-py3-none-any.whl
--index-url https://example.org/
-e ./here
`
    expect(readPins(text)).toEqual({
      versions: [
        { project: 'asgiref', version: '3.13.0' },
        { project: 'my-pkg', version: '1.0+local.1' },
      ],
      addresses: [{ project: 'direct', address: 'https://example.org/direct-1.0-py3-none-any.whl' }],
    })
  })

  it("are read from pip's report, and what is none is refused", () => {
    const one = (name: string, isDirect: boolean) => ({
      is_direct: isDirect,
      download_info: { url: `https://example.org/${name}` },
      metadata: { name, version: '1.0' },
    })
    expect(readReport(JSON.stringify({ install: [one('A_b', false), one('c', true)] }))).toEqual({
      versions: [{ project: 'a-b', version: '1.0' }],
      addresses: [{ project: 'c', address: 'https://example.org/c' }],
    })
    for (const text of ['', '{}', '[]', '{"install": [{}]}']) expect(() => readReport(text)).toThrow(/22\.2/)
  })
})
