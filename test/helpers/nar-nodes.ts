import fc from 'fast-check'

import type { NarNode } from './nar.ts'

const names = fc.stringMatching(/^[A-Za-z0-9_+=][A-Za-z0-9._+=-]{0,20}$/)

/** Any small tree, its entries in the order of their bytes. */
export const { node: narNodes } = fc.letrec<{ node: NarNode; regular: NarNode; symlink: NarNode; directory: NarNode }>(
  (tie) => ({
    node: fc.oneof({ depthSize: 'small' }, tie('regular'), tie('symlink'), tie('directory')),
    regular: fc.record({
      type: fc.constant('regular' as const),
      content: fc.uint8Array({ maxLength: 300 }),
      executable: fc.boolean(),
    }),
    symlink: fc.record({ type: fc.constant('symlink' as const), target: fc.stringMatching(/^[a-z./]{1,40}$/) }),
    directory: fc
      .uniqueArray(fc.tuple(names, tie('node')), { selector: ([name]) => name, maxLength: 5 })
      .map((entries) => ({
        type: 'directory' as const,
        entries: entries.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      })),
  }),
)
