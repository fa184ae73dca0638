import { expect, it } from 'vitest'

import { lockFilesAndUrl } from '../../../cmd/transfer/rewrite-run.ts'

// The working directory of tests is the project's own.
const USUAL = ['absent.lock', 'package-lock.json']

it('takes the lock files that are named, else the usual ones of the working directory, and a URL behind them', () => {
  const url = 'https://depot.example'
  expect(lockFilesAndUrl(['a/yarn.lock', 'b.json', url], USUAL)).toEqual({ files: ['a/yarn.lock', 'b.json'], url })
  expect(lockFilesAndUrl(['a/yarn.lock'], USUAL)).toEqual({ files: ['a/yarn.lock'], url: undefined })
  expect(lockFilesAndUrl([url], USUAL)).toEqual({ files: ['package-lock.json'], url })
  expect(lockFilesAndUrl([], USUAL)).toEqual({ files: ['package-lock.json'], url: undefined })
  expect(() => lockFilesAndUrl([url], ['absent.lock'])).toThrow('which lock file? There is none here: absent.lock')
})
