import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { documentResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { choosePage, headerOf, rendering, type PageChoice, type PageRequest } from './pages.ts'
import { projectNames } from './project.ts'
import { LIST_KEY, LIST_KIND } from './records.ts'
import { LIST_HTML } from './simple-html.ts'
import { LIST_JSON } from './simple-json.ts'
import type { ListForm } from './simple-page.ts'

/** Its links are the same in both styles. */
export const LIST_SOURCE = { kind: LIST_KIND, key: LIST_KEY, style: 'simple' } as const

const FORMS: Readonly<Record<PageChoice['format'], ListForm>> = { json: LIST_JSON, html: LIST_HTML }

interface WrittenList {
  /** Of the list's record; 0 before there is one. */
  readonly version: number
  readonly text: string
}

/**
 * Answers requests for the list of all projects. While new projects come in a stream the list is new all the time: it is written once
 * at a time, for everybody who asked before that began.
 */
export function projectListReader(depot: Depot): (request: PageRequest) => Promise<Response> {
  const writers = new Map<string, () => Promise<WrittenList>>()
  return async (request) => {
    const choice = choosePage(request.cache, LIST_SOURCE, headerOf(request))
    const name = `${request.cache.id} ${choice.format}`
    const write = writers.get(name) ?? sharing(() => writeList(depot, request.cache, FORMS[choice.format]))
    writers.set(name, write)
    const render = async () => {
      const { version, text } = await write()
      return rendering(version, text, choice.coding)
    }
    const document = await depot.document(choice.document, async () => {
      const rendered = await render()
      return rendered.sourceVersion === 0 ? undefined : rendered
    })
    return documentResponse(request, document ?? (await render()), choice.headers)
  }
}

async function writeList(depot: Depot, cache: Cache, form: ListForm): Promise<WrittenList> {
  // Read before the names: when a project comes in between, the page is too new for its version, and not stored.
  const list = await depot.get(cache, LIST_KIND, LIST_KEY)
  const items: string[] = []
  for (const name of await projectNames(depot, cache)) {
    items.push(form.item(name))
    await breath()
  }
  return { version: list?.version ?? 0, text: form.head + items.join(form.between) + form.tail }
}

/** Run work one at a time. Whoever asks while it runs waits for the next run, which began after they asked and is one for all of them. */
function sharing<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<T> | undefined
  async function run(): Promise<T> {
    await running.catch(() => {})
    next = undefined
    const mine = work()
    running = mine
    return mine
  }
  return () => (next ??= run())
}
