import { hasCode } from './errors.ts'
import { LIMITS } from './limits.ts'

/** Something that a server cannot do its work without, and how to ask it. */
export interface Part {
  /** As operators know it: `database`, `store`, `store cold`. */
  readonly name: string
  /** The database has to answer. Of the stores one that does is enough: what lies in the others alone fails. */
  readonly kind: 'database' | 'store'
  /** Cheap proof that it answers; rejects with `STORAGE_FULL` when it does, but takes nothing new. */
  readonly ping: () => Promise<void>
}

/** `full`: it answers what is there, and takes nothing new. */
export type PartState = 'ok' | 'full' | 'down' | 'no answer'

export interface Checked {
  /** Whether requests had better come here. */
  readonly isReady: boolean
  readonly parts: readonly { readonly name: string; readonly state: PartState }[]
}

/** Tells how the parts of a server are. */
export interface Readiness {
  /** Resolves within `LIMITS.readinessWaitMs`, and asks the parts no oftener than every `LIMITS.readinessSharedMs`. */
  check(): Promise<Checked>
}

/** @param nowMs a clock that does not jump */
export function createReadiness(parts: readonly Part[], nowMs: () => number = () => performance.now()): Readiness {
  const watched = parts.map((part) => ({ ...part, state: watch(part, nowMs) }))
  let underWay: Promise<Checked> | undefined
  let latest: { readonly checked: Checked; readonly atMs: number } | undefined

  async function ask(): Promise<Checked> {
    const states = await Promise.all(
      watched.map(async ({ name, kind, state }) => ({ name, kind, state: await state() })),
    )
    const works = (kind: Part['kind']): boolean => {
      const some = states.filter((part) => part.kind === kind)
      return some.length === 0 || some.some(({ state }) => state === 'ok' || state === 'full')
    }
    const checked: Checked = {
      isReady: works('database') && works('store'),
      parts: states.map(({ name, state }) => ({ name, state })),
    }
    latest = { checked, atMs: nowMs() }
    underWay = undefined
    return checked
  }

  return {
    check() {
      if (underWay !== undefined) return underWay
      if (latest !== undefined && nowMs() - latest.atMs < LIMITS.readinessSharedMs)
        return Promise.resolve(latest.checked)
      underWay = ask()
      return underWay
    },
  }
}

/** One question at a time: a part that hangs is not asked again before it has been given up. */
function watch({ ping }: Part, nowMs: () => number): () => Promise<PartState> {
  let asked: { readonly state: Promise<PartState>; readonly atMs: number } | undefined

  function ask(): Promise<PartState> {
    const question = { state: stateOf(ping), atMs: nowMs() }
    asked = question
    void question.state.then(() => {
      if (asked === question) asked = undefined
    })
    return question.state
  }

  return async () => {
    const isAsked = asked !== undefined && nowMs() - asked.atMs < LIMITS.readinessGivenUpMs
    const state = isAsked && asked !== undefined ? asked.state : ask()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<PartState>((resolve) => {
      timer = setTimeout(resolve, LIMITS.readinessWaitMs, 'no answer')
    })
    const first = await Promise.race([state, late])
    clearTimeout(timer)
    return first
  }
}

async function stateOf(ping: Part['ping']): Promise<PartState> {
  try {
    await ping()
    return 'ok'
  } catch (error) {
    return hasCode(error, 'STORAGE_FULL') ? 'full' : 'down'
  }
}
