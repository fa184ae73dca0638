import { describe, expect, it } from 'vitest'

import { parseDistribution } from '../../../../protocols/python/filename.ts'
import { allowsPython } from '../../../../protocols/python/save/requires-python.ts'
import {
  haveWheelForAll,
  isWantedWheel,
  parsePlatform,
  parsePython,
} from '../../../../protocols/python/save/wheel-filter.ts'

function wheel(tag: string) {
  return parseDistribution(`top-1.0-${tag}.whl`)
}

function isFor(tag: string, pythons: readonly string[], platforms: readonly string[] = []): boolean {
  return isWantedWheel(wheel(tag), { pythons: pythons.map(parsePython), platforms: platforms.map(parsePlatform) })
}

describe('--python', () => {
  it.each([
    ['py3-none-any', '3.12', true],
    ['py2.py3-none-any', '3.12', true],
    ['py2-none-any', '3.12', false],
    ['py310-none-any', '3.12', true],
    ['py313-none-any', '3.12', false],
    ['cp312-cp312-win_amd64', '3.12', true],
    ['cp312-cp312-win_amd64', '3.12.4', true],
    ['cp311-cp311-win_amd64', '3.12', false],
    ['cp39-abi3-win_amd64', '3.12', true],
    ['cp313-abi3-win_amd64', '3.12', false],
    ['cp312-none-win_amd64', '3.12', true],
    ['cp313-cp313t-win_amd64', '3.13', false],
    ['cp313-cp313t-win_amd64', '3.13t', true],
    ['cp39-abi3-win_amd64', '3.13t', false],
    ['pp310-pypy310_pp73-win_amd64', 'pypy3.10', true],
    ['pp310-pypy310_pp73-win_amd64', '3.10', false],
    ['cp310-cp310-win_amd64', 'pypy3.10', false],
  ])('%s for %s: %s', (tag, python, wanted) => {
    expect(isFor(tag, [python])).toBe(wanted)
  })

  it.each([
    ['>=3.8', '3.11', true],
    ['>=3.12', '3.11', false],
    ['>=3.11.4', '3.11', true],
    ['>3.11', '3.11', true],
    ['<3.11', '3.11', false],
    ['>=2.7,!=3.0.*,!=3.1.*', '3.1', false],
    ['==3.*', '3.11', true],
    ['==3.10.*', '3.11', false],
    ['~=3.8', '3.11', true],
    ['~=3.8', '4.0', false],
    ['~=3.11.2', '3.11', true],
    ['', '3.11', true],
    ['what is this', '3.11', true],
    [undefined, '3.11', true],
  ])('Requires-Python %j for %s: %s', (requires, python, allowed) => {
    expect(allowsPython(requires, [parsePython(python)])).toBe(allowed)
  })

  it.each(['three', '3', '3.x', '', '../3.1'])('is not %j', (typed) => {
    expect(() => parsePython(typed)).toThrow(/no version of Python/)
  })
})

describe('--platform', () => {
  it.each([
    ['any', 'linux-x86_64', true],
    ['manylinux_2_17_x86_64', 'linux-x86_64', true],
    ['manylinux1_x86_64', 'linux-x64', true],
    ['musllinux_1_2_x86_64', 'linux-amd64', true],
    ['linux_x86_64', 'linux-x86_64', true],
    ['manylinux_2_17_aarch64', 'linux-x86_64', false],
    ['manylinux_2_17_aarch64', 'linux-arm64', true],
    ['macosx_11_0_arm64', 'macos-arm64', true],
    ['macosx_10_9_universal2', 'macos-arm64', true],
    ['macosx_10_9_x86_64', 'macos-arm64', false],
    ['macosx_10_9_intel', 'macos-x86_64', true],
    ['win_amd64', 'windows-x86_64', true],
    ['win_amd64', 'win-amd64', true],
    ['win32', 'windows-x86_64', false],
    ['manylinux2014_x86_64', 'manylinux_2_28_x86_64', true],
    ['manylinux_2_34_x86_64', 'manylinux_2_28_x86_64', false],
    ['musllinux_1_1_x86_64', 'manylinux_2_28_x86_64', false],
    ['linux_x86_64', 'manylinux2014_x86_64', true],
    ['macosx_12_0_universal2', 'macosx_14_0_arm64', true],
    ['macosx_15_0_arm64', 'macosx_14_0_arm64', false],
    ['linux_arm64', 'macosx_14_0_arm64', false],
    ['win_amd64', 'win_amd64', true],
  ])('%s for %s: %s', (tag, platform, wanted) => {
    expect(isFor(`py3-none-${tag}`, [], [platform])).toBe(wanted)
  })

  it.each(['amiga!', 'macos-sparc', 'windows-vax', '', 'linux-'])('is not %j', (typed) => {
    expect(() => parsePlatform(typed)).toThrow(/no platform/)
  })
})

describe('a source', () => {
  it('is needed when one Python on one platform has no wheel', () => {
    const wanted = {
      pythons: ['3.11', '3.12'].map(parsePython),
      platforms: ['linux-x86_64', 'win-amd64'].map(parsePlatform),
    }
    const wheels = ['cp311-cp311-win_amd64', 'cp311-cp311-linux_x86_64', 'cp312-cp312-win_amd64'].map(wheel)
    expect(haveWheelForAll(wheels, wanted)).toBe(false)
    expect(haveWheelForAll([...wheels, wheel('cp312-cp312-manylinux1_x86_64')], wanted)).toBe(true)
    expect(haveWheelForAll([wheel('py3-none-any')], wanted)).toBe(true)
  })

  it('is needed without any wheel when nothing is said of Pythons and platforms', () => {
    expect(haveWheelForAll([], { pythons: [], platforms: [] })).toBe(false)
    expect(haveWheelForAll([wheel('cp311-cp311-win32')], { pythons: [], platforms: [] })).toBe(true)
  })
})
