import type { Answer, Download } from '../../../src/client/download.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import type { IndexPage } from './index-page.ts'
import { PAGE_ACCEPT, readPage } from './read-page.ts'

/** The public index, where nothing else is set. */
export const PUBLIC_INDEX = 'https://pypi.org/simple/'

/** Indexes in the order in which they are asked. */
export interface Indexes {
  /**
   * A project's page on the first index that has the project; undefined when none has it. The others are not asked then: whoever
   * registers a private project's name on a public index has no part in it.
   *
   * @throws DepotError when an index cannot be asked: the project may be its own; `FORBIDDEN` when the project is quarantined
   */
  page(project: string): Promise<IndexPage | undefined>
}

/** Indexes by the addresses of their lists of projects, with or without a slash at the end. */
export function openIndexes(download: Pick<Download, 'ask'>, urls: readonly URL[]): Indexes {
  const ask = asker(download)
  return {
    async page(project) {
      for (const index of urls) {
        const answer = await ask(index, project)
        if (answer.status === 404) continue
        const contentType = answer.headers.get('content-type')
        return notQuarantined(readPage({ text: answer.text, contentType, url: answer.url }))
      }
      return undefined
    },
  }
}

/** One that never answered is not waited for again: a page is tried for half a minute, and there may be hundreds. */
function asker(download: Pick<Download, 'ask'>): (index: URL, project: string) => Promise<Answer> {
  const alive = new Set<URL>()
  const dead = new Map<URL, DepotError>()
  return async (index, project) => {
    const failure = dead.get(index)
    if (failure !== undefined) throw failure
    try {
      const answer = await download.ask({ url: pageUrl(index, project), accept: PAGE_ACCEPT })
      alive.add(index)
      return answer
    } catch (error) {
      if (hasCode(error, 'STORAGE_DOWN') && !alive.has(index)) dead.set(index, error)
      throw error
    }
  }
}

function pageUrl(index: URL, project: string): URL {
  const url = new URL(index)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${project}/`
  return url
}

/** PEP 792: nothing of it is to be installed. */
function notQuarantined(page: IndexPage): IndexPage {
  const { status } = page
  if (status?.status !== 'quarantined') return page
  const reason = status.reason === undefined ? '' : `: ${status.reason}`
  throw new DepotError('BAD_REQUEST', `the index has put the project in quarantine${reason}`)
}
